// The cases that servers are compared in.

/**
 * @typedef {object} Case
 * @property {string} id What `--case` looks at, and the key in the recorded figures
 * @property {string} title What people read
 * @property {'echo' | 'broadcast' | 'idle' | 'connect' | 'serve'} mode The mode of the load
 *   generator; with `serve` it's a client that is measured
 * @property {Record<string, number | true>} load Its options
 * @property {string} unit What is counted
 * @property {boolean} [broadcast] The server sends to all what one client sends
 * @property {boolean} [publish] It does so by publishing to a topic of all, where it has topics
 * @property {'promise' | 'immediate'} [awaits] What the server waits for before it answers
 * @property {{level: number, takeover: boolean}} [deflate] permessage-deflate: the level of
 *   compression, and whether both sides take their windows over
 * @property {boolean} [tls] TLS
 * @property {string[]} [contenders] Who takes part, by id; those of {@link STANDARD} if not given
 * @property {number} [rounds] At most so many rounds, where one takes long and they differ little
 */

/** Who takes part in a case that says nothing else. */
export const STANDARD = ['ws', 'ws+bufferutil', 'oxws', 'against', 'bun'];

/** @type {Case[]} */
export const cases = [
  {
    id: 'ping-pong',
    title: '1 connection, 20 B, ping-pong',
    mode: 'echo',
    load: { connections: 1, size: 20, 'in-flight': 1 },
    unit: 'messages'
  },
  {
    id: '64x20B-1',
    title: '64 connections, 20 B, 1 in flight',
    mode: 'echo',
    load: { connections: 64, size: 20, 'in-flight': 1 },
    unit: 'messages'
  },
  {
    id: '64x20B-32',
    title: '64 connections, 20 B, 32 in flight',
    mode: 'echo',
    load: { connections: 64, size: 20, 'in-flight': 32 },
    unit: 'messages'
  },
  {
    id: '64x1KiB-32',
    title: '64 connections, 1 KiB, 32 in flight',
    mode: 'echo',
    load: { connections: 64, size: 1024, 'in-flight': 32 },
    unit: 'messages'
  },
  {
    id: '16x64KiB-2',
    title: '16 connections, 64 KiB, 2 in flight',
    mode: 'echo',
    load: { connections: 16, size: 65536, 'in-flight': 2 },
    unit: 'messages'
  },
  {
    id: '4x1MiB-2',
    title: '4 connections, 1 MiB, 2 in flight',
    mode: 'echo',
    load: { connections: 4, size: 1048576, 'in-flight': 2 },
    unit: 'messages'
  },
  ...[
    { connections: 64, size: 20, text: '20 B', flight: 1 },
    { connections: 64, size: 20, text: '20 B', flight: 32 },
    { connections: 64, size: 1024, text: '1 KiB', flight: 8 },
    { connections: 16, size: 65536, text: '64 KiB', flight: 2 }
  ].map(({ connections, size, text, flight }) => ({
    id: `tls-${connections}x${text.replace(' ', '')}-${flight}`,
    title: `TLS, ${connections} connections, ${text}, ${flight} in flight`,
    mode: 'echo',
    load: { connections, size, 'in-flight': flight },
    unit: 'messages',
    tls: true
  })),
  ...[
    { name: 'takeover-6', text: 'context takeover, level 6', level: 6, takeover: true },
    { name: 'level-6', text: 'no context takeover, level 6', level: 6, takeover: false },
    { name: 'level-1', text: 'no context takeover, level 1', level: 1, takeover: false }
  ].map(({ name, text, level, takeover }) =>
    deflateCase({
      id: `deflate-64x1KiB-4-${name}`,
      title: `Compressed, 64 connections, 1 KiB of JSON, 4 in flight, ${text}`,
      load: { connections: 64, size: 1024, 'in-flight': 4 },
      deflate: { level, takeover }
    })
  ),
  deflateCase({
    id: 'deflate-8x64KiB-2',
    title: 'Compressed, 8 connections, 64 KiB of JSON, 2 in flight, context takeover, level 6',
    load: { connections: 8, size: 65536, 'in-flight': 2 },
    deflate: { level: 6, takeover: true }
  }),
  {
    ...deflateCase({
      id: 'deflate-broadcast-1000',
      title:
        'Compressed broadcast, 1 KiB of JSON to 1000 connections, no context takeover, level 6',
      load: { connections: 1000, size: 1024 },
      deflate: { level: 6, takeover: false }
    }),
    mode: 'broadcast',
    unit: 'deliveries',
    broadcast: true
  },
  {
    id: 'broadcast-1000',
    title: 'Broadcast, 100 B to 1000 connections',
    mode: 'broadcast',
    load: { connections: 1000, size: 100 },
    unit: 'deliveries',
    broadcast: true
  },
  ...[{ connections: 32 }, { connections: 128 }, { connections: 32, tls: true }].map(
    ({ connections, tls = false }) => ({
      id: `${tls ? 'tls-' : ''}chat-${connections}`,
      title: `${tls ? 'TLS, chat' : 'Chat'} room, ${connections} connections, each sends 32 texts of 20 B to all`,
      mode: /** @type {const} */ ('broadcast'),
      load: {
        connections,
        size: 20,
        'in-flight': 32,
        text: /** @type {true} */ (true),
        all: /** @type {true} */ (true)
      },
      unit: 'deliveries',
      broadcast: true,
      tls
    })
  ),
  ...[32, 128].map((connections) => ({
    id: `publish-${connections}`,
    title: `Chat room by a topic, ${connections} connections, each sends 32 texts of 20 B to all`,
    mode: /** @type {const} */ ('broadcast'),
    load: {
      connections,
      size: 20,
      'in-flight': 32,
      text: /** @type {true} */ (true),
      all: /** @type {true} */ (true)
    },
    unit: 'deliveries',
    broadcast: true,
    publish: true,
    contenders: ['ws+bufferutil', 'oxws', 'oxws-tokio', 'against', 'bun']
  })),
  {
    id: 'publish-1000',
    title: 'Broadcast by a topic, 100 B to 1000 connections',
    mode: 'broadcast',
    load: { connections: 1000, size: 100 },
    unit: 'deliveries',
    broadcast: true,
    publish: true,
    contenders: ['ws+bufferutil', 'oxws', 'oxws-tokio', 'against', 'bun']
  },
  ...[
    { awaits: /** @type {const} */ ('promise'), text: 'a promise' },
    { awaits: /** @type {const} */ ('immediate'), text: 'an immediate' }
  ].map(({ awaits, text }) => ({
    id: `await-${awaits}-64x100B-16`,
    title: `64 connections, 100 B, 16 in flight, a server that awaits ${text}`,
    mode: /** @type {const} */ ('echo'),
    load: { connections: 64, size: 100, 'in-flight': 16 },
    unit: 'messages',
    awaits,
    contenders: ['ws', 'ws+bufferutil', 'oxws', 'against']
  })),
  {
    id: 'connect',
    title: 'Connections opened and closed, 64 at a time',
    mode: 'connect',
    load: { connections: 64 },
    unit: 'connections'
  },
  {
    id: 'idle-10000',
    title: '10 000 idle connections',
    mode: 'idle',
    load: { connections: 10_000 },
    unit: 'bytes'
  },
  {
    id: 'idle-5000-message',
    title: '5 000 idle connections after a message',
    mode: 'idle',
    load: { connections: 5000, message: 1024, text: true },
    unit: 'bytes',
    rounds: 3
  },
  ...[false, true].map((takeover) => ({
    ...deflateCase({
      id: `deflate-idle-5000${takeover ? '-takeover' : ''}`,
      title: `5 000 idle connections after a compressed message, ${takeover ? '' : 'no '}context takeover`,
      load: { connections: 5000, message: 1024 },
      deflate: { level: 6, takeover }
    }),
    mode: /** @type {const} */ ('idle'),
    unit: 'bytes',
    rounds: 3
  })),
  {
    id: 'drivers-64x20B-1',
    title: 'The drivers of the engine, 64 connections, 20 B, 1 in flight',
    mode: 'echo',
    load: { connections: 64, size: 20, 'in-flight': 1 },
    unit: 'messages',
    contenders: ['ws+bufferutil', 'oxws-loop', 'oxws-tokio', 'against']
  },
  {
    id: 'client-64x20B-32',
    title: 'As the client, 64 connections, 20 B, 32 in flight',
    mode: 'serve',
    load: { connections: 64, size: 20, 'in-flight': 32 },
    unit: 'messages',
    contenders: ['ws', 'ws+bufferutil', 'oxws', 'against', 'bun-ws']
  }
];

/**
 * Fills in what all cases with permessage-deflate have in common.
 *
 * @param {Pick<Case, 'id' | 'title' | 'load'> & { deflate: NonNullable<Case['deflate']> }} which
 *   What makes it
 * @return {Case} The case
 */
function deflateCase({ id, title, load, deflate }) {
  const { takeover } = deflate;
  return {
    id,
    title,
    mode: 'echo',
    load: { ...load, text: true, deflate: true, ...(takeover && { takeover: true }) },
    unit: 'messages',
    deflate,
    contenders: ['ws+bufferutil', 'oxws', 'against', 'bun', 'bun-ws']
  };
}

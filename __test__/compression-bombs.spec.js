'use strict';

// Compressed messages that are made to take time or memory, or that are broken: what ws makes of
// them is what is asked for, and that it takes no more than the limits allow.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const zlib = require('node:zlib');

const { closed, compare, oxws, perform, sleep, upgradeRequest } = require('./support/differential');
const { frame } = require('./support/frames');

const ROLES = ['server', 'client'];
const MIB = 2 ** 20;
/** By then the engine has taken a compressed connection over. */
const TAKE_OVER_MS = 250;
/** A block without compression and without content. */
const EMPTY_BLOCK = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);

/** Compresses a message as its sender does, with an empty window; `flush` keeps or resets it. */
function deflate(data, options) {
  const output = zlib.deflateRawSync(data, {
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
    ...options
  });
  return output.subarray(0, -4);
}

/** A frame as the peer of a role sends it. */
function incoming(role, opcode, payload, options = {}) {
  return frame(opcode, payload, { key: role === 'server' ? Buffer.alloc(4) : null, ...options });
}

/** Opens a connection that has agreed on permessage-deflate. */
async function open(world, role, options, parameters = '') {
  const headers = { 'Sec-WebSocket-Extensions': `permessage-deflate${parameters}` };
  const all = { perMessageDeflate: {}, ...options };
  if (role === 'client') return world.openClient(all, { responseHeaders: headers });
  const { wss, port } = await world.serve(all);
  const peer = await world.dial(port);
  peer.socket.write(upgradeRequest({ headers }));
  const [[websocket]] = await Promise.all([once(wss, 'connection'), peer.takeHead()]);
  return { websocket, peer };
}

/**
 * Sends frames to a connection of ws and of this package, and compares what becomes of it.
 *
 * @param {string} title What it's called
 * @param {object} options
 * @param {(role: string) => Buffer[]} options.frames What is sent
 * @param {object} [options.limits] Options of the connection
 * @param {string} [options.parameters] What is agreed on
 * @param {number} options.closeCode The code with which it has to end; 1000 where nothing is wrong
 * @param {string} [options.error] The code of the error
 * @param {boolean} [options.isLight] Whether it can't take much memory
 */
function bomb(title, { frames, limits, parameters, closeCode, error, isLight = false }) {
  for (const role of ROLES) {
    const begin = (delay) => async (world) => {
      const { websocket, peer } = await open(world, role, limits, parameters);
      await sleep(delay);
      websocket.on('message', (data) => world.note('message', data.length, hash(data)));
      websocket.on('error', ({ name, code, message }) => world.note(name, code, message));
      for (const part of frames(role)) peer.socket.write(part);
      peer.socket.write(incoming(role, 8, Buffer.from([0x03, 0xe8])));
      const [close] = (await peer.frames()).slice(-1);
      world.note(Buffer.from(close.payload, 'latin1').readUInt16BE());
      peer.socket.end();
      await closed(websocket);
    };
    for (const [moment, delay] of [
      ['at once', 0],
      ['later', TAKE_OVER_MS]
    ]) {
      it(`${title}, as ${role}, ${moment}`, async () => {
        const notes = await compare(begin(delay));
        assert.deepStrictEqual(notes.at(-1), [closeCode]);
        assert.strictEqual(notes.find(([name]) => /Error$/.test(name))?.[1], error);
      });
    }
    if (isLight) continue;
    it(`${title}, as ${role}, in little memory`, async () => {
      await perform(oxws, begin(TAKE_OVER_MS)); // what is loaded and compiled
      const before = process.resourceUsage().maxRSS;
      await perform(oxws, begin(TAKE_OVER_MS));
      const grown = (process.resourceUsage().maxRSS - before) * 1024;
      assert.ok(grown < 40 * MIB, `${grown} bytes`);
    });
  }
}

/** A short form of a message. */
function hash(data) {
  return zlib.crc32 ? zlib.crc32(data) : data.subarray(0, 64).toString('latin1');
}

describe('a compressed message', () => {
  const zeros = deflate(Buffer.alloc(16 * MIB), { level: 9 });

  bomb('that inflates to a gibibyte', {
    frames: (role) => {
      // Each part ends at a byte, with an empty window, so that they can follow one another.
      const part = Buffer.concat([zeros, Buffer.from([0, 0, 0xff, 0xff])]);
      return [incoming(role, 2, Buffer.concat(Array(64).fill(part)), { rsv: 4 })];
    },
    limits: { maxPayload: MIB },
    closeCode: 1009,
    error: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
  });

  bomb('that inflates to a gibibyte in fragments', {
    frames: (role) => {
      const part = Buffer.concat([deflate(Buffer.alloc(4 * MIB)), Buffer.from([0, 0, 0xff, 0xff])]);
      const first = incoming(role, 2, part, { rsv: 4, fin: false });
      return [first, ...Array(255).fill(incoming(role, 0, part, { fin: false }))];
    },
    limits: { maxPayload: 5 * MIB },
    closeCode: 1009,
    error: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
  });

  bomb('of 400 000 empty blocks', {
    frames: (role) => {
      const blocks = Buffer.concat([...Array(400_000).fill(EMPTY_BLOCK), Buffer.from([0])]);
      return [incoming(role, 2, blocks, { rsv: 4 })];
    },
    closeCode: 1000
  });

  bomb('of endless fragments that inflate to little', {
    frames: (role) => {
      const part = Buffer.concat([deflate(Buffer.alloc(1000)), Buffer.from([0, 0, 0xff, 0xff])]);
      const first = incoming(role, 1, part, { rsv: 4, fin: false });
      return [first, ...Array(1000).fill(incoming(role, 0, part, { fin: false }))];
    },
    limits: { maxPayload: 100_000 },
    closeCode: 1009,
    error: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
  });

  bomb('of endless fragments that inflate to nothing', {
    frames: (role) => {
      const first = incoming(role, 1, EMPTY_BLOCK, { rsv: 4, fin: false });
      const next = Buffer.concat(Array(5000).fill(incoming(role, 0, EMPTY_BLOCK, { fin: false })));
      return [first, next, incoming(role, 0, Buffer.from([0]))];
    },
    closeCode: 1000
  });

  bomb('of more fragments than are allowed', {
    frames: (role) => {
      const part = Buffer.concat([deflate('x'), Buffer.from([0, 0, 0xff, 0xff])]);
      const first = incoming(role, 1, part, { rsv: 4, fin: false });
      return [first, Buffer.concat(Array(200).fill(incoming(role, 0, part, { fin: false })))];
    },
    limits: { maxFragments: 100 },
    closeCode: 1008,
    error: 'WS_ERR_TOO_MANY_BUFFERED_PARTS'
  });

  bomb('that is cut off', {
    frames: (role) => {
      const text = deflate('a text that is long enough to be cut off somewhere within, isn’t it');
      return [incoming(role, 2, text.subarray(0, 30), { rsv: 4 })];
    },
    closeCode: 1007,
    error: 'Z_DATA_ERROR'
  });

  bomb('that is cut off, with another one behind it', {
    frames: (role) => {
      const text = deflate('a text that is long enough to be cut off somewhere within, isn’t it');
      const cut = incoming(role, 2, text.subarray(0, 30), { rsv: 4 });
      return [cut, incoming(role, 2, text, { rsv: 4 })];
    },
    closeCode: 1007,
    error: 'Z_DATA_ERROR'
  });

  bomb('that refers to before the first', {
    frames: (role) => {
      const dictionary = Buffer.from('what only one side knows, and nobody else does');
      return [incoming(role, 2, deflate(dictionary, { dictionary }), { rsv: 4 })];
    },
    closeCode: 1007,
    error: 'Z_DATA_ERROR'
  });

  bomb('that refers to before the window', {
    frames: (role) => {
      const noise = Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * i * 7919) >> 5));
      const first = deflate(noise);
      const second = deflate(noise.subarray(0, 300), { dictionary: noise });
      return [incoming(role, 2, first, { rsv: 4 }), incoming(role, 2, second, { rsv: 4 })];
    },
    parameters: '; client_max_window_bits=9; server_max_window_bits=9',
    closeCode: 1007,
    error: 'Z_DATA_ERROR'
  });

  bomb('that refers to the message before without context takeover', {
    frames: (role) => {
      const text = Buffer.from('a text that comes twice, and has to be compressed twice');
      const first = deflate(text);
      const second = deflate(text, { dictionary: text });
      return [incoming(role, 2, first, { rsv: 4 }), incoming(role, 2, second, { rsv: 4 })];
    },
    parameters: '; client_no_context_takeover; server_no_context_takeover',
    closeCode: 1007,
    error: 'Z_DATA_ERROR'
  });
});

describe('a stream of deflate', () => {
  const SYNC_TAIL = Buffer.from([0, 0, 0xff, 0xff]);
  /** A block of no type. */
  const INVALID = Buffer.from([0x07]);
  const noise = (length) => Buffer.from(Array.from({ length }, (_, i) => (i * i * 7919) >> 5));
  const text = 'a text that comes ever again';
  /** A stream that ends: its last block says so. */
  const ended = zlib.deflateRawSync(Buffer.from(text));
  const isLight = true;
  const whole = (role, data) => incoming(role, 2, data, { rsv: 4 });
  /** A message in fragments. */
  const parts = (role, ...fragments) =>
    fragments.map((data, index) =>
      incoming(role, index === 0 ? 2 : 0, data, {
        fin: index === fragments.length - 1,
        rsv: index === 0 ? 4 : 0
      })
    );
  const others = (role) => [whole(role, deflate(text)), whole(role, deflate(text))];

  for (const [title, fragments] of Object.entries({
    'at the end of a fragment that is not the last': [ended, Buffer.alloc(0)],
    'in the midst of a fragment that is not the last': [
      Buffer.concat([ended, Buffer.from('more')]),
      Buffer.alloc(0)
    ],
    'before an empty fragment and another one': [ended, Buffer.alloc(0), Buffer.from('more')],
    'before two fragments': [ended, Buffer.from('more'), deflate(text)],
    'in the last fragment': [deflate(text), SYNC_TAIL, ended],
    'at its end': [ended],
    'in what is left out of it': [Buffer.from([0x01])]
  })) {
    for (const [takeover, parameters] of [
      ['with', ''],
      ['without', '; client_no_context_takeover; server_no_context_takeover']
    ]) {
      bomb(`whose stream ends ${title}, ${takeover} context takeover`, {
        frames: (role) => [...parts(role, ...fragments), ...others(role), ...others(role)],
        parameters,
        // What follows more than the stream is taken for the beginning of another one.
        closeCode: title.startsWith('in the midst') && parameters === '' ? 1007 : 1000,
        error: title.startsWith('in the midst') && parameters === '' ? 'Z_DATA_ERROR' : undefined,
        isLight
      });
    }
  }

  // What a match refers to is there as long as zlib is at the same chunk.
  for (const [title, { distance, before = 0, closeCode }] of Object.entries({
    'within a chunk': { distance: 1900, closeCode: 1000 },
    'from one chunk to the next': { distance: 1900, before: 15_000, closeCode: 1007 },
    'within the second chunk': { distance: 1900, before: 17_000, closeCode: 1000 },
    'over a chunk': { distance: 17_000, closeCode: 1007 }
  })) {
    bomb(`that refers to before the window ${title}`, {
      frames: (role) => {
        const bytes = noise(distance);
        const first = Buffer.concat([deflate(Buffer.alloc(before)), SYNC_TAIL]);
        const again = deflate(Buffer.concat([bytes, bytes.subarray(0, 300)]), { windowBits: 15 });
        return [whole(role, before > 0 ? Buffer.concat([first, again]) : again)];
      },
      parameters: '; client_max_window_bits=9; server_max_window_bits=9',
      closeCode,
      error: closeCode === 1007 ? 'Z_DATA_ERROR' : undefined,
      isLight
    });
  }

  for (const [title, { lengths, closeCode }] of Object.entries({
    'before its first chunk is full': { lengths: [3000], closeCode: 1007 },
    'when the chunk is full': { lengths: [16_384], closeCode: 1007 },
    'behind the first chunk': { lengths: [17_000], closeCode: 1009 },
    'behind a fragment that is too long': { lengths: [3000, 0], closeCode: 1009 },
    'in the fragment that makes it too long': { lengths: [900, 900], closeCode: 1007 },
    'behind the fragment that makes it too long': { lengths: [900, 900, 0], closeCode: 1009 }
  })) {
    bomb(`that is too long, and invalid ${title}`, {
      frames: (role) => {
        const fragments = lengths.map((length) =>
          Buffer.concat([deflate(Buffer.alloc(length)), SYNC_TAIL])
        );
        fragments[lengths.length - 1] = Buffer.concat([fragments.at(-1), INVALID]);
        return parts(role, ...fragments);
      },
      limits: { maxPayload: 1000 },
      closeCode,
      error: closeCode === 1007 ? 'Z_DATA_ERROR' : 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      isLight
    });
  }

  bomb('that is invalid, in chunks that are longer, as the options say', {
    frames: (role) => [
      whole(role, Buffer.concat([deflate(Buffer.alloc(17_000)), SYNC_TAIL, INVALID]))
    ],
    limits: { maxPayload: 1000, perMessageDeflate: { zlibInflateOptions: { chunkSize: 20_000 } } },
    closeCode: 1007,
    error: 'Z_DATA_ERROR',
    isLight
  });
});

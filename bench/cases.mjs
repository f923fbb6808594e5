// The cases that servers are compared in.

/**
 * @typedef {object} Case
 * @property {string} id What `--case` looks at, and the key in the recorded figures
 * @property {string} title What people read
 * @property {'echo' | 'broadcast' | 'idle' | 'connect'} mode The mode of the load generator
 * @property {Record<string, number | true>} load Its options
 * @property {string} unit What is counted
 * @property {boolean} [broadcast] The server sends to all what one client sends
 * @property {boolean} [deflate] permessage-deflate
 * @property {boolean} [tls] TLS
 */

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
  {
    id: 'tls-64x1KiB-8',
    title: 'TLS, 64 connections, 1 KiB, 8 in flight',
    mode: 'echo',
    load: { connections: 64, size: 1024, 'in-flight': 8 },
    unit: 'messages',
    tls: true
  },
  {
    id: 'deflate-64x1KiB-4',
    title: 'Compressed, 64 connections, 1 KiB of JSON, 4 in flight',
    mode: 'echo',
    load: { connections: 64, size: 1024, 'in-flight': 4, text: true, deflate: true },
    unit: 'messages',
    deflate: true
  },
  {
    id: 'broadcast-1000',
    title: 'Broadcast, 100 B to 1000 connections',
    mode: 'broadcast',
    load: { connections: 1000, size: 100 },
    unit: 'deliveries',
    broadcast: true
  },
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
  }
];

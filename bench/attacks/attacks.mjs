// What one attacker does to a server, with sockets and bytes of its own.

import { createRequire } from 'node:module';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';

const { frame } = createRequire(import.meta.url)('../../__test__/support/frames.js');

const KEY = Buffer.from([1, 2, 3, 4]);
const [CONTINUATION, TEXT, BINARY, CLOSE, PING] = [0, 1, 2, 8, 9];
const RSV1 = 4;
/** Connections that do the same at a time where each keeps the server busy. */
const BUSY = 8;
/** What is written in one call where it's as much as the server takes. */
const CHUNK_LENGTH = 64 * 1024;

/**
 * How the server is set.
 *
 * @typedef {object} Setting
 * @property {object | boolean} [perMessageDeflate] As for `WebSocketServer`; default: `false`
 * @property {number} [maxPayload] The same; default: that of `WebSocketServer`
 * @property {{ size: number, interval: number }} [broadcast] What it sends everybody, and how often
 */

/**
 * @typedef {object} Attack
 * @property {string} id What `--only` takes
 * @property {string} title What readers of the table read
 * @property {Setting} [setting] How the server is set
 * @property {number} connections How many connections there are: memory is divided by that
 * @property {(attacker: Attacker) => Promise<unknown>} run Does it until `attacker.end`
 */

/**
 * The sockets of an attack, and what was sent.
 */
export class Attacker {
  /**
   * @param {number} port Where the server listens
   * @param {number} end When to stop, by `performance.now()`
   */
  constructor(port, end) {
    this.port = port;
    this.end = end;
    this.sent = 0;
    /** @type {Set<net.Socket>} */
    this.sockets = new Set();
  }

  /** Whether it goes on. */
  get goesOn() {
    return performance.now() < this.end;
  }

  /**
   * Connects.
   *
   * @return {Promise<net.Socket>} The socket
   */
  connect() {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', reject);
      socket.on('connect', () => resolve(socket));
    });
  }

  /**
   * Connects and shakes hands.
   *
   * @param {string} [headers] Further lines of the request
   * @return {Promise<net.Socket>} The socket, which isn't read any more
   */
  async open(headers = '') {
    const socket = await this.connect();
    const response = new Promise((resolve) => socket.once('data', resolve));
    this.write(socket, request(headers));
    await Promise.race([response, sleep(5000)]);
    return socket.pause();
  }

  /**
   * @param {number} count How many connections
   * @param {string} [headers] Further lines of the request
   * @return {Promise<net.Socket[]>} Their sockets
   */
  async openAll(count, headers) {
    const sockets = [];
    for (let i = 0; i < count; i++) sockets.push(await this.open(headers));
    return sockets;
  }

  /**
   * @param {net.Socket} socket The socket
   * @param {Buffer | string} data What is sent
   * @return {boolean} Whether more may be sent at once
   */
  write(socket, data) {
    if (socket.destroyed) return false;
    this.sent += data.length;
    return socket.write(data);
  }

  /**
   * Sends the same until the end, as fast as the server takes it; on another connection once this
   * one is closed.
   *
   * @param {Buffer} data What is sent
   * @param {string} [headers] Further lines of the request
   */
  async flood(data, headers) {
    const count = Math.ceil(CHUNK_LENGTH / data.length);
    const chunk = Buffer.concat(Array.from({ length: count }, () => data));
    let socket = await this.open(headers);
    // What comes back is read, so that the end is seen, but not faster than need be.
    socket.resume();
    while (this.goesOn) {
      if (socket.destroyed) socket = (await this.open(headers)).resume();
      if (this.write(socket, chunk)) await sleep(0);
      else {
        const drained = new Promise((resolve) => {
          socket.once('drain', resolve).once('close', resolve);
        });
        await Promise.race([drained, sleep(this.end - performance.now())]);
      }
    }
  }

  /** Leaves. */
  leave() {
    for (const socket of this.sockets) socket.destroy();
  }
}

/**
 * @param {string} headers Further lines
 * @return {string} A request for a WebSocket
 */
function request(headers) {
  return (
    'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`
  );
}

/**
 * Does the same on several connections.
 *
 * @param {number} count How many
 * @param {() => Promise<unknown>} work What
 * @return {Promise<unknown>}
 */
function several(count, work) {
  return Promise.all(Array.from({ length: count }, work));
}

/**
 * Sends bytes one at a time, some a second.
 *
 * @param {Attacker} attacker The attacker
 * @param {net.Socket[]} sockets Where
 * @param {(index: number) => Buffer} byteAt The bytes
 */
async function trickle(attacker, sockets, byteAt) {
  for (let i = 0; attacker.goesOn; i++) {
    for (const socket of sockets) attacker.write(socket, byteAt(i));
    await sleep(100);
  }
}

const COMPRESSED = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';
const zeros = deflateRawSync(Buffer.alloc(2 ** 20), { finishFlush: constants.Z_SYNC_FLUSH });
/** RFC 7692, section 7.2.1: without the last four bytes. */
const bomb = frame(BINARY, zeros.subarray(0, -4), { key: KEY, rsv: RSV1 });
const half = deflateRawSync(Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251)), {
  finishFlush: constants.Z_SYNC_FLUSH
});

/** @type {Attack[]} */
export const ATTACKS = [
  {
    id: 'slow-handshakes',
    title: 'Requests of which a byte comes now and then',
    connections: 500,
    async run(attacker) {
      const sockets = [];
      for (let i = 0; i < 500; i++) sockets.push(await attacker.connect());
      const bytes = Buffer.from(request(''));
      await trickle(attacker, sockets, (i) => bytes.subarray(i, i + 1));
    }
  },
  {
    id: 'slow-frames',
    title: 'Messages of 1 MiB of which a byte comes now and then',
    connections: 500,
    async run(attacker) {
      const sockets = await attacker.openAll(500);
      const bytes = frame(BINARY, Buffer.alloc(2 ** 20), { key: KEY });
      await trickle(attacker, sockets, (i) => bytes.subarray(i, i + 1));
    }
  },
  {
    id: 'huge-claims',
    title: 'Messages of 100 MiB that are begun with 1 KiB',
    connections: 500,
    async run(attacker) {
      const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 6, 0x40, 0, 0, ...KEY]);
      for (const socket of await attacker.openAll(500)) {
        attacker.write(socket, Buffer.concat([header, Buffer.alloc(1024)]));
      }
      await sleep(attacker.end - performance.now());
    }
  },
  {
    id: 'empty-fragments',
    title: 'Messages of empty fragments without an end',
    connections: BUSY,
    run: (attacker) =>
      several(BUSY, () => attacker.flood(frame(CONTINUATION, '', { key: KEY, fin: false })))
  },
  {
    id: 'short-fragments',
    title: 'Messages of fragments of one byte',
    connections: 100,
    async run(attacker) {
      const first = frame(BINARY, 'a', { key: KEY, fin: false });
      const next = frame(CONTINUATION, 'a', { key: KEY, fin: false });
      const bytes = Buffer.concat([first, ...Array.from({ length: 10_000 }, () => next)]);
      for (const socket of await attacker.openAll(100)) attacker.write(socket, bytes);
      await sleep(attacker.end - performance.now());
    }
  },
  {
    id: 'pings',
    title: 'Pings, as many as the server takes',
    connections: BUSY,
    run: (attacker) =>
      several(BUSY, () => attacker.flood(frame(PING, Buffer.alloc(125), { key: KEY })))
  },
  {
    id: 'pings-unread',
    title: 'Pings whose answers are not read',
    connections: 100,
    async run(attacker) {
      const pings = Buffer.concat(
        Array.from({ length: 500 }, () => frame(PING, Buffer.alloc(125), { key: KEY }))
      );
      const sockets = await attacker.openAll(100);
      while (attacker.goesOn) {
        for (const socket of sockets) if (!socket.writableNeedDrain) attacker.write(socket, pings);
        await sleep(5);
      }
    }
  },
  {
    id: 'texts-unread',
    title: 'Texts that are sent back and not read',
    connections: 20,
    async run(attacker) {
      const text = frame(TEXT, Buffer.alloc(16 * 1024, 'a'), { key: KEY });
      const sockets = await attacker.openAll(20);
      for (let i = 0; attacker.goesOn && i < 50; i++) {
        for (const socket of sockets) if (!socket.writableNeedDrain) attacker.write(socket, text);
        await sleep(20);
      }
      await sleep(attacker.end - performance.now());
    }
  },
  {
    id: 'broadcast-unread',
    title: 'Peers that read nothing of what everybody is sent',
    setting: { broadcast: { size: 16 * 1024, interval: 20 } },
    connections: 200,
    async run(attacker) {
      await attacker.openAll(200);
      await sleep(attacker.end - performance.now());
    }
  },
  {
    id: 'upgrades',
    title: 'Handshakes, and away',
    connections: BUSY,
    run: (attacker) =>
      several(BUSY, async () => {
        while (attacker.goesOn) (await attacker.open()).resetAndDestroy();
      })
  },
  {
    id: 'closes',
    title: 'Handshakes, and a close frame',
    connections: BUSY,
    run: (attacker) => openAndSend(attacker, frame(CLOSE, Buffer.from([3, 232]), { key: KEY }))
  },
  {
    id: 'violations',
    title: 'Handshakes, and a frame that is none',
    connections: BUSY,
    run: (attacker) => openAndSend(attacker, frame(BINARY, 'a', { key: KEY, rsv: 7 }))
  },
  {
    id: 'subprotocols',
    title: 'Handshakes with 14 KiB of subprotocols',
    connections: BUSY,
    run: (attacker) => {
      const names = Array.from({ length: 2400 }, (_, i) => `p${i}`).join(',');
      return floodWithHeader(attacker, `Sec-WebSocket-Protocol: ${names}\r\n`);
    }
  },
  {
    id: 'extensions',
    title: 'Handshakes with 14 KiB of extensions',
    setting: { perMessageDeflate: true },
    connections: BUSY,
    run: (attacker) => {
      const offers = Array.from({ length: 1100 }, (_, i) => `e;a=${i}`).join(', ');
      return floodWithHeader(attacker, `Sec-WebSocket-Extensions: ${offers}\r\n`);
    }
  },
  {
    id: 'bombs',
    title: 'Compressed messages of 1 MiB of zeros',
    setting: { perMessageDeflate: true, maxPayload: 2 ** 21 },
    connections: BUSY,
    run: (attacker) => several(BUSY, () => attacker.flood(bomb, COMPRESSED))
  },
  {
    id: 'half-compressed',
    title: 'Compressed messages that are begun',
    setting: { perMessageDeflate: true },
    connections: 500,
    async run(attacker) {
      const bytes = frame(BINARY, half, { key: KEY, fin: false, rsv: RSV1 });
      for (const socket of await attacker.openAll(500, COMPRESSED)) attacker.write(socket, bytes);
      await sleep(attacker.end - performance.now());
    }
  }
];

/**
 * Shakes hands, sends a frame that ends the connection, and awaits that end, again and again.
 *
 * @param {Attacker} attacker The attacker
 * @param {Buffer} last The frame
 * @return {Promise<unknown>}
 */
function openAndSend(attacker, last) {
  return several(BUSY, async () => {
    while (attacker.goesOn) {
      const socket = (await attacker.open()).resume();
      const ended = new Promise((resolve) => socket.once('close', resolve));
      attacker.write(socket, last);
      await Promise.race([ended, sleep(1000)]);
      socket.destroy();
    }
  });
}

/**
 * Shakes hands with a long header, again and again.
 *
 * @param {Attacker} attacker The attacker
 * @param {string} header The header
 * @return {Promise<unknown>}
 */
function floodWithHeader(attacker, header) {
  return several(BUSY, async () => {
    while (attacker.goesOn) (await attacker.open(header)).destroy();
  });
}

'use strict';

// Runs one script on ws and on this package, and compares everything that it noted down.
//
// A script is an async function that gets a `World`: the implementation under test, peers that
// speak raw bytes, and a place to note what it sees. All that a world opens ends with it.

const assert = require('node:assert');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');
const { setImmediate: turn, setTimeout: delay } = require('node:timers/promises');

const oxws = require('../..');
const { cert, key } = require('./certificate');
const { ws } = require('./reference');

/** Whether all connections are over TLS: `OXWS_TEST_TLS=1`. */
const isSecure = process.env.OXWS_TEST_TLS === '1';
const SCHEME = isSecure ? 'wss' : 'ws';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const EVENTS = [
  'upgrade',
  'open',
  'redirect',
  'message',
  'ping',
  'pong',
  'unexpected-response',
  'error',
  'close'
];

/** RFC 6455, section 4.2.2: the answer to a key. */
function acceptKey(key) {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Gives a value in a form that can be compared and read. */
function describe(value) {
  if (value instanceof Error) return describeError(value);
  if (Buffer.isBuffer(value)) return `Buffer ${value.toString('latin1')}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${Buffer.from(value).toString('latin1')}`;
  if (Array.isArray(value)) return value.map(describe);
  if (typeof value === 'function') return 'function';
  if (value !== null && typeof value === 'object') return value.constructor?.name ?? 'object';
  return value;
}

/** Gives what a program can tell of an error. */
function describeError(error) {
  const symbols = Object.getOwnPropertySymbols(error).map((symbol) => error[symbol]);
  return [error.constructor.name, error.code, error.message, ...symbols.map(describe)];
}

/** Calls a function and gives what it returned or threw. */
function attempt(action) {
  try {
    return ['returned', describe(action())];
  } catch (error) {
    return ['threw', ...describeError(error)];
  }
}

/** Makes an opening handshake by hand; `null` takes a header away. */
function upgradeRequest({ method = 'GET', path = '/', headers = {} } = {}) {
  const all = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': 13,
    ...headers
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Makes the response to an opening handshake by hand; `null` takes a header away. */
function upgradeResponse(request, headers = {}) {
  const key = /sec-websocket-key: (.*)\r\n/i.exec(request)?.[1];
  const all = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': acceptKey(key),
    ...headers
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`;
}

/** Takes bytes apart into frames; a tail that isn't a whole frame is given as it is. */
function parseFrames(bytes) {
  const frames = [];
  let at = 0;
  while (bytes.length - at >= 2) {
    const isMasked = bytes[at + 1] >= 128;
    let length = bytes[at + 1] & 127;
    let start = at + 2;
    if (length === 126) {
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    const key = bytes.subarray(start, start + (isMasked ? 4 : 0));
    start += key.length;
    if (bytes.length < start + length) break;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (isMasked) for (let i = 0; i < length; i++) payload[i] ^= key[i % 4];
    frames.push({ first: bytes[at], isMasked, payload: payload.toString('latin1') });
    at = start + length;
  }
  if (at < bytes.length) frames.push(bytes.subarray(at).toString('latin1'));
  return frames;
}

/** Tells whether a frame that was taken apart is a close frame. */
function isCloseFrame({ first }) {
  return first === 0x88;
}

/** The other end of a connection, which reads and writes bytes. */
class RawPeer {
  constructor(socket) {
    this.socket = socket;
    this.bytes = Buffer.alloc(0);
    this.isEnded = false;
    this.isClosed = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.#wake();
    });
    socket.on('end', () => {
      this.isEnded = true;
      this.#wake();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  #waiting = [];

  #wake() {
    for (const check of [...this.#waiting]) check();
  }

  /** Waits until a condition on what arrived holds. */
  until(condition) {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition(this)) return;
        this.#waiting = this.#waiting.filter((other) => other !== check);
        resolve();
      };
      this.#waiting.push(check);
      check();
    });
  }

  /** Takes a number of bytes out of what arrived. */
  async take(length) {
    await this.until(({ bytes, isClosed }) => bytes.length >= length || isClosed);
    const taken = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    return taken;
  }

  /** Takes the head of an HTTP message out of what arrived. */
  async takeHead() {
    await this.until(({ bytes, isClosed }) => bytes.includes('\r\n\r\n') || isClosed);
    const end = this.bytes.indexOf('\r\n\r\n');
    return (await this.take(end === -1 ? this.bytes.length : end + 4)).toString('latin1');
  }

  /** Waits for `count` frames, or for a close frame, or for the end, and gives what is there. */
  async frames(count = Number.POSITIVE_INFINITY) {
    await this.until(({ bytes, isEnded, isClosed }) => {
      const frames = parseFrames(bytes);
      return isEnded || isClosed || frames.length >= count || frames.some(isCloseFrame);
    });
    return parseFrames(this.bytes);
  }

  /** Waits for the end and gives all that arrived. */
  async all() {
    await this.until(({ isEnded, isClosed }) => isEnded || isClosed);
    return this.bytes.toString('latin1');
  }
}

/** Has the parameters of a `WebSocket` say that a certificate of nobody's is good enough. */
function trust(parameters) {
  const isOptions = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
  const options = parameters.slice(1).find(isOptions);
  if (options) options.rejectUnauthorized ??= false;
  else parameters.push({ rejectUnauthorized: false });
}

/** What a script runs in. */
class World {
  #ends = [];
  #notes = [];

  constructor(implementation) {
    this.WebSocket = implementation;
    this.WebSocketServer = implementation.WebSocketServer;
    this.isOurs = implementation === oxws;
  }

  /** Has something done when the script is over. */
  defer(action) {
    this.#ends.push(action);
  }

  /** Notes down something to compare. */
  note(...values) {
    this.#notes.push(values.map(describe));
  }

  /** Notes down the events of a WebSocket, with the state it is in then. */
  record(websocket, name = 'websocket') {
    for (const event of EVENTS) {
      if (event === 'unexpected-response' || event === 'redirect') continue;
      websocket.on(event, (...values) => this.note(name, event, ...values, websocket.readyState));
    }
    return websocket;
  }

  /** Opens a `WebSocketServer` on a free port. */
  async serve(options = {}) {
    const wss = this.#createServer(options);
    this.defer(() => {
      for (const client of wss.clients ?? []) client.terminate();
      wss.close();
    });
    await once(wss, 'listening');
    const { port } = wss.address();
    return { wss, port, url: `${SCHEME}://127.0.0.1:${port}` };
  }

  #createServer(options) {
    const settings = { host: '127.0.0.1', port: 0, ...options };
    if (!isSecure || settings.server || settings.noServer)
      return new this.WebSocketServer(settings);
    const { host, port, ...rest } = settings;
    const server = https.createServer({ cert, key });
    this.defer(() => server.close());
    server.listen(port, host);
    return new this.WebSocketServer({ ...rest, server });
  }

  /** Opens a plain TCP server; the script gets a `RawPeer` for each connection. */
  async listen(onPeer) {
    const accept = (socket) => {
      this.defer(() => socket.destroy());
      onPeer(new RawPeer(socket));
    };
    const options = { allowHalfOpen: true, cert, key };
    const server = isSecure ? tls.createServer(options, accept) : net.createServer(options, accept);
    this.defer(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    return { server, port, url: `${SCHEME}://127.0.0.1:${port}` };
  }

  /** Opens an HTTP server that ends with the world. */
  async serveHttp(server) {
    this.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  }

  /** Makes a client that ends with the world. */
  connect(...parameters) {
    if (isSecure) trust(parameters);
    const websocket = new this.WebSocket(...parameters);
    this.defer(() => {
      websocket.on('error', () => {});
      websocket.terminate();
    });
    return websocket;
  }

  /** Connects to a port and speaks raw bytes. */
  async dial(port) {
    const options = { port, host: '127.0.0.1', allowHalfOpen: true, rejectUnauthorized: false };
    const socket = isSecure ? tls.connect(options) : net.connect(options);
    this.defer(() => socket.destroy());
    await once(socket, isSecure ? 'secureConnect' : 'connect');
    return new RawPeer(socket);
  }

  /** A server of the implementation with a raw client, the opening handshake done. */
  async openServer(options) {
    const { wss, port } = await this.serve(options);
    const peer = await this.dial(port);
    peer.socket.write(upgradeRequest());
    const [[websocket, request]] = await Promise.all([once(wss, 'connection'), peer.takeHead()]);
    return { websocket, request, peer, wss };
  }

  /** A client of the implementation with a raw server, the opening handshake done. */
  async openClient(options, { responseHeaders = {} } = {}) {
    const { url, websocket, peer } = await this.handshakeClient(options, responseHeaders);
    if (websocket.readyState === 0) await once(websocket, 'open');
    return { url, websocket, peer };
  }

  /** As `openClient()`, without waiting for `'open'`. */
  async handshakeClient(options, responseHeaders = {}, behind = Buffer.alloc(0)) {
    let onPeer;
    const connected = new Promise((resolve) => {
      onPeer = resolve;
    });
    const { url } = await this.listen(onPeer);
    const websocket = this.connect(url, { perMessageDeflate: false, ...options });
    const peer = await connected;
    const head = upgradeResponse(await peer.takeHead(), responseHeaders);
    peer.socket.write(Buffer.concat([Buffer.from(head), behind]));
    return { url, websocket, peer };
  }

  /** Opens either role: the script runs once as a server and once as a client. */
  open(role, options) {
    return role === 'server' ? this.openServer(options) : this.openClient(options);
  }

  /** Ends everything and gives the notes, without what differs between two runs. */
  async end() {
    for (const action of this.#ends.reverse()) await action();
    const text = JSON.stringify(this.#notes, (_key, value) => {
      return value === undefined ? 'undefined' : value;
    });
    return JSON.parse(text.replaceAll(/(127\.0\.0\.1|localhost|\[::1\]):\d+/g, '$1:PORT'));
  }
}

/** Milliseconds that a script may take. */
const TIME_LIMIT = 20_000;

/**
 * Runs a script on one implementation, and ends what it opened also when it fails or hangs.
 *
 * @param {any} implementation `WebSocket` of ws or of this package
 * @param {(world: World) => Promise<void>} script The script
 * @return {Promise<any[]>} What it noted down
 */
async function perform(implementation, script) {
  const world = new World(implementation);
  const name = world.isOurs ? 'oxws' : 'ws';
  let timer;
  let failure = null;
  const limit = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the script hangs on ${name}`)), TIME_LIMIT);
  });
  try {
    await Promise.race([script(world), limit]);
  } catch (error) {
    failure = error;
  }
  clearTimeout(timer);
  const notes = await world.end();
  if (failure === null) return notes;
  console.error(`${name}:`, JSON.stringify(notes));
  throw failure;
}

/**
 * Runs a script on ws and on this package and compares the notes.
 *
 * @param {(world: World) => Promise<void>} script The script
 * @return {Promise<any[]>} The notes
 */
async function compare(script) {
  const [expected, actual] = [await perform(ws, script), await perform(oxws, script)];
  assert.ok(expected.length > 0, 'the script noted nothing down');
  assert.deepStrictEqual(actual, expected);
  return actual;
}

/**
 * Waits, and lets the event loop look at sockets at the end: after the process has been held up,
 * timers come before what arrived meanwhile.
 */
async function sleep(milliseconds) {
  await delay(milliseconds);
  for (let i = 0; i < 3; i++) await turn();
}

/** Waits until a WebSocket is closed. */
async function closed(websocket) {
  if (websocket.readyState !== 3) await new Promise((resolve) => websocket.once('close', resolve));
}

module.exports = {
  KEY,
  acceptKey,
  attempt,
  closed,
  compare,
  describe,
  oxws,
  parseFrames,
  perform,
  RawPeer,
  sleep,
  upgradeRequest,
  upgradeResponse,
  World,
  ws
};

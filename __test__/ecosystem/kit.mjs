// What the scenarios share. Copied beside the installs, so it imports nothing but Node.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** What happened, by track. */
const tracks = {};

process.on('exit', () => {
  const file = process.env.ECOSYSTEM_LOG;
  const text = JSON.stringify(tracks, null, 2);
  if (file) writeFileSync(file, text);
  else console.log(text);
});

// Sent at the time limit: what happened until then is written.
process.on('SIGTERM', () => process.exit(1));

/**
 * Starts a track: what one party saw, in order. Tracks are compared one by one, so that parties
 * which don't wait for each other may go on in any order.
 *
 * @param {string} name Its name
 * @return {(...details: unknown[]) => void} Adds a line
 */
export function track(name) {
  const lines = [];
  if (name in tracks) throw new Error(`two tracks are named ${name}`);
  tracks[name] = lines;
  return (...details) => {
    lines.push(details.map((detail) => describe(detail)).join(' '));
  };
}

/**
 * Describes a value without what differs from run to run: ports of loopback.
 *
 * @param {unknown} value The value
 * @return {string} Its description
 */
function describe(value) {
  if (value instanceof Error) {
    return withoutPorts(`${value.name} ${value.code ?? ''}: ${value.message}`);
  }
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${describeBytes(new Uint8Array(value))}`;
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength, byteOffset } = value;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return `${value.constructor.name} ${describeBytes(bytes)}`;
  }
  if (typeof value !== 'object' || value === null) return shorten(withoutPorts(String(value)));
  return shorten(withoutPorts(JSON.stringify(value, (_key, inner) => plain(inner))));
}

/**
 * Prepares a value inside of an object for JSON.
 *
 * @param {unknown} value The value
 * @return {unknown} The same, or a description
 */
function plain(value) {
  // JSON.stringify has called toJSON() of a Buffer by now.
  if (value?.type === 'Buffer' && Array.isArray(value.data))
    return describe(Buffer.from(value.data));
  if (value instanceof Error || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return describe(value);
  }
  return value;
}

function describeBytes(bytes) {
  if (bytes.length <= 16) return `<${Buffer.from(bytes).toString('hex')}>`;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  return `<${bytes.length} bytes, sha256 ${hash}>`;
}

function shorten(text) {
  if (text.length <= 200) return text;
  return `${text.slice(0, 60)}.. ${describeBytes(Buffer.from(text))}`;
}

function withoutPorts(text) {
  return text.replace(/((?:127\.0\.0\.1|localhost):)\d+/g, '$1PORT');
}

/**
 * Lets a server listen on loopback.
 *
 * @param {import('node:net').Server} server The server
 * @return {Promise<number>} Its port
 */
export async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/**
 * Finds a port for programs that want to be told one.
 *
 * @return {Promise<number>} A port that nobody listens on
 */
export async function freePort() {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Waits until another process listens.
 *
 * @param {number} port Where, on loopback
 */
export async function reachable(port) {
  const attempt = (resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy()));
    socket.on('error', () => setTimeout(attempt, 20, resolve));
  };
  await new Promise(attempt);
}

/**
 * Closes a server and waits for it.
 *
 * @param {{ close(done: () => void): unknown }} server The server
 */
export async function close(server) {
  await new Promise((resolve) => server.close(resolve));
}

/**
 * Waits.
 *
 * @param {number} milliseconds How long
 */
export function delay(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Waits until something holds; the time limit of the scenario is the end of it if it never does.
 *
 * @param {() => unknown} condition What is waited for
 */
export async function until(condition) {
  while (!condition()) await delay(5);
}

/**
 * Makes an empty folder for files that a program watches.
 *
 * @param {string} install The folder of the install
 * @return {{ root: string, write: (name: string, text: string) => void }} The folder, and what
 *   writes a file all at once: who looks must not find half of it
 */
export function makeProject(install) {
  const root = join(install, 'project');
  rmSync(root, { force: true, recursive: true });
  mkdirSync(root);
  const write = (name, text) => {
    writeFileSync(join(root, 'new'), text);
    renameSync(join(root, 'new'), join(root, name));
  };
  return { root, write };
}

/**
 * Gives the certificate of the test suite, for loopback; nobody trusts it.
 *
 * @return {{ cert: string, key: string }} The certificate and its key
 */
export function certificate() {
  const file = join(process.env.ECOSYSTEM_ROOT, '__test__', 'support', 'certificate.js');
  return createRequire(import.meta.url)(file);
}

/**
 * Makes bytes that can't be compressed away and are the same in every run.
 *
 * @param {number} length How many
 * @return {Buffer} The bytes
 */
export function noise(length) {
  const bytes = Buffer.alloc(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/**
 * Makes a listener for connections of a server: echoes, and notes what it sees, each connection on
 * a track of its own.
 *
 * @param {string} name What the tracks are named after
 * @return {(ws: import('ws').WebSocket, request?: import('node:http').IncomingMessage) => void}
 */
export function echo(name) {
  let count = 0;
  return (ws, request) => {
    const log = track(`${name}, connection ${++count}`);
    log('connection', request?.url, ws.protocol, ws.extensions);
    ws.on('message', (data, isBinary) => {
      log('message', data, isBinary);
      ws.send(data, { binary: isBinary });
    });
    ws.on('ping', (data) => log('ping', data));
    ws.on('error', (error) => log('error', error));
    ws.on('close', (code, reason) => log('close', code, reason));
  };
}

/**
 * Talks with a server that echoes: text, bytes, nothing, large messages, many at once, a ping, the
 * closing handshake.
 *
 * @param {string} name The track
 * @param {import('ws').WebSocket} socket The client, not yet open
 */
export async function converse(name, socket) {
  const log = track(name);
  const messages = ['text', 'ünïcödé \u{1f600}', '', noise(5), noise(300_000), 'a'.repeat(300_000)];
  for (let i = 0; i < 100; i++) messages.push(`${i} of many`);
  let answers = 0;

  socket.on('open', () => {
    log('open', socket.protocol, socket.extensions);
    for (const message of messages) socket.send(message);
  });
  socket.on('message', (data, isBinary) => {
    log('message', data, isBinary);
    if (++answers === messages.length) socket.ping('still there?');
  });
  socket.on('pong', (data) => {
    log('pong', data);
    socket.close(4000, 'enough');
  });
  socket.on('error', (error) => log('error', error));
  await new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve(log('close', code, reason)));
  });
}

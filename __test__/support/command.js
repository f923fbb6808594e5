// @ts-check
'use strict';

// The command `oxws` as a process of its own, and servers for it.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { afterEach } = require('node:test');

const WebSocket = require('../..');

const COMMAND = path.join(__dirname, '../../bin/oxws.js');

/** @type {(() => unknown)[]} What ends what a test has opened. */
const cleanups = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/**
 * Starts the command.
 *
 * @param {string[]} args Its arguments
 * @return {{
 *   child: import('node:child_process').ChildProcessWithoutNullStreams,
 *   output: { stdout: string, stderr: string },
 *   ended: Promise<{ code: number | null, stdout: string, stderr: string }>
 * }} The process; what it has printed so far; and how it ended
 */
function start(...args) {
  const child = spawn(process.execPath, [COMMAND, ...args]);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  child.stdin.on('error', () => {}); // it may have ended before it read
  cleanups.push(() => child.kill('SIGKILL'));
  return { child, output, ended: once(child, 'close').then(([code]) => ({ code, ...output })) };
}

/**
 * Runs the command with an empty input.
 *
 * @param {string[]} args Its arguments
 * @return {Promise<{ code: number | null, stdout: string, stderr: string }>} How it ended
 */
function run(...args) {
  const { child, ended } = start(...args);
  child.stdin.end();
  return ended;
}

/**
 * Starts a server.
 *
 * @param {(ws: WebSocket, request: http.IncomingMessage) => void} [serve] Serves a client; it
 *   echoes where there is none
 * @param {http.Server | import('node:https').Server} [server] What it listens with
 * @return {Promise<number>} The port
 */
async function serveOn(serve = echo, server = http.createServer()) {
  const wss = new WebSocket.Server({ server, perMessageDeflate: true });
  wss.on('connection', (ws, request) => {
    ws.on('error', () => {});
    serve(ws, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const ws of wss.clients) ws.terminate();
    server.close();
  });
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
}

/** @param {WebSocket} ws A client, which gets back what it sends */
function echo(ws) {
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
}

module.exports = { cleanups, COMMAND, echo, run, serveOn, start };

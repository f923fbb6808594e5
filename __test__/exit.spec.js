'use strict';

// What is sent right before the process exits, compared with ws: it has left when send() returns.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');
const { describe, it } = require('node:test');

const certificate = require('./support/certificate');
const { ws } = require('./support/reference');

const MODULES = { ws: 'ws', oxws: path.join(__dirname, '..') };

/** How a program may end: what its listener for 'open' does. */
const ENDS = {
  'process.exit() after send()': `
    ws.send('one');
    ws.send(Buffer.alloc(70_000, 'two'));
    ws.ping('three');
    ws.send('four');
    process.exit();`,
  'process.exit() in a callback of send()': `
    ws.send('one', () => { ws.send('two'); ws.send('three'.repeat(5000)); process.exit(); });`,
  'process.exit() in a later tick': `
    process.nextTick(() => { ws.send('one'); Promise.resolve().then(() => {
      ws.send('two'); process.exit(); }); });`,
  "send() in a listener for 'exit'": `
    process.on('exit', () => { ws.send('two'); ws.send('three'.repeat(5000)); });
    ws.send('one');
    process.exit();`,
  "send() in a listener for 'exit' only": `
    process.on('exit', () => ws.send('one'));
    setTimeout(() => process.exit(), 20);`,
  'close() and process.exit()': `
    ws.send('one');
    ws.close(4000, 'bye');
    process.exit();`,
  'an exception that nobody catches': `
    ws.send('one');
    throw new Error('on purpose');`,
  'unref() of the last connection': `
    ws.send('one');
    ws._socket.unref();`
};

/**
 * Runs a program that ends, as the client of a server of ws.
 *
 * @param {string} name What the program uses, ws or oxws
 * @param {boolean} isSecure Whether over TLS
 * @param {string} end How it ends
 * @return {Promise<any[]>} What the server got
 */
async function record(name, isSecure, end) {
  const server = isSecure ? https.createServer(certificate) : http.createServer();
  const wss = new ws.WebSocketServer({ server });
  const seen = [];
  const over = new Promise((resolve) => {
    wss.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('message', (data) => seen.push(['message', data.length, `${data}`.slice(0, 9)]));
      socket.on('ping', (data) => seen.push(['ping', data.toString()]));
      socket.on('close', (code, reason) => resolve(seen.push(['close', code, reason.toString()])));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const program = `
    const WebSocket = require(${JSON.stringify(MODULES[name])});
    const ws = new WebSocket('${isSecure ? 'wss' : 'ws'}://127.0.0.1:${port}', {
      perMessageDeflate: false, rejectUnauthorized: false });
    ws.on('error', () => {});
    ws.on('open', () => {${end}});`;
  const child = spawn(process.execPath, ['-e', program], { cwd: __dirname, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  await over;
  await new Promise((resolve) => server.close(resolve));
  return [...seen, ['exit', code]];
}

describe('What is sent before the process exits', { timeout: 240_000 }, () => {
  for (const isSecure of [false, true]) {
    for (const [title, end] of Object.entries(ENDS)) {
      it(`arrives as with ws ${isSecure ? 'over TLS, or more' : 'over TCP'}: ${title}`, async () => {
        const [expected, actual] = [
          await record('ws', isSecure, end),
          await record('oxws', isSecure, end)
        ];
        assert.ok(expected.length > 2, 'nothing arrived');
        if (isSecure) {
          // ws leaves to the event loop, which doesn't turn again, what doesn't fit into the first
          // write of TLS.
          const arrived = expected.slice(0, -2);
          assert.deepStrictEqual(actual.slice(0, arrived.length), arrived);
          assert.deepStrictEqual(actual.at(-1), expected.at(-1));
        } else {
          assert.deepStrictEqual(actual, expected);
        }
      });
    }
  }
});

'use strict';

// Servers and clients over TLS.

const assert = require('node:assert');
const { once } = require('node:events');
const https = require('node:https');

const { WebSocket, WebSocketServer } = require('../..');
const { cert, key } = require('./certificate');

/** Whether the engine can carry connections over TLS. */
const isSupported = process.env.OXWS_TRANSPORT !== 'stream' && process.platform !== 'win32';

/** An HTTPS server with a `WebSocketServer` that echoes. */
async function serve(t, options = {}, serverOptions = {}) {
  const server = https.createServer({ cert, key, ...options }, (_req, res) => {
    res.end(Buffer.alloc(res.req.url.length > 1 ? Number(res.req.url.slice(1)) : 10, 'x'));
  });
  const wss = new WebSocketServer({ server, ...serverOptions });
  const accepted = [];
  wss.on('connection', (ws) => {
    accepted.push(ws);
    ws.on('error', () => {});
    ws.on('message', (data, binary) => ws.send(data, { binary }));
  });
  t.after(() => {
    for (const ws of wss.clients) ws.terminate();
    wss.close();
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  return { accepted, port, server, url: `wss://127.0.0.1:${port}`, wss };
}

/** A client that is open. */
async function open(t, url, options) {
  const ws = new WebSocket(url, { rejectUnauthorized: false, ...options });
  t.after(() => ws.terminate());
  await once(ws, 'open');
  return ws;
}

/** Sends messages of many lengths, and checks that all of them come back. */
async function exchange(ws) {
  const lengths = [0, 1, 125, 126, 1000, 16384, 16385, 70000, 300000, 20];
  const messages = lengths.map((length) => Buffer.alloc(length, length));
  const received = [];
  const isDone = new Promise((resolve) => {
    ws.on('message', function receive(data) {
      if (received.push(data) < messages.length) return;
      ws.off('message', receive);
      resolve();
    });
  });
  for (const message of messages) ws.send(message);
  await isDone;
  assert.deepStrictEqual(received.map(String), messages.map(String));
}

module.exports = { exchange, isSupported, open, serve };

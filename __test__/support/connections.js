'use strict';

// Connections for tests; all end with the test.

const { once } = require('node:events');
const net = require('node:net');

const oxws = require('../..');
const { upgradeRequest } = require('./differential');

/** A server, by default one of ours, and where it listens. */
async function serve(t, options, { WebSocketServer } = oxws) {
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  t.after(() => {
    for (const peer of wss.clients) peer.terminate();
    wss.close();
  });
  await once(wss, 'listening');
  const { port } = wss.address();
  return { port, url: `ws://127.0.0.1:${port}`, wss };
}

/** A client, by default one of ours, that is open. */
async function open(t, url, options, { WebSocket } = oxws) {
  const ws = new WebSocket(url, options);
  t.after(() => {
    ws.on('error', () => {}); // where it isn't open yet
    ws.terminate();
  });
  await once(ws, 'open');
  return ws;
}

/** A further client of a server, and the server's end of the connection. */
async function join(t, { url, wss }, options, implementation) {
  const [[peer], ws] = await Promise.all([
    once(wss, 'connection'),
    open(t, url, options, implementation)
  ]);
  return { peer, ws };
}

/** A server, a client and the server's end of the connection. */
async function connect(t, { client, clientOptions, server, serverOptions } = {}) {
  const served = await serve(t, serverOptions, server);
  return { ...served, ...(await join(t, served, clientOptions, client)) };
}

/**
 * A server, by default a new one, a raw TCP client behind the opening handshake and the server's
 * end of the connection.
 */
async function connectRaw(t, options, served = undefined) {
  const { port, wss } = served ?? (await serve(t, options));
  const accepted = once(wss, 'connection');
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(upgradeRequest());
  const [ws] = await accepted;
  await once(socket, 'data');
  return { socket, ws, wss };
}

module.exports = { connect, connectRaw, join, open, serve };

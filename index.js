// @ts-check
'use strict';

// The package for `require()`: the class `WebSocket`, with everything else as its properties.

require('./lib/node-version');

const createWebSocketStream = require('./lib/stream');
const extension = require('./lib/extension');
const PerMessageDeflate = require('./lib/permessage-deflate');
const Receiver = require('./lib/receiver');
const Sender = require('./lib/sender');
const subprotocol = require('./lib/subprotocol');
const { kind: binding } = require('./lib/native');
const WebSocket = require('./lib/websocket');
const WebSocketServer = require('./lib/websocket-server');

// Not part of ws, so not among its enumerable properties.
Object.defineProperty(WebSocket, 'binding', { configurable: true, value: binding, writable: true });

module.exports = Object.assign(WebSocket, {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  Server: WebSocketServer,
  subprotocol,
  WebSocket,
  WebSocketServer
});

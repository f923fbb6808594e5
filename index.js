// @ts-check
'use strict';

// The package for `require()`: the class `WebSocket`, with everything else as its properties.

const createWebSocketStream = require('./lib/stream');
const extension = require('./lib/extension');
const PerMessageDeflate = require('./lib/permessage-deflate');
const Receiver = require('./lib/receiver');
const Sender = require('./lib/sender');
const subprotocol = require('./lib/subprotocol');
const { kind: binding } = require('./lib/native');
const WebSocket = require('./lib/websocket');
const WebSocketServer = require('./lib/websocket-server');

module.exports = Object.assign(WebSocket, {
  binding,
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

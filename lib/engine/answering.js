// @ts-check
'use strict';

// Whether the engine may answer the pings of a connection while JavaScript is busy.

const { kOriginalPong, kTransport } = require('../constants');
const { CONNECTING, OPEN } = require('../ready-state');
const Sender = require('../sender');

/** What a tracing tool may replace to see pongs; then the engine doesn't answer pings. */
const senderPong = Sender.prototype.pong;

/**
 * Tells whether a WebSocket answers pings with this package's own methods.
 *
 * @param {import('../websocket')} websocket The WebSocket
 * @return {boolean} `false` where a program has replaced one of them
 */
function answersAsAlways(websocket) {
  // A sender that is made later has what its class has then.
  const { pong } = websocket[kTransport].sender ?? Sender.prototype;
  return websocket.pong === Reflect.get(websocket, kOriginalPong) && pong === senderPong;
}

/**
 * Tells the engine whether it may answer. To be called after something has changed about that.
 *
 * @param {import('../websocket')} websocket The WebSocket
 * @param {import('./connection')} connection Its connection
 */
function updateAnswering(websocket, connection) {
  const { _readyState: state } = websocket;
  const isOpen = state === CONNECTING || state === OPEN;
  connection.setAnswering(isOpen && !!websocket._autoPong && answersAsAlways(websocket));
}

module.exports = { answersAsAlways, updateAnswering };

// @ts-check
'use strict';

// How the opening handshake of a client fails.

const { setCloseCause } = require('../beyond/close-cause');
const { nextTick } = require('../host');
const { CLOSING } = require('../ready-state');

/** On a request: its WebSocket gave it up, so its errors don't matter. */
const kAborted = Symbol('kAborted');

/**
 * Emits what a failed handshake ends with: `'error'`, then `'close'`.
 *
 * @param {any} websocket The WebSocket
 * @param {Error} error Why it failed
 */
function failHandshake(websocket, error) {
  websocket._readyState = CLOSING;
  websocket._errorEmitted = true;
  setCloseCause(websocket, error);
  websocket.emit('error', error);
  websocket.emitClose();
}

/**
 * Gives up a handshake whose response hasn't come, or isn't one. The events follow in the next
 * tick.
 *
 * @param {any} websocket The WebSocket
 * @param {any} req The request
 * @param {string} reason The text of the error
 */
function abortRequest(websocket, req, reason) {
  websocket._readyState = CLOSING;

  const error = new Error(reason);

  Error.captureStackTrace(error, abortRequest);
  req[kAborted] = true;
  req.abort();
  // The request doesn't take its socket along once the response is complete.
  if (req.socket && !req.socket.destroyed) req.socket.destroy();

  nextTick(failHandshake, websocket, error);
}

/**
 * Gives up a handshake whose response is wrong. The events follow with those of the socket.
 *
 * @param {any} websocket The WebSocket
 * @param {import('node:stream').Duplex} socket The socket
 * @param {string} reason The text of the error
 */
function abortSocket(websocket, socket, reason) {
  websocket._readyState = CLOSING;

  socket.destroy(new Error(reason));
  socket.once('error', (error) => {
    setCloseCause(websocket, error);
    websocket.emit('error', error);
  });
  socket.once('close', () => websocket.emitClose());
}

module.exports = { abortRequest, abortSocket, failHandshake, kAborted };

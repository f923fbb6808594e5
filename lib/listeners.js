// @ts-check
'use strict';

// The life of an open connection: what a WebSocket does when its receiver, its sender or its socket
// reports something.
//
// The listeners are shared by all connections; they find their WebSocket by `kWebSocket`. A socket
// loses that property when it's closed, which is how the receiver's listeners know that nothing can
// be sent any more.

const { createCause, setCloseCause } = require('./beyond/close-cause');
const { stopHeartbeat, takesPong } = require('./beyond/heartbeat');
const { EMPTY_BUFFER, kStatusCode, kTransport, kWebSocket, NOOP } = require('./constants');
const { nextTick, setImmediate } = require('./host');
const { CLOSED, CLOSING, OPEN } = require('./ready-state');
const Sender = require('./sender');

/** @typedef {import('./transport').Socket} Socket */
/** @typedef {import('./websocket')} WebSocket */
/** @typedef {{[kWebSocket]: WebSocket}} Owned What belongs to a WebSocket. */

/**
 * Makes a socket ready to carry frames after its opening handshake.
 *
 * @param {Socket} socket The socket, or any `Duplex`
 * @param {Buffer} head What arrived after the handshake already
 */
function prepareSocket(socket, head) {
  // A plain `Duplex` has neither method.
  if (socket.setTimeout) socket.setTimeout(0);
  if (socket.setNoDelay) socket.setNoDelay();

  if (head.length > 0) socket.unshift(head);
}

/**
 * Makes the sender of a WebSocket.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {((key: Buffer) => void) | undefined} generateMask Fills a masking key
 * @param {import('./transport').Frames} [frames] What collects the frames of a tick, if not a
 *   `FrameQueue`
 * @return {Sender} The sender
 */
function createSender(websocket, generateMask, frames) {
  const sender = new Sender(websocket._socket, websocket._extensions, generateMask);

  sender[kWebSocket] = websocket;
  sender.onerror = onSenderError;
  sender.coalesce(frames);
  return sender;
}

/**
 * Connects a socket with the WebSocket that it belongs to.
 *
 * @param {Socket} socket The socket, or any `Duplex`
 */
function attachSocket(socket) {
  socket.on('close', onSocketClose);
  socket.on('end', onSocketEnd);
  socket.on('error', onSocketError);
}

/**
 * Connects a receiver with its WebSocket.
 *
 * @param {import('./receiver')} receiver The receiver
 */
function attachReceiver(receiver) {
  receiver.on('conclude', onConclude);
  receiver.on('drain', onDrain);
  receiver.on('error', onReceiverError);
  receiver.on('message', onMessage);
  receiver.on('ping', onPing);
  receiver.on('pong', onPong);
}

/**
 * Ends the socket if nothing more is to come from the peer. To be called when a close frame has
 * been sent.
 *
 * @param {WebSocket} websocket The WebSocket
 */
function finishAfterCloseFrame(websocket) {
  if (websocket._closeFrameReceived || websocket[kTransport].hasFailed) {
    websocket._socket.end();
  }
}

/**
 * Limits the time that the closing handshake may take, in which pings aren't answered. RFC 6455,
 * section 7.1.1: a peer that doesn't end the connection is not waited for any longer.
 *
 * @param {WebSocket} websocket The WebSocket
 */
function startCloseTimer(websocket) {
  const socket = websocket._socket;

  websocket._closeTimer = setTimeout(() => {
    if (!websocket._closeFrameReceived) {
      const message = 'The peer did not answer the close frame in time';
      setCloseCause(websocket, createCause('ERR_OXWS_CLOSE_TIMEOUT', message));
    }
    socket.destroy();
  }, websocket._closeTimeout);
  websocket[kTransport].updateAnswering();
  stopHeartbeat(websocket);
}

/**
 * Emits `'error'`, but only once in the life of a WebSocket.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {Error} error The error
 * @private
 */
function emitErrorOnce(websocket, error) {
  if (websocket._errorEmitted) return;

  websocket._errorEmitted = true;
  setCloseCause(websocket, error);
  websocket.emit('error', error);
}

/**
 * Stops feeding the receiver and reads what is left into the void, so that the end of the
 * connection is seen.
 *
 * @param {Socket} socket The socket
 * @private
 */
function discardIncoming(socket) {
  socket.removeListener('data', onSocketData);
  nextTick(resume, socket);
}

/**
 * @param {Socket} stream The stream to resume
 * @private
 */
function resume(stream) {
  stream.resume();
}

/**
 * @param {WebSocket} websocket The WebSocket
 * @return {boolean} Whether its socket is closed
 * @private
 */
function isDetached(websocket) {
  return websocket._socket[kWebSocket] === undefined;
}

/**
 * A close frame arrived. RFC 6455, section 5.5.1: it's answered with the same code and reason.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {number} code The close code; 1005 when there was none
 * @param {Buffer} reason The close reason
 */
function receiveClose(websocket, code, reason) {
  websocket._closeFrameReceived = true;
  websocket._closeCode = code;
  websocket._closeMessage = EMPTY_BUFFER;

  if (reason.length > 0) {
    // A copy of its own: `reason` may be a view of a much larger chunk, and this lives as long as
    // the WebSocket.
    websocket._closeMessage = Buffer.allocUnsafeSlow(reason.length);
    websocket._closeMessage.set(reason);
  }

  if (isDetached(websocket)) return;

  discardIncoming(websocket._socket);

  if (code === 1005) websocket.close();
  else websocket.close(code, reason);
}

/**
 * The receiver got a close frame.
 *
 * @this {Owned}
 * @param {number} code The close code
 * @param {Buffer} reason The close reason
 * @private
 */
function onConclude(code, reason) {
  receiveClose(this[kWebSocket], code, reason);
}

/**
 * The receiver has room again.
 *
 * @this {Owned}
 * @private
 */
function onDrain() {
  const websocket = this[kWebSocket];

  if (!websocket.isPaused) websocket._socket.resume();
}

/**
 * The peer violated the protocol. RFC 6455, section 7.1.7: the connection fails with a close frame
 * that says why.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {Error & {[kStatusCode]?: number}} error The error
 */
function receiveFailure(websocket, error) {
  if (!isDetached(websocket)) {
    discardIncoming(websocket._socket);
    websocket.close(error[kStatusCode]);
  }

  emitErrorOnce(websocket, error);
}

/**
 * The receiver failed.
 *
 * @this {Owned}
 * @param {Error} error The error
 * @private
 */
function onReceiverError(error) {
  receiveFailure(this[kWebSocket], error);
}

/**
 * A message is complete.
 *
 * @this {Owned}
 * @param {any} data The payload
 * @param {boolean} isBinary Whether it's a binary message
 * @private
 */
function onMessage(data, isBinary) {
  this[kWebSocket].emit('message', data, isBinary);
}

/**
 * A ping arrived. RFC 6455, section 5.5.2: it's answered with a pong. A peer that sends pings
 * without taking the pongs is cut off.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {Buffer} data The payload
 */
function receivePing(websocket, data) {
  if (websocket._autoPong && websocket.readyState === OPEN) answerPing(websocket, data);
  websocket.emit('ping', data);
}

/**
 * What the option `autoPong` has a WebSocket count.
 *
 * @typedef {WebSocket & {_autoPongComplete?: () => void, _maxPendingAutoPongs: number,
 *   _pendingAutoPongs: number}} Answering
 */

/**
 * Sends a pong.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {Buffer} data The payload
 * @private
 */
function answerPing(websocket, data) {
  const answering = /** @type {Answering} */ (websocket);
  const limit = answering._maxPendingAutoPongs;

  if (limit > 0 && answering._pendingAutoPongs >= limit) {
    const message = 'The peer does not take the pongs to its pings';
    setCloseCause(websocket, createCause('ERR_OXWS_TOO_MANY_PINGS', message));
    answering.terminate();
    return;
  }
  // Made at the first ping: most connections never see one.
  answering._autoPongComplete ??= () => {
    answering._pendingAutoPongs--;
  };
  answering._pendingAutoPongs++;
  answering.pong(data, !answering._isServer, answering._autoPongComplete);
}

/**
 * The receiver got a ping.
 *
 * @this {Owned}
 * @param {Buffer} data The payload
 * @private
 */
function onPing(data) {
  receivePing(this[kWebSocket], data);
}

/**
 * A pong arrived.
 *
 * @this {Owned}
 * @param {Buffer} data The payload
 * @private
 */
function onPong(data) {
  const websocket = this[kWebSocket];
  if (!takesPong(websocket, data)) websocket.emit('pong', data);
}

/**
 * The sender can't go on; `sender.onerror`.
 *
 * @this {import('./sender') & Owned}
 * @param {Error} error The error
 * @private
 */
function onSenderError(error) {
  const websocket = this[kWebSocket];

  if (websocket.readyState === CLOSED) return;
  if (websocket.readyState === OPEN) {
    websocket._readyState = CLOSING;
    startCloseTimer(websocket);
  }

  // Not `destroy()`: the peer may finish what it is sending. The close timer is running by now.
  this._socket.end();
  emitErrorOnce(websocket, error);
}

/**
 * The socket has data.
 *
 * @this {Socket & Owned}
 * @param {Buffer} chunk The data
 * @private
 */
function onSocketData(chunk) {
  let thrown = true;
  try {
    if (!this[kWebSocket][kTransport].write(chunk)) this.pause();
    thrown = false;
  } finally {
    if (thrown) setImmediate(readOn, this);
  }
}

/**
 * Reads on after a listener threw: the exception ended the loop in which Node hands out what a
 * socket has read, and nothing might begin it again.
 *
 * @param {Socket} socket The socket
 * @private
 */
function readOn(socket) {
  while (socket.readableFlowing && !socket.destroyed && socket.read() !== null);
}

/**
 * The peer ended its side of the connection.
 *
 * @this {Socket & Owned}
 * @private
 */
function onSocketEnd() {
  const websocket = this[kWebSocket];

  websocket._readyState = CLOSING;
  websocket[kTransport].end();
  // To end what is finished has no effect but an error, made and thrown away: a fifth of what a
  // short connection costs (`npm run bench -- --case connect`).
  if (!this.writableFinished) this.end();
}

/**
 * The socket failed. No event reports that: the connection closes with 1006.
 *
 * @this {Socket & Owned}
 * @param {Error} error Why
 * @private
 */
function onSocketError(error) {
  const websocket = this[kWebSocket];

  this.removeListener('error', onSocketError);
  this.on('error', NOOP);

  if (websocket) {
    if (!websocket._closeFrameReceived) setCloseCause(websocket, error);
    websocket._readyState = CLOSING;
    this.destroy();
  }
}

/**
 * The socket is closed.
 *
 * @this {Socket & Owned}
 * @private
 */
function onSocketClose() {
  const websocket = this[kWebSocket];

  this.removeListener('close', onSocketClose);
  this.removeListener('data', onSocketData);
  this.removeListener('end', onSocketEnd);

  websocket._readyState = CLOSING;

  try {
    receiveLeftovers(websocket, this);
  } finally {
    // Even if a listener throws: the WebSocket must still become closed.
    concludeReceiver(websocket, this);
  }
}

/**
 * Hands the receiver what a paused socket still held when it was closed.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {Socket} socket Its socket
 * @private
 */
function receiveLeftovers(websocket, socket) {
  const { endEmitted, length } = socket._readableState;

  if (websocket._closeFrameReceived || websocket[kTransport].hasFailed) return;
  // With a length given, all of it comes as one chunk.
  if (!endEmitted && length > 0) websocket[kTransport].write(socket.read(length));
  websocket[kTransport].receiveLeftovers();
}

/**
 * Ends the receiver of a closed socket; the WebSocket is closed when it's through.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {Socket} socket Its socket
 * @private
 */
function concludeReceiver(websocket, socket) {
  const transport = websocket[kTransport];

  transport.end();
  socket[kWebSocket] = undefined;
  clearTimeout(websocket._closeTimer ?? undefined);

  if (transport.hasEnded) websocket.emitClose();
  else transport.onEnd(() => websocket.emitClose());
}

module.exports = {
  attachReceiver,
  attachSocket,
  createSender,
  finishAfterCloseFrame,
  onSocketData,
  prepareSocket,
  receiveClose,
  receiveFailure,
  receivePing,
  startCloseTimer
};

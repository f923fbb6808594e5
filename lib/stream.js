// @ts-check
'use strict';

// A WebSocket as a Node.js stream: messages are what is read, what is written goes out as messages.
//
// The end of the stream and the end of the connection are tied together by hand, so `autoDestroy`
// and `emitClose` of `Duplex` are off: `'close'` is emitted when the WebSocket is closed, not
// before.

const { Duplex } = require('node:stream');

const { nextTick } = require('./host');

/**
 * A stream and its WebSocket.
 *
 * @typedef {object} Link
 * @property {any} websocket The WebSocket
 * @property {any} stream The stream
 * @property {boolean} terminates Whether destroying the stream cuts the connection off. Not so
 *     after an error of the WebSocket: it closes the connection by itself, with a close frame that
 *     still has to get out.
 */

/**
 * Wraps a `WebSocket` in a duplex stream.
 *
 * @param {any} websocket The `WebSocket` to wrap
 * @param {import('node:stream').DuplexOptions} [options] Options of `Duplex`; `autoDestroy`,
 *     `emitClose`, `objectMode` and `writableObjectMode` are fixed, `readableObjectMode` makes text
 *     messages strings
 * @return {Duplex} The stream
 */
function createWebSocketStream(websocket, options) {
  const stream = new Duplex({
    ...options,
    autoDestroy: false,
    emitClose: false,
    objectMode: false,
    writableObjectMode: false,
    // Functions of their own, as users wrap `_read()` and its like and call them without `this`.
    read: () => {
      if (websocket.isPaused) websocket.resume();
    },
    write: (chunk, _encoding, callback) => {
      whenOpen(websocket, () => websocket.send(chunk, callback));
    },
    final: (callback) => whenOpen(websocket, () => closeAfterWriting(link, callback)),
    destroy: (error, callback) => awaitClose(link, error, callback)
  });
  /** @type {Link} */
  const link = { websocket, stream, terminates: true };

  readMessages(link);
  stream.on('end', onEnd);
  stream.on('error', onError);
  return stream;
}

/**
 * Leads messages, error and end of the WebSocket into the stream.
 *
 * @param {Link} link The stream and its WebSocket
 * @private
 */
function readMessages(link) {
  const { websocket, stream } = link;

  websocket.on('message', (/** @type {any} */ data, /** @type {boolean} */ isBinary) => {
    const wantsString = !isBinary && stream.readableObjectMode;

    if (!stream.push(wantsString ? data.toString() : data)) websocket.pause();
  });
  websocket.once('error', (/** @type {Error} */ error) => {
    if (stream.destroyed) return;

    link.terminates = false;
    stream.destroy(error);
  });
  websocket.once('close', () => {
    if (!stream.destroyed) stream.push(null);
  });
}

/**
 * Runs something as soon as a WebSocket is open, at once if it is.
 *
 * @param {any} websocket The WebSocket
 * @param {() => void} action What to do
 * @private
 */
function whenOpen(websocket, action) {
  if (websocket.readyState === websocket.CONNECTING) websocket.once('open', action);
  else action();
}

/**
 * Closes the connection and waits until everything is written out.
 *
 * @param {Link} link The stream and its WebSocket
 * @param {(error?: Error | null) => void} callback Called then
 * @private
 */
function closeAfterWriting({ websocket, stream }, callback) {
  const socket = websocket._socket;

  // The handshake failed; the WebSocket is about to say so.
  if (socket === null) return;

  if (socket._writableState.finished) {
    callback();
    if (stream.readableEnded) stream.destroy();
    return;
  }

  // That is no reason to destroy the stream: its readable side ends when the WebSocket is closed.
  socket.once('finish', () => callback());
  websocket.close();
}

/**
 * Ends the connection of a destroyed stream and waits until the WebSocket is closed.
 *
 * @param {Link} link The stream and its WebSocket
 * @param {Error | null} error Why the stream is destroyed
 * @param {(error?: Error | null) => void} callback Called then
 * @private
 */
function awaitClose({ websocket, stream, terminates }, error, callback) {
  if (websocket.readyState === websocket.CLOSED) {
    callback(error);
    nextTick(emitClose, stream);
    return;
  }

  let failed = false;

  websocket.once('error', (/** @type {Error} */ reason) => {
    failed = true;
    callback(reason);
  });
  websocket.once('close', () => {
    if (!failed) callback(error);
    nextTick(emitClose, stream);
  });

  if (terminates) websocket.terminate();
}

/**
 * @param {Duplex} stream The stream to emit `'close'` on
 * @private
 */
function emitClose(stream) {
  stream.emit('close');
}

/**
 * Listener of `'end'`: both sides are through.
 *
 * @this {Duplex}
 * @private
 */
function onEnd() {
  if (!this.destroyed && this.writableFinished) this.destroy();
}

/**
 * Listener of `'error'`: what isn't caught by anybody else must still throw.
 *
 * @this {Duplex}
 * @param {Error} error The error
 * @private
 */
function onError(error) {
  this.removeListener('error', onError);
  this.destroy();
  if (this.listenerCount('error') === 0) this.emit('error', error);
}

module.exports = createWebSocketStream;

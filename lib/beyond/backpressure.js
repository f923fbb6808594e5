// @ts-check
'use strict';

// What a WebSocket does when its peer reads more slowly than it is sent to: it says so, and when it
// is no longer so; beyond a limit messages are dropped, or the connection is closed.
//
// A WebSocket has its `Backpressure` under `kBackpressure` where an option asks for it, or from the
// first `waitForDrain()` on; the others have `null` there and pay nothing.
//
// What is buffered is what `bufferedAmount` counts. To read that writes out the frames of a tick,
// so it's read where they could make a difference only: what was sent since is counted here.

const { toBuffer } = require('../buffer-util');
const { kBackpressure, kTransport } = require('../constants');
const { nextTick } = require('../host');
const { CLOSED, OPEN } = require('../ready-state');
const { rethrow } = require('../send-callback');
const { isBlob } = require('../validation');
const { publishDropped } = require('./channels');
const { createCause, setCloseCause } = require('./close-cause');
const { Message } = require('./message');
const { checkNumber } = require('./options');

/** RFC 6455, section 7.4.2, and its registry: try again later. */
const TRY_AGAIN_LATER = 1013;
/** Bytes of the longest header that a server's frame has, and of a masking key. */
const MAX_SERVER_HEADER_LENGTH = 10;
const KEY_LENGTH = 4;

/** @typedef {((error: Error) => void) | undefined} Callback */
/**
 * One that waits.
 *
 * @typedef {{threshold: number, resolve: (value?: any) => void,
 *   reject: (error: unknown) => void}} Waiting
 */

/**
 * What is buffered of a connection, and what waits for it to become less.
 */
class Backpressure {
  /**
   * @param {any} websocket The WebSocket
   * @param {any} options `highWaterMark`, `maxBackpressure`, `backpressurePolicy`
   */
  constructor(websocket, options) {
    this._websocket = websocket;
    /** 0 for none, as the next one. @type {number} */
    this._mark = options.highWaterMark || 0;
    /** @type {number} */
    this._limit = options.maxBackpressure || 0;
    this._drops = options.backpressurePolicy === 'drop';
    /** Whether more than the mark was buffered, and some of it still is. */
    this._isAbove = false;
    /** Bytes that were sent since all that was sent was known to be written or to wait. */
    this._unwritten = 0;
    /** Whether the rest of a message is dropped whose first fragment was. */
    this._isDroppingFragments = false;
    /** Whether the socket is to report when it has written everything. */
    this._isWatching = false;
    this._isAsked = false;
    /** @type {Waiting[]} */
    this._waiting = [];
    /** How many messages were dropped. */
    this.dropped = 0;
    this._onDrain = () => this._check();
  }

  /** Whether more than the mark was buffered, and some of it still is. */
  get isAbove() {
    if (this._mark > 0 && !this._isAbove) this._look(this._websocket.bufferedAmount);
    return this._isAbove;
  }

  /**
   * Sends a message, if it's not too much.
   *
   * @param {any} data As for `WebSocket#send()`, like the next ones
   * @param {any} options The options; or the callback
   * @param {any} callback The callback
   * @param {(websocket: any, data: any, options: any, callback: any) => void} send Sends it
   */
  send(data, options, callback, send) {
    const websocket = this._websocket;
    if (websocket._readyState === OPEN && this._limit > 0) {
      const isCallback = typeof options === 'function';
      const settings = isCallback || !options ? {} : options;
      if (this._refuses(data, settings, isCallback ? options : callback)) return;
    }
    send(websocket, data, options, callback);
    this.look();
  }

  /**
   * Tells whether a message that others get as well is too much.
   *
   * @param {Message} message The message
   * @param {boolean} isDroppable Whether it is dropped then, whatever the policy is
   * @return {boolean} Whether it is; then it was dropped, or the connection is about to be closed
   */
  refusesShared(message, isDroppable) {
    if (this._limit === 0 || this._fits(message.length)) return false;
    if (isDroppable || this._drops) this._drop(message.data, message.isBinary, undefined);
    else this._close(undefined);
    return true;
  }

  /**
   * Tells whether a message, or a fragment of one, is too much.
   *
   * @param {any} data The payload
   * @param {any} options The options
   * @param {Callback} callback The callback
   * @return {boolean} As `refusesShared()`
   * @private
   */
  _refuses(data, options, callback) {
    const isPrepared = data instanceof Message;
    const isLast = isPrepared || !('fin' in options) || !!options.fin;
    const isDroppable = this._drops || !!options.droppable;
    const payload = isPrepared ? data.data : data;
    const isBinary = isPrepared ? data.isBinary : isBinaryMessage(payload, options);
    if (this._isDroppingFragments) {
      this._isDroppingFragments = !isLast;
      this._drop(payload, isBinary, callback);
      return true;
    }
    // A message of which something was sent has to be completed.
    const isRest = this._websocket[kTransport].sender?._firstFragment === false;
    if ((isRest && isDroppable) || this._fits(isPrepared ? data.length : lengthOf(payload))) {
      return false;
    }
    if (isDroppable) {
      this._isDroppingFragments = !isLast;
      this._drop(payload, isBinary, callback);
    } else this._close(callback);
    return true;
  }

  /**
   * Tells whether a message may be sent: nothing is buffered, or with it not more than the limit.
   *
   * @param {number} length Bytes of its payload
   * @return {boolean} Whether it may
   * @private
   */
  _fits(length) {
    const websocket = this._websocket;
    const frame = headerLengthOf(length, !websocket._isServer) + length;
    const published = websocket._socket._handle?.outbox?.publishedBytes ?? 0;
    const unwritten = this._unwritten + published;
    if (this._countWaiting() + unwritten + frame <= this._limit) {
      this._unwritten += frame;
      return true;
    }
    const waiting = websocket.bufferedAmount;
    this._unwritten = 0;
    if (waiting > 0 && waiting + frame > this._limit) return false;
    this._unwritten = frame;
    return true;
  }

  /**
   * Drops a message.
   *
   * @param {any} data What was to be sent
   * @param {boolean} isBinary Whether it's a binary message
   * @param {Callback} callback The callback
   * @private
   */
  _drop(data, isBinary, callback) {
    const websocket = this._websocket;
    this.dropped++;
    publishDropped(websocket, data, isBinary);
    if (typeof callback === 'function') {
      websocket[kTransport].flush();
      nextTick(callback, createCause('ERR_OXWS_DROPPED', 'The message was dropped'));
    }
    try {
      websocket.emit('dropped', data, isBinary);
    } catch (error) {
      // That is no matter of the other connections that get the message.
      nextTick(rethrow, error);
    }
  }

  /**
   * Closes the connection, which is sent more than it takes.
   *
   * @param {Callback} callback The callback of the message that was too much
   * @private
   */
  _close(callback) {
    const websocket = this._websocket;
    const error = createCause(
      'ERR_OXWS_BACKPRESSURE',
      `More than ${this._limit} bytes would be buffered`
    );
    setCloseCause(websocket, error);
    websocket.close(TRY_AGAIN_LATER);
    if (typeof callback === 'function') nextTick(callback, error);
  }

  /**
   * @return {number} Bytes that are known to wait, without those of this tick
   * @private
   */
  _countWaiting() {
    const { _socket: socket, [kTransport]: transport } = this._websocket;
    return socket._writableState.length + (transport.sender?._bufferedBytes ?? 0);
  }

  /**
   * Looks how much waits, after something was sent or written.
   */
  look() {
    const websocket = this._websocket;
    if (!websocket._socket || websocket._readyState === CLOSED) return;
    const { sender } = websocket[kTransport];
    // The one that reports what it compresses may be replaced.
    if (sender !== null) sender._watcher = this;
    if (this._isWatching) this._askSoon();
    else if (this._mark > 0) this._look(this._countWaiting());
  }

  /**
   * @param {number} waiting Bytes that wait
   * @private
   */
  _look(waiting) {
    if (this._isAbove || waiting <= this._mark) return;
    this._isAbove = true;
    this._watch();
  }

  /**
   * Has the socket report when it has written everything.
   *
   * @private
   */
  _watch() {
    const socket = this._websocket._socket;
    if (!this._isWatching) {
      this._isWatching = true;
      socket.on('drain', this._onDrain);
    }
    // A stream reports it only after a `write()` that has returned `false`.
    if (socket._writableState.length > 0) socket._writableState.needDrain = true;
  }

  /**
   * Sees to a look at the end of the tick.
   *
   * @private
   */
  _askSoon() {
    if (this._isAsked) return;
    this._isAsked = true;
    nextTick(() => {
      this._isAsked = false;
      if (this._isWatching) this._check();
    });
  }

  /**
   * Looks whether it's what somebody waits for.
   *
   * @private
   */
  _check() {
    const websocket = this._websocket;
    // What a destroyed socket has doesn't wait any more, but it isn't written either.
    if (!websocket._socket || websocket._socket.destroyed) return;
    const waiting = websocket.bufferedAmount;
    const isDrained = this._isAbove && waiting === 0;
    const done = this._waiting.filter(({ threshold }) => waiting <= threshold);
    this._waiting = this._waiting.filter(({ threshold }) => waiting > threshold);
    if (isDrained) this._isAbove = false;
    if (this._isAbove || this._waiting.length > 0) this._watch();
    else this._unwatch();
    for (const { resolve } of done) resolve();
    if (isDrained) websocket.emit('drain');
  }

  /**
   * @private
   */
  _unwatch() {
    if (!this._isWatching) return;
    this._isWatching = false;
    this._websocket._socket.removeListener('drain', this._onDrain);
  }

  /**
   * Waits until no more than this much is buffered.
   *
   * @param {number} threshold How much
   * @param {AbortSignal | undefined} signal Ends the waiting
   * @return {Promise<void>} Rejected if the connection is closed before
   */
  wait(threshold, signal) {
    const websocket = this._websocket;
    const { bufferedAmount = 0 } = websocket;
    if (bufferedAmount <= threshold) return Promise.resolve();
    if (websocket._readyState === CLOSED) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const abort = () => {
        this._waiting = this._waiting.filter((each) => each !== waiting);
        reject(signal?.reason);
      };
      const settle = (/** @type {(value?: any) => void} */ how) => (/** @type {any} */ value) => {
        signal?.removeEventListener('abort', abort);
        how(value);
      };
      const waiting = { threshold, resolve: settle(() => resolve()), reject: settle(reject) };
      signal?.addEventListener('abort', abort);
      this._waiting.push(waiting);
      this._watch();
      this.look();
    });
  }

  /**
   * The connection is closed: nothing becomes less any more.
   */
  end() {
    if (this._websocket._socket) this._unwatch();
    const waiting = this._waiting;
    this._waiting = [];
    for (const { reject } of waiting) reject(closedError());
  }
}

/**
 * @return {Error} Why the waiting ends
 */
function closedError() {
  return createCause('ERR_OXWS_CLOSED', 'The WebSocket is closed');
}

/**
 * Gives a WebSocket what its options ask for.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options Its options
 */
function prepareBackpressure(websocket, options) {
  if (options.highWaterMark > 0 || options.maxBackpressure > 0) {
    websocket[kBackpressure] = new Backpressure(websocket, options);
  }
}

/**
 * Waits until no more than this much of what a WebSocket has sent is buffered.
 *
 * @param {any} websocket The WebSocket
 * @param {any} [options] `threshold`, 0 by default; `signal`
 * @return {Promise<void>} Rejected if the connection is closed before, or the signal aborts
 */
async function waitForDrain(websocket, options) {
  if (options !== undefined && (options === null || typeof options !== 'object')) {
    throw new TypeError('The options must be an object');
  }
  const { threshold = 0, signal } = options ?? {};
  checkNumber('threshold', threshold, 0, Number.MAX_SAFE_INTEGER);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('The option "signal" must be an AbortSignal');
  }
  signal?.throwIfAborted();
  websocket[kBackpressure] ??= new Backpressure(websocket, {});
  await websocket[kBackpressure].wait(threshold, signal);
}

/**
 * @param {any} payload What was given to `send()`
 * @param {any} options The options
 * @return {boolean} Whether it's a binary message
 */
function isBinaryMessage(payload, options) {
  if ('binary' in options) return !!options.binary;
  return typeof payload !== 'string' && typeof payload !== 'number';
}

/**
 * @param {any} payload What was given to `send()`
 * @return {number} Its bytes
 * @throws {TypeError} If it can't be sent
 */
function lengthOf(payload) {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  if (typeof payload === 'number') return payload.toString().length;
  if (!payload) return 0;
  return isBlob(payload) ? payload.size : toBuffer(payload).length;
}

/**
 * @param {number} length Bytes of a payload
 * @param {boolean} isMasked Whether the frame is masked
 * @return {number} Bytes of the header, RFC 6455, section 5.2
 */
function headerLengthOf(length, isMasked) {
  const key = isMasked ? KEY_LENGTH : 0;
  if (length < 126) return 2 + key;
  return (length < 0x1_0000 ? 4 : MAX_SERVER_HEADER_LENGTH) + key;
}

module.exports = { Backpressure, prepareBackpressure, waitForDrain };

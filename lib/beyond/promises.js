// @ts-check
'use strict';

// A connection as promises and as an async iterable: `opened`, `closed`, `sendAsync()` and
// `for await`.
//
// A `WebSocket` has its `Promised` under `kPromised` with the option `promises`, or from the first
// loop or `sendAsync()` on; the others have `null` there and pay nothing. Whoever has asked for
// `opened` or `closed`, or loops, learns of an error that way: `'error'` needs no listener then.
//
// `opened` and `closed` are there with the option only: programs have flags of these names, and
// read them before they set them.

const { kCloseCause, kPromised, kTransport, NOOP } = require('../constants');
const { setImmediate } = require('../host');
const { CLOSED, CLOSING, CONNECTING, OPEN } = require('../ready-state');
const { isBlob } = require('../validation');
const { createCause, setCloseCause } = require('./close-cause');
const { checkSignal } = require('./options');

/** How much waits for a loop at most, about: messages, and bytes of them. */
const MAX_WAITING = 64;
const MAX_WAITING_BYTES = 64 * 1024;

/** @typedef {{data: any, isBinary: boolean}} Received A message. */
/** @typedef {IteratorResult<Received, undefined>} Result */
/**
 * A promise, and what settles it.
 *
 * @typedef {{promise: Promise<any>, resolve: (value?: any) => void,
 *   reject: (error: unknown) => void}} Settling
 */

/**
 * Makes a promise whose rejection needs nobody to handle it.
 *
 * @return {Settling} The promise
 */
function createPromise() {
  /** @type {any} */
  const settling = {};
  settling.promise = new Promise((resolve, reject) => Object.assign(settling, { resolve, reject }));
  settling.promise.catch(NOOP);
  return settling;
}

/**
 * What a connection has promised.
 */
class Promised {
  /**
   * @param {any} websocket The WebSocket
   */
  constructor(websocket) {
    this._websocket = websocket;
    /** Whether the option asks for `opened` and `closed`. */
    this.isOffered = false;
    this._reportsErrors = false;
    /** @type {Settling | null} */
    this._opened = null;
    /** @type {Settling | null} */
    this._closed = null;
    /** What waits for messages to be written. @type {Set<(error: unknown) => void>} */
    this._sending = new Set();
    /** @type {Messages | null} */
    this.messages = null;
  }

  /** From now on errors are reported without an event. */
  reportErrors() {
    if (this._reportsErrors) return;
    this._reportsErrors = true;
    this._websocket.on('error', NOOP);
  }

  /** @return {Promise<any>} Fulfilled when the connection is open */
  get opened() {
    if (this._opened === null) {
      this.reportErrors();
      this._opened = createPromise();
      const { readyState } = this._websocket;
      if (readyState === CLOSED) this._opened.reject(endOf(this._websocket));
      else if (readyState !== CONNECTING && this._websocket._socket) this._resolveOpened();
    }
    return this._opened.promise;
  }

  /** @return {Promise<any>} Fulfilled when the connection is closed */
  get closed() {
    if (this._closed === null) {
      this.reportErrors();
      this._closed = createPromise();
      if (this._websocket.readyState === CLOSED) this._resolveClosed();
    }
    return this._closed.promise;
  }

  /**
   * @private
   */
  _resolveOpened() {
    const { extensions, protocol } = this._websocket;
    this._opened?.resolve({ extensions, protocol });
  }

  /**
   * @private
   */
  _resolveClosed() {
    const websocket = this._websocket;
    this._closed?.resolve({
      code: websocket._closeCode,
      reason: websocket._closeMessage.toString(),
      wasClean: isClean(websocket)
    });
  }

  /** The connection is about to be open. */
  open() {
    if (this._opened === null) return;
    const websocket = this._websocket;
    this._resolveOpened();
    // Who waits for this gets to listen before a message comes: one may be there already.
    websocket._socket.pause();
    setImmediate(() => {
      if (websocket.readyState === OPEN || websocket.readyState === CLOSING) readOn(websocket);
    });
  }

  /** The connection is closed. */
  end() {
    this._opened?.reject(endOf(this._websocket));
    this._resolveClosed();
    this.messages?.end();
    // Most learn by their callbacks what has become of them.
    if (this._sending.size > 0) {
      setImmediate(() => {
        for (const reject of this._sending) reject(endOf(this._websocket));
      });
    }
  }

  /**
   * Sends a message.
   *
   * @param {any} data The message
   * @param {any} options The options of `send()`
   * @param {AbortSignal | undefined} signal Ends the waiting
   * @return {Promise<void>} Fulfilled when it's written out
   */
  send(data, options, signal) {
    return new Promise((resolve, reject) => {
      const abort = () => settle(signal?.reason);
      const settle = (/** @type {any} */ error) => {
        signal?.removeEventListener('abort', abort);
        this._sending.delete(settle);
        if (error === null || error === undefined) resolve();
        else reject(error);
      };
      this._sending.add(settle);
      signal?.addEventListener('abort', abort);
      try {
        this._websocket.send(data, options, settle);
      } catch (error) {
        settle(error);
      }
    });
  }
}

/**
 * The messages of a connection for loops: from the first loop on, and for all of them together.
 */
class Messages {
  /**
   * @param {any} websocket The WebSocket
   */
  constructor(websocket) {
    this._websocket = websocket;
    /** @type {Received[]} */
    this._waiting = [];
    this._waitingBytes = 0;
    /** Loops that wait for a message. @type {Settling[]} */
    this._takers = [];
    /** How many loops have begun and not ended. */
    this._loops = 0;
    /** Whether the connection isn't read because of what waits. */
    this._isHeld = false;
    this._hasEnded = websocket.readyState === CLOSED;
    if (!this._hasEnded) {
      websocket.on('message', (/** @type {any} */ data, /** @type {boolean} */ isBinary) =>
        this._receive(data, isBinary)
      );
    }
  }

  /**
   * @return {AsyncIterableIterator<Received>} One loop
   */
  iterate() {
    let hasEnded = false;
    this._loops++;
    const finish = () => {
      if (!hasEnded) this._loops--;
      hasEnded = true;
    };
    return {
      next: async () => {
        if (hasEnded) return { done: true, value: undefined };
        try {
          const result = await this._next();
          if (result.done) finish();
          return result;
        } catch (error) {
          finish();
          throw error;
        }
      },
      return: async () => {
        finish();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      }
    };
  }

  /**
   * @return {Promise<Result>} The next message, or the end
   * @private
   */
  _next() {
    const message = this._waiting.shift();
    if (message !== undefined) {
      this._waitingBytes -= lengthOf(message.data);
      if (this._waiting.length === 0) this.release();
      return Promise.resolve({ done: false, value: message });
    }
    const taker = createPromise();
    if (this._hasEnded) this._tell(taker);
    else this._takers.push(taker);
    return taker.promise;
  }

  /**
   * @param {any} data The message
   * @param {boolean} isBinary Whether it's a binary one
   * @private
   */
  _receive(data, isBinary) {
    const message = { data, isBinary };
    const taker = this._takers.shift();
    if (taker !== undefined) {
      taker.resolve({ done: false, value: message });
      return;
    }
    // Nobody reads any more: the closing handshake is what is left to be read.
    if (this._loops === 0 && this._websocket.readyState !== OPEN) return;
    this._waiting.push(message);
    this._waitingBytes += lengthOf(data);
    if (this._waiting.length < MAX_WAITING && this._waitingBytes < MAX_WAITING_BYTES) return;
    this._isHeld = true;
    this._websocket._socket.pause();
  }

  /** Reads on, if the connection isn't read because of what waits. */
  release() {
    if (!this._isHeld) return;
    this._isHeld = false;
    readOn(this._websocket);
  }

  /** The connection is closing: where there is no loop, what arrives must not be in its way. */
  close() {
    if (this._loops === 0) this.release();
  }

  /** The connection is closed. */
  end() {
    this._hasEnded = true;
    this._isHeld = false;
    for (const taker of this._takers.splice(0)) this._tell(taker);
  }

  /**
   * @param {Settling} taker A loop that waits, and is told of the end
   * @private
   */
  _tell(taker) {
    if (isClean(this._websocket)) taker.resolve({ done: true, value: undefined });
    else taker.reject(endOf(this._websocket));
  }
}

/**
 * Reads from a socket again, unless the program has paused it, or the receiver has to catch up.
 *
 * @param {any} websocket The WebSocket
 */
function readOn(websocket) {
  if (websocket.readyState === CLOSED || websocket._paused) return;
  websocket[kTransport].flush();
  if (!websocket[kTransport].needsDrain) websocket._socket.resume();
}

/**
 * @param {any} data A message
 * @return {number} About how many bytes it has
 */
function lengthOf(data) {
  if (isBlob(data)) return data.size;
  if (Array.isArray(data)) return data.reduce((sum, { length }) => sum + length, 0);
  return data.byteLength ?? data.length;
}

/**
 * @param {any} websocket A closed WebSocket
 * @return {boolean} Whether there was a closing handshake
 */
function isClean(websocket) {
  return websocket._closeFrameReceived && websocket._closeFrameSent;
}

/**
 * @param {any} websocket A closed WebSocket
 * @return {Error} Why it is closed
 */
function endOf(websocket) {
  const { [kCloseCause]: cause, _closeCode: code } = websocket;
  return cause ?? createCause('ERR_OXWS_CLOSED', `The WebSocket is closed: ${code}`);
}

/**
 * Gives a WebSocket what its options ask for.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options Its options
 */
function preparePromises(websocket, options) {
  if (options.promises) promisedOf(websocket).isOffered = true;
}

/**
 * @param {any} websocket A WebSocket
 * @return {Promised | null} What it has promised, if its option asks for that
 */
function offeredBy(websocket) {
  return websocket[kPromised]?.isOffered ? websocket[kPromised] : null;
}

/**
 * @param {any} websocket A WebSocket
 * @return {Promised} What it has promised
 */
function promisedOf(websocket) {
  websocket[kPromised] ??= new Promised(websocket);
  return websocket[kPromised];
}

/**
 * Sends a message and waits until it is written out.
 *
 * @param {any} websocket The WebSocket
 * @param {any} data The message
 * @param {any} [options] Those of `send()`, and `signal`
 * @return {Promise<void>} Rejected if it can't be written, or the signal aborts before
 */
async function sendAsync(websocket, data, options = {}) {
  if (options === null || typeof options !== 'object') {
    throw new TypeError('The options must be an object');
  }
  const { signal, ...settings } = options;
  checkSignal('signal', signal);
  signal?.throwIfAborted();
  await promisedOf(websocket).send(data, settings, signal);
}

/**
 * @param {any} websocket A WebSocket
 * @return {AsyncIterableIterator<Received>} Its messages from now on
 */
function iterate(websocket) {
  const promised = promisedOf(websocket);
  promised.reportErrors();
  promised.messages ??= new Messages(websocket);
  return promised.messages.iterate();
}

/**
 * Has a signal end a client, whatever state it's in.
 *
 * @param {any} websocket The WebSocket, whose request is on its way
 * @param {AbortSignal | null | undefined} signal The signal
 */
function followSignal(websocket, signal) {
  if (!signal) return;
  const abort = () => {
    const { reason } = signal;
    const error =
      reason instanceof Error ? reason : createCause('ABORT_ERR', 'The operation was aborted');
    if (error !== reason) error.cause = reason;
    setCloseCause(websocket, error);
    websocket.terminate();
  };
  if (signal.aborted) {
    abort();
    return;
  }
  signal.addEventListener('abort', abort);
  websocket.on('close', () => signal.removeEventListener('abort', abort));
}

module.exports = { followSignal, iterate, offeredBy, preparePromises, sendAsync };

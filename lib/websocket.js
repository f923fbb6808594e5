// @ts-check
'use strict';

// The class `WebSocket`: one endpoint of a connection, client or server.
//
// What happens to it from outside is elsewhere: `handshake/client.js` opens a connection,
// `listeners.js` reacts to the receiver, the sender and the socket of an open one.

const EventEmitter = require('node:events');

const { prepareBackpressure, waitForDrain } = require('./beyond/backpressure');
const { publishClose, publishOpen } = require('./beyond/channels');
const { sendPrepared } = require('./beyond/deliver');
const { latencyOf, prepareHeartbeat, startHeartbeat } = require('./beyond/heartbeat');
const { endLifetime, prepareLifetime, startLifetime } = require('./beyond/lifetime');
const { PreparedMessage } = require('./beyond/message');
const { checkConnectionOptions } = require('./beyond/options');
const {
  followSignal,
  iterate,
  offeredBy,
  preparePromises,
  sendAsync
} = require('./beyond/promises');
const { dispose } = require('./beyond/shutdown');
const topics = require('./beyond/topics');
const { toBuffer } = require('./buffer-util');
const { openConnection } = require('./handshake/client');
const { abortRequest } = require('./handshake/failure');
const { nextTick } = require('./host');
const {
  attachSocket,
  finishAfterCloseFrame,
  prepareSocket,
  startCloseTimer
} = require('./listeners');
const {
  BINARY_TYPES,
  EMPTY_BUFFER,
  kAutoPong,
  kAdmission,
  kBackpressure,
  kCloseCause,
  kHeartbeat,
  kLifetime,
  kOriginalPong,
  kOriginalSend,
  kPromised,
  kTopics,
  kTransport,
  kWebSocket
} = require('./constants');
const { attachEngine } = require('./engine/attach');
const { EventTarget, onEventAttribute } = require('./event-target');
const PerMessageDeflate = require('./permessage-deflate');
const { CLOSED, CLOSING, CONNECTING, OPEN, STATE_NAMES } = require('./ready-state');
const Sender = require('./sender');
const { attachStream } = require('./stream-transport');
const { isBlob } = require('./validation');

/** @typedef {import('./transport').Transport} Transport */

const NO_OPTIONS = {};

const PERMESSAGE_DEFLATE = PerMessageDeflate.extensionName;
/** The method as it is when no program has replaced it. */
const sendMessage = /** @type {any} */ (Sender)[kOriginalSend];

const CLOSED_TOO_EARLY = 'WebSocket was closed before the connection was established';

/**
 * The field `_receiver`. A program that asks for the receiver may do anything with it, so from then
 * on it's a real one that gets the bytes of the socket.
 */
const RECEIVER = {
  configurable: true,
  enumerable: true,
  /** @this {WebSocket} */
  get() {
    return this[kTransport] === null ? null : this[kTransport].exposeReceiver();
  },
  /**
   * @this {WebSocket}
   * @param {import('./receiver')} receiver The receiver
   */
  set(receiver) {
    if (this[kTransport] !== null) this[kTransport].replaceReceiver(receiver);
    else setField(this, '_receiver', receiver);
  }
};

/**
 * The field `_sender`. A connection of the engine has none until something is sent, or a program
 * asks.
 */
const SENDER = {
  configurable: true,
  enumerable: true,
  /** @this {WebSocket} */
  get() {
    return this[kTransport] === null ? null : this[kTransport].needSender();
  },
  /**
   * @this {WebSocket}
   * @param {Sender} sender The sender
   */
  set(sender) {
    if (this[kTransport] !== null) this[kTransport].sender = sender;
    else setField(this, '_sender', sender);
  }
};

/**
 * The field `_autoPong`, of a WebSocket that has the option. The engine has to know of a change.
 */
const AUTO_PONG = {
  configurable: true,
  enumerable: true,
  /** @this {WebSocket & {[kAutoPong]?: unknown}} */
  get() {
    return this[kAutoPong];
  },
  /**
   * @this {WebSocket & {[kAutoPong]?: unknown}}
   * @param {unknown} autoPong Whether pings are answered
   */
  set(autoPong) {
    this[kAutoPong] = autoPong;
    this[kTransport]?.updateAnswering();
  }
};

/**
 * One endpoint of a WebSocket connection.
 *
 * Fields with an underscore aren't part of the API, but programs that use ws read and set some of
 * them; they keep their names and meanings.
 */
class WebSocket extends EventEmitter {
  /** Set by `setSocket()`; `null` before. @type {Transport} */
  [kTransport] = /** @type {never} */ (null);
  /** Set by a server. @type {any} */
  [kTopics] = null;

  /**
   * @param {string | URL | null} address The URL to connect to; `null` makes an endpoint without a
   *     connection, which gets one by `setSocket()`
   * @param {string | string[] | object} [protocols] The subprotocols to offer; or the options
   * @param {any} [options] Options of the client, and any of `http.request()`
   */
  constructor(address, protocols, options) {
    super();

    // As EventEmitter made it, but without a hash table, which takes three times the memory.
    /** @type {any} */ (this)._events = Object.setPrototypeOf({}, null);

    this._binaryType = BINARY_TYPES[0];
    // RFC 6455, section 7.1.5: the close code is 1006 unless a close frame says otherwise.
    this._closeCode = 1006;
    this._closeFrameReceived = false;
    this._closeFrameSent = false;
    this._closeMessage = EMPTY_BUFFER;
    /** @type {NodeJS.Timeout | null} */
    this._closeTimer = null;
    this._errorEmitted = false;
    /** @type {Record<string, any>} */
    this._extensions = {};
    this._paused = false;
    this._protocol = '';
    this._readyState = CONNECTING;
    Object.defineProperty(this, '_receiver', RECEIVER);
    Object.defineProperty(this, '_sender', SENDER);
    /** Set by `setSocket()`; `null` before. @type {import('./transport').Socket} */
    this._socket = /** @type {never} */ (null);

    let settings = options;

    if (address === null) {
      this._isServer = true;
    } else {
      this._bufferedAmount = 0;
      this._isServer = false;
      this._redirects = 0;
      settings = connect(this, address, protocols, options);
    }

    if (settings.autoPong) {
      Object.defineProperty(this, '_autoPong', AUTO_PONG);
      this._autoPong = true;
      this._pendingAutoPongs = 0;
      this._maxPendingAutoPongs = settings.maxPendingAutoPongs | 0;
    }

    this._closeTimeout = settings.closeTimeout;
    prepareBackpressure(this, settings);
    prepareHeartbeat(this, settings);
    prepareLifetime(this, settings);
    preparePromises(this, settings);
    if (address !== null) followSignal(this, settings.lifetimeSignal);
  }

  /**
   * What a binary message is handed out as: `'nodebuffer'`, `'arraybuffer'`, `'fragments'` or
   * `'blob'`. Anything else that is assigned is ignored. Holds from the next message on.
   *
   * @return {string}
   */
  get binaryType() {
    return this._binaryType;
  }

  set binaryType(type) {
    if (!BINARY_TYPES.includes(type)) return;

    this._binaryType = type;
    if (this[kTransport] !== null) this[kTransport].binaryType = type;
  }

  /**
   * The number of bytes that were given to `send()` and haven't gone to the operating system yet,
   * with their frame headers.
   *
   * @return {number}
   */
  get bufferedAmount() {
    if (!this._socket) return /** @type {number} */ (this._bufferedAmount);

    // Frames that wait for the end of the tick only do so to leave together: they don't count as
    // waiting.
    // What counts them for a limit needs to know exactly.
    if (/** @type {any} */ (this)[kBackpressure] !== null) this[kTransport].flush();
    else this[kTransport].flushToCount();
    // Without a sender nothing waits there.
    return this._socket._writableState.length + (this[kTransport].sender?._bufferedBytes ?? 0);
  }

  /** @return {string} The names of the extensions in use, separated by commas */
  get extensions() {
    return Object.keys(this._extensions).join();
  }

  /** @return {boolean} Whether `pause()` was called, without a `resume()` after it */
  get isPaused() {
    return this._paused;
  }

  /** @return {string} The subprotocol in use; empty without one */
  get protocol() {
    return this._protocol;
  }

  /** @return {number} The state: `CONNECTING`, `OPEN`, `CLOSING` or `CLOSED` */
  get readyState() {
    return this._readyState;
  }

  /**
   * What carries the connection: `'engine'`, or `'stream'` for a socket of Node.js or any other
   * `Duplex`; `null` before it's open. May change while it's open. Not part of ws.
   *
   * @return {'engine' | 'stream' | null}
   */
  get transport() {
    return this[kTransport]?.name ?? null;
  }

  /**
   * Why it's the stream transport that carries the connection: `null` where it isn't. Not part of
   * ws.
   *
   * @return {import('./transport').Reason | null}
   */
  get transportReason() {
    return this[kTransport]?.reason ?? null;
  }

  /** @return {string | undefined} The URL of a client, normalised */
  get url() {
    // @ts-expect-error set by the client handshake
    return this._url;
  }

  /**
   * Gives the WebSocket its socket, on which the opening handshake is done; then it's open.
   *
   * @param {import('./transport').Socket} socket The socket, or any `Duplex`
   * @param {Buffer} head What arrived after the handshake already
   * @param {any} options `allowSynchronousEvents`, `generateMask`, `maxBufferedChunks`,
   *     `maxFragments`, `maxPayload`, `skipUTF8Validation`
   * @private
   */
  setSocket(socket, head, options) {
    const receiverOptions = {
      allowSynchronousEvents: options.allowSynchronousEvents,
      binaryType: this.binaryType,
      extensions: this._extensions,
      isServer: this._isServer,
      maxBufferedChunks: options.maxBufferedChunks,
      maxFragments: options.maxFragments,
      maxPayload: options.maxPayload,
      skipUTF8Validation: options.skipUTF8Validation
    };

    this._socket = socket;
    socket[kWebSocket] = this;

    prepareSocket(socket, head);

    this[kTransport] =
      attachEngine(this, receiverOptions, options.generateMask) ??
      attachStream(this, receiverOptions, options.generateMask);
    attachSocket(socket);
    startHeartbeat(this);
    startLifetime(this);

    this._readyState = OPEN;
    /** @type {any} */ (this)[kPromised]?.open();
    publishOpen(this);
    this.emit('open');
  }

  /**
   * Ends the life of the WebSocket: releases what it holds and emits `'close'`.
   */
  emitClose() {
    if (this._socket) {
      this._extensions[PerMessageDeflate.extensionName]?.cleanup();
      this[kTransport].release();
    }

    this._readyState = CLOSED;
    topics.endSubscriptions(this);
    backpressureOf(this)?.end();
    endLifetime(this);
    /** @type {any} */ (this)[kAdmission]?.leave();
    /** @type {any} */ (this)[kPromised]?.end();
    publishClose(this);
    this.emit('close', this._closeCode, this._closeMessage);
  }

  /**
   * Starts the closing handshake, or goes on with it. RFC 6455, section 7.1.2: a close frame goes
   * out; the connection ends once one was received as well.
   *
   * @param {number} [code] The close code
   * @param {string | Buffer} [reason] The close reason
   * @throws {TypeError} If the code or the reason isn't valid
   * @throws {RangeError} If the reason is longer than 123 bytes
   */
  close(code, reason) {
    if (this.readyState === CLOSED) return;
    if (this.readyState === CONNECTING) {
      abortRequest(this, /** @type {any} */ (this)._req, CLOSED_TOO_EARLY);
      return;
    }
    if (this.readyState === CLOSING) {
      if (this._closeFrameSent) finishAfterCloseFrame(this);
      return;
    }

    senderOf(this).close(
      code,
      reason,
      !this._isServer,
      (/** @type {Error | null | undefined} */ error) => {
        // What is wrong with the socket is reported by the socket itself.
        if (error) return;

        this._closeFrameSent = true;
        finishAfterCloseFrame(this);
      }
    );

    this._readyState = CLOSING;
    startCloseTimer(this);
    /** @type {any} */ (this)[kPromised]?.messages?.close();
  }

  /**
   * Stops reading from the socket. Does nothing before the connection is open and after it's
   * closed.
   */
  pause() {
    if (this.readyState === CONNECTING || this.readyState === CLOSED) return;

    this._paused = true;
    this._socket.pause();
  }

  /** Reads on, unless the receiver has still to catch up. */
  resume() {
    if (this.readyState === CONNECTING || this.readyState === CLOSED) return;

    this._paused = false;
    // What was sent before is called back before what arrives is handed out.
    this[kTransport].flush();
    if (!this[kTransport].needsDrain) this._socket.resume();
  }

  /**
   * Sends a ping.
   *
   * @param {any} [data] At most 125 bytes; or the callback
   * @param {any} [mask] Whether to mask it, by default as the role demands; or the callback
   * @param {(error?: Error | null) => void} [callback] Called when it's written out
   * @throws {Error} While the connection is being established
   * @throws {RangeError} If the data is too long
   */
  ping(data, mask, callback) {
    sendControlFrame(this, 'ping', data, mask, callback);
  }

  /**
   * Sends a pong. Pings are answered without it, see the option `autoPong`.
   *
   * @param {any} [data] At most 125 bytes; or the callback
   * @param {any} [mask] Whether to mask it, by default as the role demands; or the callback
   * @param {(error?: Error | null) => void} [callback] Called when it's written out
   * @throws {Error} While the connection is being established
   * @throws {RangeError} If the data is too long
   */
  pong(data, mask, callback) {
    sendControlFrame(this, 'pong', data, mask, callback);
  }

  /**
   * Sends a message, or a fragment of one.
   *
   * @param {any} data The payload: string, bytes in any shape, number or Blob
   * @param {any} [options] `binary` (by default: unless `data` is a string), `compress` (`true`),
   *     `fin` (`true`), `mask` (as the role demands); or the callback
   * @param {(error?: Error | null) => void} [callback] Called when it's written out
   * @throws {Error} While the connection is being established
   */
  send(data, options, callback) {
    const backpressure = backpressureOf(this);
    if (backpressure === null) send(this, data, options, callback);
    else backpressure.send(data, options, callback, send);
  }

  /**
   * Whether the peer reads too slowly: more than `highWaterMark` was buffered, and `'drain'` is
   * still to come. Not part of ws, like the next one.
   *
   * @return {boolean}
   */
  get writableNeedDrain() {
    return backpressureOf(this)?.isAbove ?? false;
  }

  /**
   * Waits until what was sent is written, or most of it.
   *
   * @param {any} [options] `threshold`: how many bytes may still be buffered then, 0 by default;
   *     `signal`
   * @return {Promise<void>} Rejected if the connection is closed before, or the signal aborts
   */
  waitForDrain(options) {
    return waitForDrain(this, options);
  }

  /**
   * Sends a message. Not part of ws, like the next three.
   *
   * @param {any} data The message, as for `send()`
   * @param {any} [options] Those of `send()`; and `signal`, which ends the waiting
   * @return {Promise<void>} Fulfilled when it's written out; rejected where `send()` throws or
   *     calls back with an error, or the signal aborts
   */
  sendAsync(data, options) {
    return sendAsync(this, data, options);
  }

  /**
   * Fulfilled when it's open; there with the option `promises` only, like the next one.
   *
   * @return {Promise<{extensions: string, protocol: string}> | undefined}
   */
  get opened() {
    return offeredBy(this)?.opened;
  }

  /**
   * Fulfilled when it's closed.
   *
   * @return {Promise<{code: number, reason: string, wasClean: boolean}> | undefined}
   */
  get closed() {
    return offeredBy(this)?.closed;
  }

  /** @return {AsyncIterableIterator<{data: any, isBinary: boolean}>} The messages from now on */
  [Symbol.asyncIterator]() {
    return iterate(this);
  }

  /**
   * How many milliseconds the peer has taken to answer the latest ping of the heartbeat that it has
   * answered; `null` before, and without one. Not part of ws.
   *
   * @return {number | null}
   */
  get latency() {
    return latencyOf(this);
  }

  /**
   * What has ended the connection, or is about to: an error where something went wrong. Not part of
   * ws.
   *
   * @return {Error | null}
   */
  get closeCause() {
    return /** @type {any} */ (this)[kCloseCause];
  }

  /**
   * Subscribes to a topic of the server. Not part of ws, like all that is about topics.
   *
   * @param {string} topic The topic
   * @return {boolean} Whether that changed anything
   * @throws {TypeError} If the topic isn't a string
   * @throws {Error} `ERR_OXWS_NO_SERVER` if no `WebSocketServer` has made it
   */
  subscribe(topic) {
    return topics.subscribe(this, topic);
  }

  /**
   * Ends a subscription.
   *
   * @param {string} topic The topic
   * @return {boolean} Whether that changed anything
   * @throws {TypeError} If the topic isn't a string
   */
  unsubscribe(topic) {
    return topics.unsubscribe(this, topic);
  }

  /**
   * @param {string} topic The topic
   * @return {boolean} Whether it's subscribed
   * @throws {TypeError} If the topic isn't a string
   */
  isSubscribed(topic) {
    return topics.isSubscribed(this, topic);
  }

  /** @return {string[]} What it's subscribed to now */
  get topics() {
    return topics.listTopics(this);
  }

  /**
   * Sends a message to all others who have subscribed to a topic of the server.
   *
   * @param {string} topic The topic
   * @param {any} data The message
   * @param {any} [options] `binary`, `compress`, `except`
   * @return {number} For how many connections it is queued
   * @throws {TypeError} If an argument isn't valid
   * @throws {Error} `ERR_OXWS_NO_SERVER` if no `WebSocketServer` has made it
   */
  publish(topic, data, options) {
    return topics.publishFrom(this, topic, data, options);
  }

  /** Ends the connection at once, without a closing handshake. */
  terminate() {
    if (this.readyState === CLOSED) return;
    if (this.readyState === CONNECTING) {
      abortRequest(this, /** @type {any} */ (this)._req, CLOSED_TOO_EARLY);
      return;
    }

    if (this._socket) {
      this._readyState = CLOSING;
      this[kTransport]?.flush();
      this._socket.destroy();
    }
  }
}

/**
 * @param {WebSocket} websocket An open WebSocket
 * @return {Sender} Its sender, or what a program has put in its place
 * @private
 */
function senderOf(websocket) {
  return Reflect.get(websocket, '_sender');
}

/**
 * Gives a WebSocket without a transport a field of the program's.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {string} name The field
 * @param {unknown} value Its value
 * @private
 */
function setField(websocket, name, value) {
  Object.defineProperty(websocket, name, {
    configurable: true,
    enumerable: true,
    value,
    writable: true
  });
}

/**
 * Sorts the arguments of the constructor and starts the opening handshake.
 *
 * @param {WebSocket} websocket The new WebSocket
 * @param {string | URL} address The URL to connect to
 * @param {any} protocols The subprotocols to offer; or the options
 * @param {any} options The options
 * @return {any} The options with their defaults
 * @private
 */
function connect(websocket, address, protocols, options) {
  let offered = protocols;
  let settings = options;

  if (offered !== null && typeof offered === 'object' && !Array.isArray(offered)) {
    settings = offered;
    offered = undefined;
  }
  if (offered === undefined) offered = settings?.protocols;
  if (offered === undefined) offered = [];
  if (!Array.isArray(offered)) offered = [offered];

  if (settings) checkConnectionOptions(settings);
  return openConnection(websocket, address, offered, settings);
}

/**
 * @param {WebSocket} websocket A WebSocket
 * @return {import('./beyond/backpressure').Backpressure | null} What watches its backpressure
 * @private
 */
function backpressureOf(websocket) {
  return /** @type {any} */ (websocket)[kBackpressure];
}

/**
 * Sends a message; the parameters are those of `WebSocket#send()`.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {any} data The payload
 * @param {any} options The options; or the callback
 * @param {((error?: Error | null) => void) | undefined} callback The callback
 * @private
 */
function send(websocket, data, options, callback) {
  // Most are whole, open and uncompressed; and few calls are left between a loop and the outbox
  // then.
  if (callback === undefined && sendDirectly(websocket, data, options)) return;
  if (websocket.readyState === CONNECTING) throw notOpenError(websocket);

  const isPrepared = data instanceof PreparedMessage;
  const payload = isPrepared ? data.data : typeof data === 'number' ? data.toString() : data;
  const onWritten = typeof options === 'function' ? options : callback;

  if (websocket.readyState !== OPEN) {
    refuseToSend(websocket, payload, onWritten);
    return;
  }

  if (isPrepared) {
    sendPrepared(websocket, data, onWritten);
    return;
  }

  const given = options && options !== onWritten ? options : NO_OPTIONS;
  const settings = completeOptions(given, typeof payload !== 'string', !websocket._isServer);

  if (!websocket._extensions[PerMessageDeflate.extensionName]) settings.compress = false;

  senderOf(websocket).send(payload || EMPTY_BUFFER, settings, onWritten);
}

/**
 * @param {WebSocket} websocket A WebSocket that isn't open
 * @return {Error} The error that says so
 * @private
 */
function notOpenError(websocket) {
  const { readyState } = websocket;

  return new Error(`WebSocket is not open: readyState ${readyState} (${STATE_NAMES[readyState]})`);
}

/**
 * Sends a message that needs nothing but a header, if nothing is in its way.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {any} data The message
 * @param {any} options The options
 * @return {boolean} Whether it is sent; if not, nothing has happened
 * @private
 */
function sendDirectly(websocket, data, options) {
  const sender = websocket[kTransport]?.sender;

  // A program may have replaced the method, to see messages, or what it's a method of.
  if (!sender || sender.send !== sendMessage || websocket.readyState !== OPEN) return false;

  let binary = typeof data !== 'string';

  if (options !== undefined) {
    if (
      options === null ||
      Object.getPrototypeOf(options) !== Object.prototype ||
      'fin' in options ||
      'mask' in options
    ) {
      return false;
    }
    if ('binary' in options) binary = options.binary;
  }
  if (websocket._extensions[PERMESSAGE_DEFLATE]) return false;

  return sender._sendDirectly(data, binary, !websocket._isServer);
}

/**
 * Lays the options of a message over the defaults. Most options are plain objects, for which this
 * takes a fifth of the time that a spread takes (`npm run bench -- --case 64x20B-32`).
 *
 * @param {any} options What the user gave
 * @param {boolean} binary The default of `binary`
 * @param {boolean} mask The default of `mask`
 * @return {any} All options
 * @private
 */
function completeOptions(options, binary, mask) {
  if (Object.getPrototypeOf(options) !== Object.prototype) {
    return { binary, mask, compress: true, fin: true, ...options };
  }

  return {
    binary: 'binary' in options ? options.binary : binary,
    mask: 'mask' in options ? options.mask : mask,
    compress: 'compress' in options ? options.compress : true,
    fin: 'fin' in options ? options.fin : true
  };
}

/**
 * Takes note of what can't be sent any more: it counts as buffered, and the callback gets an error.
 *
 * @param {WebSocket} websocket A WebSocket that is closing or closed
 * @param {any} data What was to be sent
 * @param {((error: Error) => void) | undefined} callback The callback
 * @private
 */
function refuseToSend(websocket, data, callback) {
  if (data) {
    const length = isBlob(data) ? data.size : toBuffer(data).length;

    // Without a socket the handshake of a client failed: there is no sender to count.
    if (websocket._socket) senderOf(websocket)._bufferedBytes += length;
    else websocket._bufferedAmount += length;
  }

  if (callback) {
    // The callbacks of frames that wait for the end of the tick come before this one.
    websocket[kTransport]?.flush();
    nextTick(callback, notOpenError(websocket));
  }
}

/**
 * Sends a ping or a pong; the arguments are those of `ping()` and `pong()`.
 *
 * @param {WebSocket} websocket The WebSocket
 * @param {'ping' | 'pong'} type The kind of frame
 * @param {any} data The payload; or the callback
 * @param {any} mask Whether to mask it; or the callback
 * @param {any} callback The callback
 * @private
 */
function sendControlFrame(websocket, type, data, mask, callback) {
  if (websocket.readyState === CONNECTING) throw notOpenError(websocket);
  if (typeof data === 'function') {
    sendControlFrame(websocket, type, undefined, undefined, data);
    return;
  }
  if (typeof mask === 'function') {
    sendControlFrame(websocket, type, data, undefined, mask);
    return;
  }

  const payload = typeof data === 'number' ? data.toString() : data;

  if (websocket.readyState !== OPEN) {
    refuseToSend(websocket, payload, callback);
    return;
  }

  senderOf(websocket)[type](
    payload || EMPTY_BUFFER,
    mask === undefined ? !websocket._isServer : mask,
    callback
  );
}

for (const [value, name] of STATE_NAMES.entries()) {
  Object.defineProperty(WebSocket, name, { enumerable: true, value });
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true, value });
}

for (const name of [
  'binaryType',
  'bufferedAmount',
  'extensions',
  'isPaused',
  'protocol',
  'readyState',
  'url'
]) {
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
}

for (const name of [
  'closeCause',
  'closed',
  'latency',
  'opened',
  'topics',
  'transportReason',
  'writableNeedDrain'
]) {
  const descriptor = Object.getOwnPropertyDescriptor(WebSocket.prototype, name);
  Object.defineProperty(WebSocket.prototype, name, {
    ...descriptor,
    // A program that has a property of this name has it on ws as well.
    set(value) {
      setField(this, name, value);
    }
  });
}

// Here, not on each object: most never have one of their own.
for (const name of [kAdmission, kBackpressure, kCloseCause, kHeartbeat, kLifetime, kPromised]) {
  Object.defineProperty(WebSocket.prototype, name, { value: null, writable: true });
}

for (const type of ['open', 'error', 'close', 'message']) {
  Object.defineProperty(WebSocket.prototype, `on${type}`, onEventAttribute(type));
}

// Not in each Node.js.
if (Symbol.asyncDispose) {
  Object.defineProperty(WebSocket.prototype, Symbol.asyncDispose, {
    configurable: true,
    /** @this {WebSocket} */
    value() {
      return dispose(this);
    },
    writable: true
  });
}

Object.assign(WebSocket.prototype, EventTarget);
// Where a program replaces the method, to see pongs, the engine doesn't answer pings by itself.
Object.defineProperty(WebSocket.prototype, kOriginalPong, { value: WebSocket.prototype.pong });

module.exports = WebSocket;

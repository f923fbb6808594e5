// @ts-check
'use strict';

// What a WebSocket has for a receiver while the engine decodes its frames.

const { kOriginalPong, kReceiver, kSender, kWebSocket } = require('../constants');
const { nextTick } = require('../host');
const listeners = require('../listeners');
const PerMessageDeflate = require('../permessage-deflate');
const { CONNECTING, OPEN } = require('../ready-state');
const Receiver = require('../receiver');
const Sender = require('../sender');
const { toInt32 } = require('../validation');
const EngineConnection = require('./connection');

/** What a tracing tool may replace to see pongs; then the engine doesn't answer pings. */
const senderPong = Sender.prototype.pong;

/** The state of a receiver that has not ended, the same for all. */
const RECEIVING = Object.freeze({ errorEmitted: false, finished: false, needDrain: false });

/** The state of one that is about to tell of an error. */
const FAILING = Object.freeze({ ...RECEIVING });

/** The options of the latest receiver: most have the same. @type {any} */
let latest = {};

/**
 * Gives the options of a receiver as one object for all that have the same.
 *
 * @param {any} options The options
 * @return {any} Those that don't differ between the connections of a server, the limits as integers
 */
function shareOptions(options) {
  const { allowSynchronousEvents, skipUTF8Validation } = options;
  const maxBufferedChunks = toInt32(options.maxBufferedChunks);
  const maxFragments = toInt32(options.maxFragments);
  const maxPayload = toInt32(options.maxPayload);
  const isSame =
    latest.allowSynchronousEvents === allowSynchronousEvents &&
    latest.maxBufferedChunks === maxBufferedChunks &&
    latest.maxFragments === maxFragments &&
    latest.maxPayload === maxPayload &&
    latest.skipUTF8Validation === skipUTF8Validation;
  if (!isSame) {
    latest = {
      allowSynchronousEvents,
      maxBufferedChunks,
      maxFragments,
      maxPayload,
      skipUTF8Validation
    };
  }
  return latest;
}

/**
 * Stands where the receiver stands on the stream transport, for what a WebSocket asks of it, and
 * gets the frames.
 */
class EngineReceiver {
  /**
   * @param {any} websocket The WebSocket
   * @param {any} options The options of a receiver
   * @param {any} handle The connection of the engine
   */
  constructor(websocket, options, handle) {
    this[kWebSocket] = websocket;
    this._handle = handle;
    this._options = shareOptions(options);
    this._binaryType = options.binaryType;
    this._writableState = RECEIVING;
    this._isEnding = false;
    /** @type {(() => void) | null} */
    this._onEnd = null;
  }

  /** What binary messages are given as. */
  get binaryType() {
    return this._binaryType;
  }

  /**
   * @param {any} data The message
   * @param {boolean} isBinary Whether it's binary
   */
  message(data, isBinary) {
    const websocket = this[kWebSocket];
    if (websocket[kReceiver] !== this) websocket[kReceiver].emit('message', data, isBinary);
    else if (!this._writableState.errorEmitted) websocket.emit('message', data, isBinary);
  }

  /**
   * @param {Buffer} data The payload
   * @param {boolean} isAnswered Whether the engine has answered it, while nothing else could
   */
  ping(data, isAnswered) {
    const websocket = this[kWebSocket];
    const isAsAlways = answersAsAlways(websocket);
    if (!isAsAlways) this.updateAnswering();
    if (isAnswered && isAsAlways) websocket.emit('ping', data);
    else if (websocket[kReceiver] !== this) websocket[kReceiver].emit('ping', data);
    else listeners.onPing.call(this, data);
  }

  /**
   * Tells the engine whether it may answer pings. To be called when something changes about that.
   */
  updateAnswering() {
    const websocket = this[kWebSocket];
    const isOpen = websocket._readyState === CONNECTING || websocket._readyState === OPEN;
    this._handle.setAnswering(isOpen && !!websocket._autoPong && answersAsAlways(websocket));
  }

  /**
   * @param {Buffer} data The payload
   */
  pong(data) {
    const websocket = this[kWebSocket];
    if (websocket[kReceiver] !== this) websocket[kReceiver].emit('pong', data);
    else listeners.onPong.call(this, data);
  }

  /**
   * @param {number} code The close code
   * @param {Buffer} reason The close reason
   */
  conclude(code, reason) {
    const receiver = this[kWebSocket][kReceiver];
    if (receiver !== this) {
      receiver._conclude(code, reason);
      return;
    }
    try {
      listeners.onConclude.call(this, code, reason);
    } finally {
      this.end();
    }
  }

  /**
   * @param {Error} error Why the connection has to fail
   */
  fail(error) {
    if (this._writableState === RECEIVING) this._writableState = FAILING;
    // As a stream does: not while the events before it are handed out, and when it has called back.
    nextTick(() => {
      const receiver = this[kWebSocket][kReceiver];
      if (receiver !== this) receiver.destroy(error);
      else nextTick(() => this._fail(error));
    });
  }

  /**
   * @param {Error} error Why the connection fails
   * @private
   */
  _fail(error) {
    this._writableState = { ...this._writableState, errorEmitted: true };
    listeners.onReceiverError.call(this, error);
    this._onEnd?.();
  }

  /**
   * @param {string} _event `'finish'` or `'error'`: there is one listener for both
   * @param {(this: any) => void} listener Called when it has ended
   */
  on(_event, listener) {
    this._onEnd = listener.bind(this);
  }

  removeAllListeners() {
    this._onEnd = null;
  }

  /**
   * Puts a real receiver in its place, which gets the bytes from the end of the current message on.
   *
   * @return {any} The receiver
   */
  replace() {
    const websocket = this[kWebSocket];
    if (websocket[kReceiver] !== this) return websocket[kReceiver];
    const options = {
      ...this._options,
      binaryType: this._binaryType,
      extensions: websocket._extensions,
      isServer: websocket._isServer
    };
    const receiver = /** @type {any} */ (new Receiver(options));
    websocket[kReceiver] = receiver;
    receiver[kWebSocket] = websocket;
    // What has been read already is given as the real one is told.
    Object.defineProperty(this, '_binaryType', { get: () => receiver._binaryType });
    // Its own part of the states, while there is a connection to ask for it.
    websocket._extensions[PerMessageDeflate.extensionName]?._takeBack();
    // Until the bytes come, its limits are the engine's.
    receiver.onLimits = (/** @type {any} */ limits) => this._handle.setLimits(limits);
    listeners.attachReceiver(receiver);
    this._handle.change('expose');
    if (this._writableState.errorEmitted) receiver._writableState.errorEmitted = true;
    else if (this._isEnding) receiver.end();
    else if (websocket._socket._handle === this._handle) this._handle.setRaw();
    return receiver;
  }

  end() {
    if (this._isEnding || this._writableState === FAILING) return;
    this._isEnding = true;
    nextTick(() => {
      this._writableState = { ...this._writableState, finished: true };
      this._onEnd?.();
    });
  }
}

/**
 * Tells whether pings are answered as this package does it: nobody has replaced what does.
 *
 * @param {any} websocket The WebSocket
 * @return {boolean} Whether nobody has
 */
function answersAsAlways(websocket) {
  const sender = websocket[kSender];
  // One that is made later has what its class has then.
  const { pong } = sender instanceof EngineConnection ? Sender.prototype : sender;
  return websocket.pong === websocket[kOriginalPong] && pong === senderPong;
}

module.exports = { EngineReceiver, shareOptions };

// @ts-check
'use strict';

// The native transport: the engine decodes the frames of a WebSocket and writes them.

const { kTransport, kWebSocket } = require('../constants');
const { nextTick } = require('../host');
const listeners = require('../listeners');
const PerMessageDeflate = require('../permessage-deflate');
const Receiver = require('../receiver');
const { toInt32 } = require('../validation');
const { answersAsAlways, updateAnswering } = require('./answering');
const BytesTransport = require('./bytes-transport');

/** @typedef {import('../transport').Handlers} Handlers */
/** @typedef {import('../transport').Transport} Transport */

/** @typedef {import('../transport').ReceiverOptions} ReceiverOptions */
/**
 * @typedef {Pick<ReceiverOptions, 'allowSynchronousEvents' | 'maxBufferedChunks' | 'maxFragments' |
 *   'maxPayload' | 'skipUTF8Validation'>} Limits
 */

/** The states of the receiving side, which may be in several: it's about to fail, .. */
const RECEIVING = 0;
const FAILING = 1;
const FAILED = 2;
const ENDING = 4;
const ENDED = 8;

/** The options of the latest receiver: most have the same. @type {Limits} */
let latest = {};

/**
 * Gives the options of a receiver as one object for all that have the same.
 *
 * @param {ReceiverOptions} options The options
 * @return {Limits} Those that don't differ between the connections of a server, the limits as
 *   integers
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
 * A transport whose frames come from the engine.
 *
 * @implements {Transport}
 * @implements {Handlers}
 */
class EngineTransport {
  /**
   * @param {import('../websocket')} websocket The WebSocket
   * @param {ReceiverOptions} options The options of a receiver
   * @param {import('./connection')} connection The connection of the engine
   * @param {import('../sender') | null} sender Its sender, if there is one already
   */
  constructor(websocket, options, connection, sender) {
    this._websocket = websocket;
    this._connection = connection;
    this._options = shareOptions(options);
    this.binaryType = /** @type {string} */ (options.binaryType);
    this.sender = sender;
    this._state = RECEIVING;
    /** @type {(() => void) | null} */
    this._onEnd = null;
  }

  /** @return {'engine' | 'stream'} What carries the connection */
  get name() {
    return 'engine';
  }

  /** @return {import('../transport').Reason | null} Why it isn't the engine: it is */
  get reason() {
    return null;
  }

  /** The socket is read by the engine, whose limits are not those of a receiver. */
  get needsDrain() {
    return false;
  }

  get hasFailed() {
    return (this._state & FAILED) !== 0;
  }

  get hasEnded() {
    return (this._state & (FAILED | ENDED)) !== 0;
  }

  /** @return {import('../sender')} The sender, made here where nothing was sent before */
  needSender() {
    this.sender ??= listeners.createSender(this._websocket, undefined, this._connection);
    return this.sender;
  }

  flush() {
    this._connection.flush();
  }

  flushToCount() {
    this._connection.flushToCount();
  }

  updateAnswering() {
    updateAnswering(this._websocket, this._connection);
  }

  /**
   * Takes bytes that don't come from the engine: where a program emits `'data'` itself.
   *
   * @param {Buffer} chunk The bytes
   * @return {boolean} `false` where the socket is not to be read until the receiver has room
   */
  write(chunk) {
    return this.exposeReceiver().write(chunk);
  }

  receiveLeftovers() {
    this._connection.receiveLeftovers();
  }

  end() {
    const isFailing = (this._state & (FAILING | FAILED)) === FAILING;
    if (isFailing || (this._state & ENDING) !== 0) return;
    this._state |= ENDING;
    nextTick(() => {
      this._state |= ENDED;
      this._onEnd?.();
    });
  }

  /**
   * @param {() => void} listener Called when there is nothing more to report
   */
  onEnd(listener) {
    this._onEnd = listener;
  }

  release() {
    this._onEnd = null;
  }

  /**
   * @param {unknown} data The message
   * @param {boolean} isBinary Whether it's binary
   */
  message(data, isBinary) {
    if ((this._state & FAILED) === 0) this._websocket.emit('message', data, isBinary);
  }

  /**
   * @param {Buffer} data The payload
   * @param {boolean} isAnswered Whether the engine has answered it, while nothing else could
   */
  ping(data, isAnswered) {
    const websocket = this._websocket;
    const isAsAlways = answersAsAlways(websocket);
    if (!isAsAlways) this.updateAnswering();
    if (isAnswered && isAsAlways) websocket.emit('ping', data);
    else listeners.receivePing(websocket, data);
  }

  /**
   * @param {Buffer} data The payload
   */
  pong(data) {
    this._websocket.emit('pong', data);
  }

  /**
   * @param {number} code The close code
   * @param {Buffer} reason The close reason
   */
  conclude(code, reason) {
    try {
      listeners.receiveClose(this._websocket, code, reason);
    } finally {
      this.end();
    }
  }

  /**
   * @param {Error} error Why the connection has to fail
   */
  fail(error) {
    this._state |= FAILING;
    // As a stream does: not while the events before it are handed out, and when it has called back.
    nextTick(() => {
      const transport = this._websocket[kTransport];
      if (transport !== this) transport.fail(error);
      else nextTick(() => this._fail(error));
    });
  }

  /**
   * @param {Error} error Why the connection fails
   * @private
   */
  _fail(error) {
    this._state |= FAILED;
    listeners.receiveFailure(this._websocket, error);
    this._onEnd?.();
  }

  showBytes() {
    this.exposeReceiver();
  }

  /**
   * @param {Receiver} receiver One of the program's
   */
  replaceReceiver(receiver) {
    this.exposeReceiver();
    this._websocket[kTransport].replaceReceiver(receiver);
  }

  /**
   * Makes room for a transport with a real receiver, which gets the bytes from the end of the
   * current message on.
   *
   * @return {Receiver} The receiver
   */
  exposeReceiver() {
    const websocket = this._websocket;
    const connection = this._connection;
    if (websocket[kTransport] !== this) return websocket[kTransport].exposeReceiver();
    const receiver = new Receiver({
      ...this._options,
      binaryType: this.binaryType,
      extensions: websocket._extensions,
      isServer: websocket._isServer
    });
    const transport = new BytesTransport(websocket, receiver, this.sender, connection);
    websocket[kTransport] = connection.handlers = transport;
    receiver[kWebSocket] = websocket;
    // Its own part of the states, while there is a connection to ask for it.
    websocket._extensions[PerMessageDeflate.extensionName]?._takeBack();
    // Until the bytes come, its limits are the engine's.
    receiver.onLimits = (limits) => connection.setLimits(limits);
    listeners.attachReceiver(receiver);
    connection.change('expose');
    if (this.hasFailed) receiver._writableState.errorEmitted = true;
    else if ((this._state & ENDING) !== 0) receiver.end();
    else if (connection.isOf(websocket._socket)) connection.giveBytes();
    return receiver;
  }
}

module.exports = { EngineTransport, shareOptions };

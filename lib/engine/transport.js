// @ts-check
'use strict';

// The native transport: a WebSocket whose frames the engine decodes and writes.
//
// It is chosen where nobody can tell it from the stream transport, and left, at the end of a
// message, when somebody begins to look at the bytes or at the receiver.

const { kReceiver, kSender, kWebSocket } = require('../constants');
const connection = require('../listeners');
const { isOriginal, takeOverLater } = require('./take-over');
const EngineConnection = require('./connection');
const { handOver, isUntouched } = require('./socket');
const PerMessageDeflate = require('../permessage-deflate');
const { CONNECTING, OPEN } = require('../ready-state');
const Receiver = require('../receiver');
const Sender = require('../sender');
const { toInt32 } = require('../validation');

/** What a tracing tool replaces to see messages; then it has to be used. */
const receiverOn = Receiver.prototype.on;
const senderSend = Sender.prototype.send;
const senderPong = Sender.prototype.pong;

/** The state of a receiver that has not ended, the same for all. */
const RECEIVING = Object.freeze({ errorEmitted: false, finished: false, needDrain: false });

/**
 * Receivers that the engine has taken the place of, by role: those of the server's end second. A
 * connection begins with one of them where there is one: from Node.js 24 on V8 keeps each `Writable`
 * until it collects the old generation.
 *
 * @type {any[][]}
 */
const spareReceivers = [[], []];
/** So many are kept of each role: as many as connections are opened in a moment. */
const MAX_SPARE_RECEIVERS = 256;

/** The options of the latest receiver: most have the same. @type {any} */
let latest = {};

/**
 * Gives the options of a receiver as one object for all that have the same.
 *
 * @param {any} options The options
 * @return {any} Those that don't differ between the connections of a server, the limits as integers
 */
function share(options) {
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
    this._options = share(options);
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
    if (!this._writableState.errorEmitted) this[kWebSocket].emit('message', data, isBinary);
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
    else connection.onPing.call(this, data);
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
    connection.onPong.call(this, data);
  }

  /**
   * @param {number} code The close code
   * @param {Buffer} reason The close reason
   */
  conclude(code, reason) {
    try {
      connection.onConclude.call(this, code, reason);
    } finally {
      this.end();
    }
  }

  /**
   * @param {Error} error Why the connection has to fail
   */
  fail(error) {
    // As a stream does: not while the events before it are handed out.
    process.nextTick(() => {
      this._writableState = { ...this._writableState, errorEmitted: true };
      connection.onReceiverError.call(this, error);
    });
  }

  /**
   * @param {string} event `'finish'`, or `'error'`, which nobody has to wait for
   * @param {(this: any) => void} listener Called when it has ended
   */
  on(event, listener) {
    if (event === 'finish') this._onEnd = listener.bind(this);
  }

  /**
   * Hands out what had arrived when the socket was closed.
   */
  receiveLeftovers() {
    this._handle.receiveLeftovers();
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
    // Its own part of the states, while there is a connection to ask for it.
    websocket._extensions[PerMessageDeflate.extensionName]?._takeBack();
    // Until the bytes come, its limits are the engine's.
    receiver.onLimits = (/** @type {any} */ limits) => this._handle.setLimits(limits);
    connection.attachReceiver(receiver);
    if (this._writableState.errorEmitted) receiver._writableState.errorEmitted = true;
    else if (this._isEnding) receiver.end();
    else if (websocket._socket._handle === this._handle) this._handle.setRaw();
    return receiver;
  }

  end() {
    if (this._isEnding) return;
    this._isEnding = true;
    process.nextTick(() => {
      this._writableState = { ...this._writableState, finished: true };
      this._onEnd?.();
    });
  }
}

/** The `pong()` of a `WebSocket` that nobody has replaced. */
EngineReceiver.pong = /** @type {any} */ (null);

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
  return websocket.pong === EngineReceiver.pong && pong === senderPong;
}

/**
 * Tells whether a connection is such that the engine can carry it.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options The options of the receiver
 * @param {unknown} generateMask The user's function for masking keys
 * @return {boolean} Whether it can
 */
function isPossible(websocket, options, generateMask) {
  return (
    options.allowSynchronousEvents !== false &&
    !generateMask &&
    hasKnownExtensions(websocket) &&
    Receiver.prototype.on === receiverOn &&
    Sender.prototype.send === senderSend
  );
}

/**
 * @param {any} websocket The WebSocket
 * @return {boolean} Whether it has no extension but permessage-deflate as it was made
 */
function hasKnownExtensions(websocket) {
  const names = Object.keys(websocket._extensions);
  if (names.length === 0) return true;
  const perMessageDeflate = websocket._extensions[PerMessageDeflate.extensionName];
  return names.length === 1 && perMessageDeflate !== undefined && isOriginal(perMessageDeflate);
}

/**
 * Has the engine carry a connection.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options The options of the receiver
 * @param {unknown} generateMask The user's function for masking keys
 * @return {boolean} `false` where the stream transport has to; nothing has happened then
 */
function attachEngine(websocket, options, generateMask) {
  if (!isPossible(websocket, options, generateMask)) return false;
  const socket = websocket._socket;
  const isCompressed = websocket._extensions[PerMessageDeflate.extensionName] !== undefined;
  const limits = share(options);
  const onData = connection.onSocketData;
  const handle = handOver(socket, options.isServer, limits, onData, isCompressed);
  if (handle === null) return false;
  websocket[kSender] = handle;
  if (isCompressed) attachYoung(websocket, options, handle);
  else attachFrames(websocket, options, handle);
  return true;
}

/**
 * Has the engine decode the frames of a connection.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options The options of the receiver
 * @param {any} handle The connection of the engine
 */
function attachFrames(websocket, options, handle) {
  const receiver = new EngineReceiver(websocket, options, handle);
  websocket[kReceiver] = receiver;
  handle.handlers = receiver;
  receiver.updateAnswering();
}

/**
 * Gives a connection whose messages are compressed a real receiver, until the engine takes its place.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options The options of the receiver
 * @param {any} handle The connection of the engine
 */
function attachYoung(websocket, options, handle) {
  const receiver = takeReceiver(options);
  websocket[kReceiver] = receiver;
  receiver[kWebSocket] = websocket;
  takeOverLater(websocket, handle, () => takeOver(websocket, options, handle, receiver));
}

/**
 * @param {any} options The options of the receiver
 * @return {any} A receiver whose events are those of its WebSocket: a spare one, if there is one
 */
function takeReceiver(options) {
  // An emitter belongs to the domain in which it is made.
  const spare = process.domain ? undefined : spareReceivers[+options.isServer].pop();
  if (spare !== undefined) {
    spare._reuse(options);
    return spare;
  }
  const receiver = new Receiver(options);
  connection.attachReceiver(receiver);
  return receiver;
}

/**
 * Keeps a receiver for another connection.
 *
 * @param {any} receiver One that is idle, and that nobody has asked for
 * @param {boolean} isServer Its role
 */
function keepReceiver(receiver, isServer) {
  const spares = spareReceivers[+isServer];
  if (spares.length === MAX_SPARE_RECEIVERS || receiver.domain) return;
  // What `Writable` still has to tell belongs to the connection before.
  if (receiver._writableState.pendingcb > 0) return;
  receiver._release();
  spares.push(receiver);
}

/**
 * Has the engine take over from a real receiver, and inflate and deflate.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options The options of the receiver
 * @param {any} handle The connection of the engine
 * @param {any} receiver The receiver
 * @return {boolean | null} Whether it did; `null` where it never can
 */
function takeOver(websocket, options, handle, receiver) {
  const { _extensions: extensions, [kSender]: sender, _socket: socket } = websocket;
  const perMessageDeflate = extensions[PerMessageDeflate.extensionName];
  if (websocket[kReceiver] !== receiver || receiver._isExposed || socket._handle !== handle) {
    return null;
  }
  if (!isPossible(websocket, options, undefined)) return null;
  if (!isUntouched(socket, connection.onSocketData)) return null;
  const isSilent = sender === handle || sender._isIdle;
  const isCalm = isSilent && receiver._isIdle && socket._readableState.length === 0;
  if (!isCalm || websocket.isPaused) return false;
  try {
    if (!perMessageDeflate._giveTo(handle)) return false;
  } catch {
    // What is wrong with the options is told with the first message.
    return null;
  }
  attachFrames(websocket, { ...options, binaryType: websocket.binaryType }, handle);
  handle.beginToCompress();
  keepReceiver(receiver, options.isServer);
  return true;
}

module.exports = { attachEngine, EngineReceiver };

// @ts-check
'use strict';

// Which connections the engine carries, and since when.
//
// It does so where no program can tell it from the stream transport, and until one begins to look
// at the bytes or at the receiver.

const { Writable } = require('node:stream');

const { kOriginalSend, kTransport, kWebSocket } = require('../constants');
const listeners = require('../listeners');
const PerMessageDeflate = require('../permessage-deflate');
const Receiver = require('../receiver');
const Sender = require('../sender');
const BytesTransport = require('./bytes-transport');
const { decline } = require('./reason');
const { handOverSecure, leaveSecure, takeSecure } = require('./secure');
const { beginReading, handOver, isUntouched } = require('./socket');
const { isOriginal, takeOverLater } = require('./take-over');
const { EngineTransport, shareOptions } = require('./transport');
const { toInt32 } = require('../validation');

/** What libuv reads at once, at most. */
const CHUNK_LENGTH = 64 * 1024;
/** The longest message where there is no limit: a `Buffer` may be as long. */
const MAX_LENGTH = 2 ** 32;

/** @typedef {import('../transport').ReceiverOptions} ReceiverOptions */

/** What tools for tracing replace to see messages, when a file is loaded or later. */
const RECEIVER_METHODS = /** @type {const} */ (['addListener', 'emit', 'on']);
const senderSend = Reflect.get(Sender, kOriginalSend);

/**
 * Receivers that the engine has taken the place of, by role: those of the server's end second. A
 * connection begins with one of them where there is one: from Node.js 24 on V8 keeps each
 * `Writable` until it collects the old generation.
 *
 * @type {Receiver[][]}
 */
const spareReceivers = [[], []];
/** How many are kept of each role: as many as connections are opened in a moment. */
const MAX_SPARE_RECEIVERS = 256;

/**
 * Tells whether a connection is such that the engine can carry it.
 *
 * @param {import('../websocket')} websocket The WebSocket
 * @param {ReceiverOptions} options The options of the receiver
 * @param {import('../transport').GenerateMask | undefined} generateMask The program's function for
 *   masking keys
 * @return {boolean} Whether it can
 */
function isPossible(websocket, options, generateMask) {
  return (
    options.allowSynchronousEvents !== false &&
    !generateMask &&
    !mayExceedChunks(options) &&
    hasKnownExtensions(websocket) &&
    RECEIVER_METHODS.every((name) => Receiver.prototype[name] === Writable.prototype[name]) &&
    Sender.prototype.send === senderSend
  );
}

/**
 * Tells whether a message that isn't too long may come in more chunks than may be buffered. The
 * engine reads as much as there is, so it wouldn't count the chunks that libuv reads.
 *
 * @param {ReceiverOptions} options The options of the receiver
 * @return {boolean} Whether one may
 */
function mayExceedChunks({ maxBufferedChunks, maxPayload }) {
  const most = toInt32(maxBufferedChunks);
  const length = toInt32(maxPayload) > 0 ? toInt32(maxPayload) : MAX_LENGTH;
  // One more for what precedes the payload, and one for the end of another message.
  return most > 0 && most < Math.ceil(length / CHUNK_LENGTH) + 2;
}

/**
 * @param {import('../websocket')} websocket The WebSocket
 * @return {boolean} Whether it has no extension but permessage-deflate as it was made
 */
function hasKnownExtensions(websocket) {
  const names = Object.keys(websocket._extensions);
  if (names.length === 0) return true;
  const perMessageDeflate = websocket._extensions[PerMessageDeflate.extensionName];
  return names.length === 1 && perMessageDeflate !== undefined && isOriginal(perMessageDeflate);
}

/**
 * Moves a connection to the engine.
 *
 * @param {import('../websocket')} websocket The WebSocket
 * @param {ReceiverOptions} options The options of the receiver
 * @param {import('../transport').GenerateMask | undefined} generateMask The program's function for
 *   masking keys
 * @return {import('../transport').Transport | null} The transport; `null` where the stream
 *   transport has to carry it, and nothing has happened
 */
function attachEngine(websocket, options, generateMask) {
  const socket = /** @type {import('../transport').NetSocket} */ (websocket._socket);
  if (!isPossible(websocket, options, generateMask)) {
    leaveSecure(socket);
    return decline(socket, 'options');
  }
  const isCompressed = websocket._extensions[PerMessageDeflate.extensionName] !== undefined;
  const limits = shareOptions(options);
  const onData = listeners.onSocketData;
  const take = 'encrypted' in socket ? takeSecure : handOver;
  const connection = take(socket, !!options.isServer, isCompressed);
  if (connection === null) return null;
  beginReading(socket, connection, limits, onData);
  if (!isCompressed) return attachFrames(websocket, options, connection, null);

  const receiver = takeReceiver(options);
  receiver[kWebSocket] = websocket;
  const transport = new BytesTransport(websocket, receiver, null, connection);
  connection.handlers = transport;
  takeOverLater(websocket, connection, () => takeOver(transport, options));
  return transport;
}

/**
 * Moves the bytes of a connection over TLS to the engine, if it's going to carry the connection.
 * That has to be before the response is written: Node's TLS has it under way for a turn of the
 * event loop.
 *
 * @param {import('../websocket')} websocket The WebSocket of a server, whose extensions are agreed
 * @param {import('../transport').NetSocket} socket Its socket
 * @param {ReceiverOptions} options The options of the receiver
 */
function attachSecure(websocket, socket, options) {
  if (!socket.encrypted || !isPossible(websocket, options, undefined)) return;
  handOverSecure(socket, true, PerMessageDeflate.extensionName in websocket._extensions);
}

/**
 * Makes the engine decode the frames of a connection.
 *
 * @param {import('../websocket')} websocket The WebSocket
 * @param {ReceiverOptions} options The options of the receiver
 * @param {import('./connection')} connection The connection of the engine
 * @param {Sender | null} sender The sender, if there is one already
 * @return {EngineTransport} The transport
 */
function attachFrames(websocket, options, connection, sender) {
  const transport = new EngineTransport(websocket, options, connection, sender);
  websocket[kTransport] = connection.handlers = transport;
  transport.updateAnswering();
  return transport;
}

/**
 * @param {ReceiverOptions} options The options of the receiver
 * @return {Receiver} A receiver whose events are those of its WebSocket: a spare one, if there is
 *   one
 */
function takeReceiver(options) {
  // An emitter belongs to the domain in which it is made.
  const hasDomain = !!Reflect.get(process, 'domain');
  const spare = hasDomain ? undefined : spareReceivers[Number(!!options.isServer)].pop();
  if (spare !== undefined) {
    spare._reuse(options);
    return spare;
  }
  const receiver = new Receiver(options);
  listeners.attachReceiver(receiver);
  return receiver;
}

/**
 * Keeps a receiver for another connection.
 *
 * @param {Receiver} receiver One that is idle, and that no program has asked for
 * @param {boolean} isServer Its role
 */
function keepReceiver(receiver, isServer) {
  const spares = spareReceivers[Number(isServer)];
  if (spares.length === MAX_SPARE_RECEIVERS || Reflect.get(receiver, 'domain')) return;
  // What `Writable` still has to tell belongs to the connection before.
  if (receiver._writableState.pendingcb > 0) return;
  receiver._release();
  spares.push(receiver);
}

/** What is busy where the engine itself is. */
const ENGINE = Object.freeze({ party: null, works: true });

/**
 * Lets the engine take over from a real receiver, and inflate and deflate.
 *
 * @param {BytesTransport} transport The transport with the receiver
 * @param {ReceiverOptions} options The options of the receiver
 * @return {import('./take-over').Busy | null} `null` if it did, or never can; or what is busy
 */
function takeOver(transport, options) {
  const { _connection: connection, _receiver: receiver, _websocket: websocket } = transport;
  const { sender } = transport;
  const { _extensions: extensions } = websocket;
  const socket = /** @type {import('../transport').NetSocket} */ (websocket._socket);
  const perMessageDeflate = extensions[PerMessageDeflate.extensionName];
  if (socket._handle !== connection || !isPossible(websocket, options, undefined)) return null;
  if (!isUntouched(socket, listeners.onSocketData)) return null;
  if (websocket.isPaused || socket._readableState.length > 0 || !receiver._isIdle) {
    return { party: receiver, works: !websocket.isPaused && receiver._isWorking };
  }
  if (sender !== null && !sender._isIdle) return { party: sender, works: true };
  try {
    const busy = perMessageDeflate._busyContext();
    if (busy !== null) return { party: busy, works: true };
    if (!perMessageDeflate._giveTo(connection)) return ENGINE;
  } catch {
    // What is wrong with the options is reported with the first message.
    return null;
  }
  attachFrames(websocket, { ...options, binaryType: websocket.binaryType }, connection, sender);
  keepReceiver(receiver, !!options.isServer);
  return null;
}

module.exports = { attachEngine, attachSecure };

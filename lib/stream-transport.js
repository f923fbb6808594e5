// @ts-check
'use strict';

// The stream transport: a receiver takes the bytes of a socket of Node.js or any other `Duplex`, a
// sender writes frames to it.

const { kWebSocket } = require('./constants');
const { reasonOf } = require('./engine/reason');
const listeners = require('./listeners');
const Receiver = require('./receiver');

/** @typedef {import('./transport').Transport} Transport */

/**
 * A transport with a real receiver, whose events are those of its WebSocket.
 *
 * @implements {Transport}
 */
class StreamTransport {
  /**
   * @param {import('./websocket')} websocket The WebSocket
   * @param {Receiver} receiver Its receiver
   * @param {import('./sender') | null} sender Its sender, if there is one already
   * @param {import('./transport').Frames} [frames] What collects the frames of the sender, if not
   *   the queue that the sender has
   */
  constructor(websocket, receiver, sender, frames) {
    this._websocket = websocket;
    this._receiver = receiver;
    this.sender = sender;
    const queue = frames ?? sender?._frames;
    this._frames = /** @type {import('./transport').Frames} */ (queue);
  }

  /** @return {'engine' | 'stream'} What carries the connection */
  get name() {
    return 'stream';
  }

  /** @return {import('./transport').Reason | null} Why it isn't the engine */
  get reason() {
    return reasonOf(this._websocket._socket);
  }

  /** @return {Receiver} The receiver, which has the bytes already */
  exposeReceiver() {
    return this._receiver;
  }

  /**
   * @param {Receiver} receiver One of the program's
   */
  replaceReceiver(receiver) {
    this._receiver = receiver;
  }

  /** @return {import('./sender')} The sender, made here where nothing was sent before */
  needSender() {
    this.sender ??= listeners.createSender(this._websocket, undefined, this._frames);
    return this.sender;
  }

  get binaryType() {
    return this._receiver._binaryType;
  }

  set binaryType(type) {
    this._receiver._binaryType = type;
  }

  get needsDrain() {
    return this._receiver._writableState.needDrain;
  }

  get hasFailed() {
    return this._receiver._writableState.errorEmitted;
  }

  get hasEnded() {
    const { errorEmitted, finished } = this._receiver._writableState;
    return finished || errorEmitted;
  }

  flush() {
    this._frames.flush();
  }

  flushToCount() {
    this._frames.flush();
  }

  /** Nothing answers pings but the listener of the receiver. */
  updateAnswering() {}

  /**
   * @param {Buffer} chunk Bytes of the socket
   * @return {boolean} `false` where the socket is not to be read until the receiver has room
   */
  write(chunk) {
    return this._receiver.write(chunk);
  }

  /** What had arrived is in the socket. */
  receiveLeftovers() {}

  end() {
    // To end what is finished has no effect but an error, made and thrown away: a fifth of what a
    // short connection costs (`npm run bench -- --case connect`).
    if (!this._receiver.writableFinished) this._receiver.end();
  }

  /**
   * @param {() => void} listener Called when the receiver has nothing more to report
   */
  onEnd(listener) {
    this._receiver.on('error', listener);
    this._receiver.on('finish', listener);
  }

  /**
   * @param {Error} error Why the connection has to fail
   */
  fail(error) {
    this._receiver.destroy(error);
  }

  release() {
    this._receiver.removeAllListeners();
  }
}

/**
 * Lets a socket, or any other `Duplex`, carry a connection.
 *
 * @param {import('./websocket')} websocket The WebSocket
 * @param {import('./transport').ReceiverOptions} options The options of the receiver
 * @param {((key: Buffer) => void) | undefined} generateMask Fills a masking key
 * @return {StreamTransport} The transport
 */
function attachStream(websocket, options, generateMask) {
  const receiver = new Receiver(options);
  const sender = listeners.createSender(websocket, generateMask);

  receiver[kWebSocket] = websocket;
  listeners.attachReceiver(receiver);
  websocket._socket.on('data', listeners.onSocketData);
  return new StreamTransport(websocket, receiver, sender);
}

module.exports = { attachStream, StreamTransport };

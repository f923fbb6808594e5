// @ts-check
'use strict';

// The stream transport on a socket of the engine: for a connection that the engine takes over
// later, and for one that a program has begun to look at.

const { nextTick } = require('../host');
const { StreamTransport } = require('../stream-transport');
const { answersAsAlways, updateAnswering } = require('./answering');
const { mayBeTaken } = require('./mode');

/** @typedef {import('../receiver')} Receiver */
/** @typedef {import('../transport').Handlers} Handlers */

/**
 * A transport whose bytes come from the engine, which also writes the frames. What the engine still
 * decodes, up to the end of a message, goes to the receiver as if that had decoded it.
 *
 * @implements {Handlers}
 */
class BytesTransport extends StreamTransport {
  /**
   * @param {import('../websocket')} websocket The WebSocket
   * @param {Receiver} receiver Its receiver
   * @param {import('../sender') | null} sender Its sender, if there is one already
   * @param {import('./connection')} connection The connection of the engine
   */
  constructor(websocket, receiver, sender, connection) {
    super(websocket, receiver, sender, connection);
    this._connection = connection;
  }

  /** @return {import('../transport').Reason | null} Why the engine doesn't decode */
  get reason() {
    return mayBeTaken(this._connection.mode) ? 'compression' : 'bytes';
  }

  /** @return {Receiver} The receiver, which stays: a program may do anything with it */
  exposeReceiver() {
    this._connection.change('expose');
    return this._receiver;
  }

  /**
   * @param {Receiver} receiver One of the program's
   */
  replaceReceiver(receiver) {
    this._connection.change('expose');
    super.replaceReceiver(receiver);
  }

  updateAnswering() {
    updateAnswering(this._websocket, this._connection);
  }

  receiveLeftovers() {
    this._connection.receiveLeftovers();
  }

  /** There is nothing to do: the socket gets the bytes, or does so after the current message. */
  showBytes() {}

  /**
   * @param {unknown} data The message
   * @param {boolean} isBinary Whether it's binary
   */
  message(data, isBinary) {
    this._receiver.emit('message', data, isBinary);
  }

  /**
   * @param {Buffer} data The payload
   * @param {boolean} isAnswered Whether the engine has answered it
   */
  ping(data, isAnswered) {
    const websocket = this._websocket;
    if (isAnswered && answersAsAlways(websocket)) websocket.emit('ping', data);
    else this._receiver.emit('ping', data);
  }

  /**
   * @param {Buffer} data The payload
   */
  pong(data) {
    this._receiver.emit('pong', data);
  }

  /**
   * @param {number} code The close code
   * @param {Buffer} reason The close reason
   */
  conclude(code, reason) {
    this._receiver._conclude(code, reason);
  }

  /**
   * @param {Error} error Why the connection has to fail
   */
  fail(error) {
    // Not while the events before it are handed out.
    nextTick(() => this._receiver.destroy(error));
  }
}

module.exports = BytesTransport;

// @ts-check
'use strict';

// What a socket of the engine has for a handle, where another has libuv's.

const { AsyncResource } = require('node:async_hooks');
const { networkInterfaces } = require('node:os');

const { callWhenClosing } = require('../phases');
const native = require('../../native');
const { givesBytes, modeAfter } = require('../mode');

/** @typedef {{address?: string, family?: string, port?: number}} Address */

/**
 * The handle of a socket of the engine.
 */
class EngineHandle {
  /**
   * @param {import('../index').Engine} engine The engine
   * @param {number} id The number of the connection there
   * @param {import('../../transport').NetSocket} socket The socket
   * @param {import('../mode').Mode} mode What the engine gives
   */
  constructor(engine, id, socket, mode) {
    /** What the engine gives; changed by `change()` only. */
    this.mode = mode;
    /** The asynchronous context of its events: that of the hand-over first. */
    this.context = new AsyncResource('OXWSCONNECTION');
    this._hasOwnContext = false;
    /** Called when it has. @type {(() => void) | null} */
    this._onContext = null;
    this._engine = engine;
    this._id = id;
    this._socket = socket;
    /** Part of the interface of a handle: */
    this.fd = native.descriptor(engine.native, id);
    this.reading = true;
    this._isReferenced = true;
    this._isClosed = false;
    /** What the socket had read and written before. */
    this.priorBytesRead = 0;
    this.priorBytesWritten = 0;
    /** Whether it can be reset: a Unix socket can't. */
    this.isResettable = true;
    /** Whether the close is to be a reset. */
    this.resets = false;

    engine.add(id, /** @type {import('./index')} */ (/** @type {unknown} */ (this)));
    engine.reference(1);
  }

  /**
   * @param {import('../../transport').Socket} socket A socket
   * @return {boolean} Whether it is the connection's, and not closed
   */
  isOf(socket) {
    return /** @type {unknown} */ (Reflect.get(socket, '_handle')) === this;
  }

  /**
   * @param {number} id A number
   * @return {boolean} Whether it's the connection's
   */
  isNumber(id) {
    return this._id === id;
  }

  /** Whether it's closed. */
  get isClosed() {
    return this._isClosed;
  }

  /** Whether the socket gets the bytes of the connection, not its frames. */
  get givesBytes() {
    return givesBytes(this.mode);
  }

  /**
   * Changes the mode. A connection is not read while it is held.
   *
   * @param {import('../mode').Change} change What happens
   * @return {boolean} Whether that changes anything
   */
  change(change) {
    const mode = modeAfter(this.mode, change);
    if (mode === undefined) return false;
    const wasHeld = this.mode === 'held';
    this.mode = mode;
    if (this._isClosed || wasHeld === (mode === 'held')) return true;
    this._setPaused(!wasHeld || !this.reading);
    if (wasHeld) this._engine.wake();
    return true;
  }

  /**
   * Hands over what waits for the end of the tick.
   */
  flush() {
    this._engine.outbox.flush(true);
  }

  /** Bytes received. */
  get bytesRead() {
    if (this._isClosed) return this.priorBytesRead;
    return this.priorBytesRead + native.counters(this._engine.native, this._id)[0];
  }

  /** Bytes sent, those that wait included. */
  get bytesWritten() {
    if (this._isClosed) return this.priorBytesWritten;
    this.flush();
    const [, written, pending] = native.counters(this._engine.native, this._id);
    return this.priorBytesWritten + written + pending;
  }

  /** @return {number} 0, for no error */
  readStart() {
    if (!this._isClosed) {
      this._setPaused(false);
      this._engine.wake();
    }
    return 0;
  }

  /** @return {number} 0, for no error */
  readStop() {
    if (!this._isClosed) this._setPaused(true);
    return 0;
  }

  /**
   * @param {boolean} isPaused Whether nothing is read
   * @protected
   */
  _setPaused(isPaused) {
    // A socket that gets the bytes has what was read ahead itself.
    const ahead = this.givesBytes ? 0 : this._socket.readableHighWaterMark;
    native.setPaused(this._engine.native, this._id, isPaused, ahead);
  }

  ref() {
    if (this._isReferenced || this._isClosed) return;
    this._isReferenced = true;
    this._engine.reference(1);
  }

  unref() {
    if (!this._isReferenced || this._isClosed) return;
    this._isReferenced = false;
    this._engine.reference(-1);
  }

  /** @return {boolean} Whether the connection keeps the event loop alive */
  hasRef() {
    return this._isReferenced && !this._isClosed;
  }

  /**
   * @param {boolean} noDelay Whether small segments are sent at once
   * @return {number} 0, for no error
   */
  setNoDelay(noDelay) {
    if (!this._isClosed) native.setNoDelay(this._engine.native, this._id, noDelay);
    return 0;
  }

  /**
   * @param {boolean} enable Whether an idle connection is probed
   * @param {number} delay After how many seconds
   * @return {number} 0, for no error
   */
  setKeepAlive(enable, delay) {
    if (!this._isClosed) {
      native.setKeepAlive(this._engine.native, this._id, enable ? delay : undefined);
    }
    return 0;
  }

  /**
   * Tells the address of this end.
   *
   * @param {Address} target What gets it
   * @return {number} 0, or an error
   */
  getsockname(target) {
    return this._tellAddress(false, target);
  }

  /**
   * Tells the address of the peer.
   *
   * @param {Address} target What gets it
   * @return {number} 0, or an error
   */
  getpeername(target) {
    return this._tellAddress(true, target);
  }

  /**
   * @param {boolean} isPeer Whether it's the address of the peer
   * @param {Address} target What gets it
   * @return {number} 0, or an error
   * @private
   */
  _tellAddress(isPeer, target) {
    const found = native.addressOf(this._engine.native, this._id, isPeer);
    if (!found) return -1;
    target.address = found.scope === 0 ? found.address : withInterface(found);
    target.family = found.isV6 ? 'IPv6' : 'IPv4';
    target.port = found.port;
    return 0;
  }

  /**
   * What Node sets after a close; before one it's about to pass the handle to another process,
   * where it takes every handle for one of libuv's, and crashes.
   *
   * @param {unknown} _listener What would get the bytes
   */
  set onread(_listener) {
    if (this._isClosed) return;
    throw new Error('The socket of a WebSocket cannot be sent to another process');
  }

  /** @return {number} The identity of the socket for `async_hooks` */
  getAsyncId() {
    return this.context.asyncId();
  }

  /**
   * From now on events run in the context in which this is called. To be called by libuv's handle
   * when that is closed, so in the context in which its events ran.
   */
  keepContext() {
    this.context = new AsyncResource('OXWSCONNECTION');
    this._hasOwnContext = true;
    this._onContext?.();
  }

  /**
   * Closes the connection.
   *
   * @param {(() => void)} [callback] Called when it's closed
   */
  close(callback) {
    this._close(this.resets, callback);
  }

  /**
   * Closes the connection with a reset.
   *
   * @param {(() => void)} [callback] Called when it's closed
   * @return {number} 0, for no error
   */
  reset(callback) {
    this._close(true, callback);
    return 0;
  }

  /**
   * @param {boolean} reset Whether the peer gets a reset
   * @param {(() => void) | undefined} callback Called when it's closed
   * @protected
   */
  _close(reset, callback) {
    if (!this._isClosed) {
      this.flush();
      const [read, written, pending] = native.counters(this._engine.native, this._id);
      this.priorBytesRead += read;
      this.priorBytesWritten += written + pending;
      this.unref();
      this._isClosed = true;
      native.closeConnection(this._engine.native, this._id, reset);
      this._engine.remove(this._id);
    }
    if (callback) this._callLater(callback);
  }

  /**
   * @param {() => void} callback Called when libuv's handles are, in the context of the events
   * @private
   */
  _callLater(callback) {
    callWhenClosing(() => {
      const run = () => this.context.runInAsyncScope(callback);
      // Otherwise libuv's handle is about to be closed.
      if (this._hasOwnContext) run();
      else this._onContext = run;
    });
  }
}

/**
 * Puts the name of the interface after an address that only means something there.
 *
 * @param {{address: string, scope: number}} found The address
 * @return {string} Both
 */
function withInterface({ address, scope }) {
  const interfaces = Object.entries(networkInterfaces());
  /** @param {import('node:os').NetworkInterfaceInfo} each */
  const isIt = ({ scopeid }) => scopeid === scope;
  const [name = scope] = interfaces.find(([, addresses]) => addresses?.some(isIt)) ?? [];
  return `${address}%${name}`;
}

module.exports = EngineHandle;

// @ts-check
'use strict';

// One connection of the engine. It stands where three things of the stream transport stand: it is
// the `_handle` of the socket, the frame queue of the sender, and what the receiver is asked for.

const { AsyncResource } = require('node:async_hooks');
const { networkInterfaces } = require('node:os');
const { getSystemErrorName } = require('node:util');

const { toArrayBuffer } = require('./buffer-util');
const { BINARY_TYPES, EMPTY_BUFFER } = require('./constants');
const { MAX_COPY_LENGTH, RAW } = require('./engine');
const { createProtocolError } = require('./errors');
const native = require('./native');
const { isCallable, setApart } = require('./send-callback');

const {
  RECORD_BINARY,
  RECORD_CLOSE,
  RECORD_END,
  RECORD_ERROR,
  RECORD_FAILED,
  RECORD_PING,
  RECORD_PONG,
  RECORD_RAW,
  RECORD_SHUT_DOWN,
  RECORD_TEXT,
  RECORD_WAITING,
  RECORD_WRITTEN
} = native;

/** An empty list for all connections: an idle one needs none of its own. @type {any[]} */
const NONE = [];
Object.freeze(NONE);

/**
 * What a socket is told to write while bytes wait in the engine: nothing, but as many bytes.
 */
const backlogPrototype = Object.create(Buffer.prototype);

/**
 * @param {number} length How many bytes wait
 * @return {any} A stand-in of that length
 */
function createBacklog(length) {
  return Object.create(backlogPrototype, { length: { value: length } });
}

/**
 * @param {any} chunk Something to write
 * @return {boolean} Whether it's such a stand-in
 */
function isBacklog(chunk) {
  return Object.getPrototypeOf(chunk) === backlogPrototype;
}

/**
 * One connection of the engine. Its events run in the asynchronous context in which it was made,
 * as those of a socket do.
 */
class EngineConnection extends AsyncResource {
  /**
   * @param {any} engine The engine
   * @param {number} id Its number there
   * @param {any} socket The socket
   */
  constructor(engine, id, socket) {
    super('OXWSCONNECTION');
    this._engine = engine;
    this._id = id;
    this._socket = socket;
    /** What frames are given to; set once the connection carries a WebSocket. @type {any} */
    this.handlers = null;
    /** Part of the interface of a handle: */
    this.fd = native.descriptor(engine.native, id);
    this.reading = true;
    /** Whether the socket gets bytes, not frames. */
    this.isRaw = false;
    this._isReferenced = true;
    this._isClosed = false;
    /** The batch in which the limits were set. */
    this._limitsBatch = -1;
    /** Whether a longer message than before is allowed since then. */
    this.limitsRaised = false;
    this._maxPayload = 0;
    /** What the socket had read and written before. */
    this.priorBytesRead = 0;
    this.priorBytesWritten = 0;
    /** Whether the close is to be a reset. */
    this.resets = false;

    /** Whether bytes wait in the engine. */
    this._isBacklogged = false;
    /** Bytes that were sent, and those of them that are in the engine already. */
    this._sentBytes = 0;
    this._handedBytes = 0;
    /** Those that the kernel had when the connection was closed. */
    this._writtenBytes = 0;
    /** @type {{end: number, callback: (error?: Error | null) => void}[]} */
    this._callbacks = NONE;
    this._isExpecting = false;
    /** @type {((error?: Error | null) => void) | null} Of a write of the socket. */
    this._onDrained = null;
    /** @type {((error?: Error | null) => void) | null} Of the shutdown. */
    this._shutdown = null;
    /** @type {{kind: number, detail: number, payload: Buffer, place: number}[]} */
    this._leftovers = NONE;

    engine.add(id, this);
    engine.reference(1);
  }

  /**
   * Sets the limits.
   *
   * @param {any} options As for a receiver; 0 or less for no limit
   */
  setLimits({ maxBufferedChunks, maxFragments, maxPayload, skipUTF8Validation }) {
    if (this._isClosed) return;
    const limit = Math.max(maxPayload | 0, 0);
    const wasRaised = this._limitsBatch === this._engine.batch && this.limitsRaised;
    this.limitsRaised = wasRaised || limit === 0 || limit > this._maxPayload;
    this._limitsBatch = this._engine.batch;
    this._maxPayload = limit;
    native.setLimits(
      this._engine.native,
      this._id,
      limit,
      Math.max(maxFragments | 0, 0),
      Math.max(maxBufferedChunks | 0, 0),
      !!skipUTF8Validation
    );
  }

  /**
   * Takes what was read before the engine had the socket.
   *
   * @param {Buffer} bytes The bytes
   */
  feed(bytes) {
    native.feed(this._engine.native, this._id, bytes);
    this._engine.wakeFed(this._id);
  }

  /**
   * From the end of the current message on the socket gets the bytes as they come.
   */
  setRaw() {
    native.setRaw(this._engine.native, this._id, true);
  }

  // What a sender asks of its frame queue.

  /**
   * Tells whether a frame can be appended: it's short enough to be copied, and the socket holds
   * nothing back that was written before.
   *
   * @param {number} length Bytes of its payload
   * @return {boolean} Whether `append` takes it
   */
  fits(length) {
    const { corked, ending, length: waiting } = this._socket._writableState;
    return length <= MAX_COPY_LENGTH && waiting === 0 && corked === 0 && !ending && !this._isClosed;
  }

  /**
   * Adds a frame whose payload is copied.
   *
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes
   * @param {number} first The first byte of the header
   * @param {boolean} mask Whether it's masked
   * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
   */
  append(data, length, first, mask, callback) {
    this._noteActivity();
    this._sentBytes += this._engine.append(this._id, data, length, first, mask);
    if (callback) this._expect(callback);
  }

  /**
   * Adds a finished frame.
   *
   * @param {(Buffer | string)[]} list Its parts, one or two
   * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
   */
  write(list, callback) {
    const parts = list.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (this.fits(length) && isCallable(callback)) {
      for (const part of parts) this.append(part, part.length, RAW, false, undefined);
    } else if (!this.fits(0) || !isCallable(callback)) {
      // Behind what the socket holds back. It says by itself what is wrong with it, or with a
      // callback that is none.
      this._socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts), setApart(callback));
      return;
    } else {
      this._writeNow(parts[0], parts[1]);
    }
    if (callback) this._expect(callback);
  }

  /**
   * Hands over what waits for the end of the tick.
   */
  flush() {
    this._engine.flush(true);
    if (!this._isBacklogged && !this._isClosed && this._engine.hasUntoldBacklog(this._id)) {
      this.becomeBacklogged();
    }
  }

  // What a socket asks of its handle.

  /** Bytes received. */
  get bytesRead() {
    if (this._isClosed) return this.priorBytesRead;
    return this.priorBytesRead + native.counters(this._engine.native, this._id)[0];
  }

  /** Bytes sent, those that wait included. */
  get bytesWritten() {
    if (this._isClosed) return this.priorBytesWritten;
    this._engine.flush(true);
    const [, written, pending] = native.counters(this._engine.native, this._id);
    return this.priorBytesWritten + written + pending;
  }

  /** @return {number} 0, for no error */
  readStart() {
    if (!this._isClosed) {
      native.setPaused(this._engine.native, this._id, false);
      this._engine.wake();
    }
    return 0;
  }

  /** @return {number} 0, for no error */
  readStop() {
    if (!this._isClosed) native.setPaused(this._engine.native, this._id, true);
    return 0;
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
   * @param {any} target What gets it
   * @return {number} 0, or an error
   */
  getsockname(target) {
    return this._tellAddress(false, target);
  }

  /**
   * Tells the address of the peer.
   *
   * @param {any} target What gets it
   * @return {number} 0, or an error
   */
  getpeername(target) {
    return this._tellAddress(true, target);
  }

  /**
   * @param {boolean} isPeer Whether it's the address of the peer
   * @param {any} target What gets it
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
   * What Node sets behind a close; before one it's about to pass the handle to another process,
   * where it takes every handle for one of libuv's, and crashes.
   */
  set onread(_listener) {
    if (this._isClosed) return;
    throw new Error('The socket of a WebSocket cannot be sent to another process');
  }

  /** @return {number} The identity of the socket for `async_hooks` */
  getAsyncId() {
    return this.asyncId();
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
   * Writes bytes of the socket's own.
   *
   * @param {any} bytes The bytes
   * @param {(error?: Error | null) => void} callback Called when they're written; at once where
   *   nothing waits, so that nothing that is sent later gets past them
   */
  writeForSocket(bytes, callback) {
    this._engine.flush(true);
    if (isBacklog(bytes) || this._hand(bytes, EMPTY_BUFFER) > 0) {
      this._onDrained = callback;
    } else {
      callback();
    }
  }

  /**
   * Ends the sending side when everything is written.
   *
   * @param {(error?: Error | null) => void} callback Called then
   */
  shutDown(callback) {
    this._engine.flush(true);
    this._shutdown = callback;
    native.shutDown(this._engine.native, this._id);
  }

  /**
   * Hands out what had arrived when the connection was closed.
   */
  receiveLeftovers() {
    const leftovers = this._leftovers;
    this._leftovers = NONE;
    for (const { kind, detail, payload, place } of leftovers) {
      if (kind <= RECORD_PONG) this.receive(kind, detail, payload, place);
    }
  }

  // What the engine reports.

  /**
   * Handles a record.
   *
   * @param {number} kind What happened
   * @param {number} detail More about it
   * @param {Buffer} payload The payload
   * @param {number} place Where the payload was
   */
  receive(kind, detail, payload, place) {
    this._noteActivity();
    if (kind === RECORD_TEXT) this.handlers.message(payload, false);
    else if (kind === RECORD_BINARY) this._receiveBinary(detail, payload, place);
    else if (kind === RECORD_PING) this.handlers.ping(payload);
    else if (kind === RECORD_PONG) this.handlers.pong(payload);
    else this._receiveRare(kind, detail, payload);
  }

  /**
   * Puts off the timeout of the socket, if it has one.
   *
   * @private
   */
  _noteActivity() {
    if (this._socket.timeout) this._socket._unrefTimer();
  }

  /**
   * @param {number} detail The number of fragments
   * @param {Buffer} payload The message
   * @param {number} place Where it was
   * @private
   */
  _receiveBinary(detail, payload, place) {
    const type = this.handlers.binaryType;
    if (type === BINARY_TYPES[0]) this.handlers.message(payload, true);
    else if (type === 'arraybuffer') this.handlers.message(toArrayBuffer(payload), true);
    else if (type === 'blob') this.handlers.message(new Blob([payload]), true);
    else this.handlers.message(this._split(detail, payload, place), true);
  }

  /**
   * @param {number} detail The number of fragments, 0 where the message came in one frame
   * @param {Buffer} payload The message
   * @param {number} place Where it was
   * @return {Buffer[]} The fragments
   * @private
   */
  _split(detail, payload, place) {
    if (payload.length === 0) return [];
    if (detail === 0) return [payload];
    let end = 0;
    const lengths = native.engineFragmentLengths(this._engine.native, -1 - place);
    return Array.from(lengths, (length) => {
      end += length;
      return payload.subarray(end - length, end);
    });
  }

  /**
   * @param {number} kind What happened
   * @param {number} detail More about it
   * @param {Buffer} payload The payload
   * @private
   */
  _receiveRare(kind, detail, payload) {
    const socket = this._socket;
    if (kind === RECORD_RAW) {
      this.isRaw = true;
      if (!socket.push(payload)) {
        this.reading = false;
        this.readStop();
      }
    } else if (kind === RECORD_CLOSE) {
      this.handlers.conclude(detail, payload);
    } else if (kind === RECORD_ERROR) {
      this._receiveViolation(detail);
    } else if (kind === RECORD_END) {
      socket.push(null);
      socket.read(0);
    } else if (kind === RECORD_FAILED) {
      socket.destroy(systemError(detail));
    } else if (kind === RECORD_WRITTEN) {
      this.settle();
    } else if (kind === RECORD_WAITING) {
      this.becomeBacklogged();
    } else if (kind === RECORD_SHUT_DOWN) {
      this._shutdown?.();
      this._shutdown = null;
    }
  }

  /**
   * @param {number} index Which violation of the batch
   * @private
   */
  _receiveViolation(index) {
    const description = native.engineViolation(this._engine.native, index);
    if (!description) return;
    // A listener of an event before this one has raised the limit: the engine goes on with the
    // frame, or reports it again.
    const isLength = description.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    if (isLength && this._limitsBatch === this._engine.batch && this.limitsRaised) return;
    this.handlers.fail(createProtocolError(description));
  }

  /**
   * Some of what was sent waits in the engine. The socket counts it as a write of its own that is
   * not finished yet: what comes later queues up behind it, and there is no other place to look at.
   */
  becomeBacklogged() {
    if (this._isBacklogged || this._isClosed) return;
    this._isBacklogged = true;
    const { ending } = this._socket._writableState;
    const pending = native.pendingBytes(this._engine.native, this._id);
    if (pending > 0 && !ending) this._socket.write(createBacklog(pending));
  }

  /**
   * The engine has all that was sent.
   *
   * @return {number} How many bytes that is
   */
  noteFlush() {
    this._isExpecting = false;
    this._handedBytes = this._sentBytes;
    return this._handedBytes;
  }

  /**
   * Calls the callbacks of what is written.
   *
   * @param {number} [limit] Not of what was handed over behind this byte: its turn comes
   */
  settle(limit = this._handedBytes) {
    if (this._isClosed) {
      this._callBack(Math.min(this._writtenBytes, limit));
      return;
    }
    const pending = this._countPending();
    this._callBack(Math.min(this._handedBytes - pending, limit));
    if (pending > 0) return;
    this._isBacklogged = false;
    const onDrained = this._onDrained;
    this._onDrained = null;
    onDrained?.();
  }

  /**
   * @return {number} Bytes that wait in the engine
   * @private
   */
  _countPending() {
    return this._isBacklogged ? native.pendingBytes(this._engine.native, this._id) : 0;
  }

  /**
   * @param {number} written How many of the bytes that were sent are written
   * @private
   */
  _callBack(written) {
    const callbacks = this._callbacks;
    let count = 0;
    while (count < callbacks.length && callbacks[count].end <= written) count++;
    this._callbacks = count === callbacks.length ? NONE : callbacks.slice(count);
    for (let index = 0; index < count; index++) callbacks[index].callback(null);
  }

  /**
   * Calls all callbacks: of the bytes that were sent some are written, the others won't be.
   *
   * @private
   */
  _abandon() {
    this._callBack(this._writtenBytes);
    for (const { callback } of this._callbacks) callback(destroyedError());
    this._callbacks = NONE;
    const onDrained = this._onDrained;
    this._onDrained = null;
    onDrained?.(destroyedError());
  }

  /**
   * @param {(error?: Error | null) => void} callback Called when all that was sent is written
   * @private
   */
  _expect(callback) {
    if (this._callbacks === NONE) this._callbacks = [];
    this._callbacks.push({ end: this._sentBytes, callback: setApart(callback) });
    if (this._isExpecting) return;
    this._isExpecting = true;
    this._engine.expect(this);
    this._engine.schedule();
  }

  /**
   * @param {Buffer} head What to write as it is
   * @param {Buffer} [body] What follows it
   * @private
   */
  _writeNow(head, body = EMPTY_BUFFER) {
    this._engine.flush(true);
    if (this._hand(head, body) > 0) this.becomeBacklogged();
  }

  /**
   * @param {Buffer} head What to write
   * @param {Buffer} body What follows it
   * @return {number} Bytes that wait then
   * @private
   */
  _hand(head, body) {
    this._sentBytes += head.length + body.length;
    this._handedBytes = this._sentBytes;
    return native.writeParts(this._engine.native, this._id, head, body);
  }

  /**
   * @param {boolean} reset Whether the peer gets a reset
   * @param {(() => void) | undefined} callback Called when it's closed
   * @private
   */
  _close(reset, callback) {
    if (!this._isClosed) {
      this.priorBytesRead = this.bytesRead;
      this.priorBytesWritten = this.bytesWritten;
      // A paused connection still gives what had arrived, once the socket is closed.
      if (!reset && !this.reading && !this.isRaw) this._leftovers = this._engine.drain(this._id);
      this.unref();
      this._writtenBytes = this._sentBytes - this._countPending();
      this._isClosed = true;
      native.closeConnection(this._engine.native, this._id, reset);
      this._engine.remove(this._id);
      // What the kernel has is written, whatever becomes of it.
      process.nextTick(() => this._abandon());
      this._shutdown?.(destroyedError());
      this._shutdown = null;
    }
    if (callback) setImmediate(callback);
  }
}

/**
 * Puts the name of the interface behind an address that only means something there.
 *
 * @param {{address: string, scope: number}} found The address
 * @return {string} Both
 */
function withInterface({ address, scope }) {
  const interfaces = Object.entries(networkInterfaces());
  const isIt = (/** @type {any} */ { scopeid }) => scopeid === scope;
  const [name = scope] = interfaces.find(([, addresses]) => addresses?.some(isIt)) ?? [];
  return `${address}%${name}`;
}

/**
 * @return {Error} What Node's streams report of a write that their destruction prevented
 */
function destroyedError() {
  const error = new Error('Cannot call write after a stream was destroyed');
  /** @type {any} */ (error).code = 'ERR_STREAM_DESTROYED';
  return error;
}

/**
 * @param {number} number The number of the operating system's error
 * @return {Error} The error as Node makes it
 */
function systemError(number) {
  const code = getSystemErrorName(-number);
  const syscall = code === 'EPIPE' ? 'write' : 'read';
  const error = new Error(`${syscall} ${code}`);
  return Object.assign(error, { errno: -number, code, syscall });
}

module.exports = { EngineConnection, isBacklog };

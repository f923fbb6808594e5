// @ts-check
'use strict';

// What a connection of the engine sends: the frames of the sender and the bytes of the socket, in
// one order, and the callbacks of both.

const { Writable } = require('node:stream');

const { isBuffer } = require('../../buffer-util');
const { EMPTY_BUFFER, kBackpressure, kWebSocket } = require('../../constants');
const { createSocketError, EPIPE } = require('../../errors');
const { nextTick, now, setImmediate } = require('../../host');
const { COMPRESSED, MAX_COMPRESSED_LENGTH, MAX_COPY_LENGTH, RAW } = require('../outbox');
const EngineHandle = require('./handle');
const native = require('../../native');
const { callWhenPending } = require('../phases');
const { isCallable, setApart } = require('../../send-callback');

/** An empty list for all connections: an idle one needs none of its own. @type {any[]} */
const NONE = [];
Object.freeze(NONE);

/**
 * For how long, in milliseconds, and up to how many bytes what a connection sends counts as written
 * when everything has just been.
 */
const UNCOUNTED_MS = 1;
const MAX_UNCOUNTED_LENGTH = 16 * 1024;

/**
 * How much waited when a connection whose socket has a timeout was last active: few have one.
 *
 * @type {WeakMap<object, number>}
 */
const waitingThen = new WeakMap();

/** The `write()` that was not wrapped. @type {Function} */
const writeToStream = Writable.prototype.write;

/**
 * What a socket is given to write while bytes wait in the engine: nothing, but as many bytes.
 */
const backlogPrototype = Object.create(Buffer.prototype);

/**
 * @param {number} length How many bytes wait
 * @return {Buffer} A stand-in of that length
 */
function createBacklog(length) {
  return Object.create(backlogPrototype, { length: { value: length } });
}

/**
 * @param {unknown} chunk Something to write
 * @return {boolean} Whether it's such a stand-in
 */
function isBacklog(chunk) {
  return Object.getPrototypeOf(chunk) === backlogPrototype;
}

/**
 * The latest frame that sockets had to hold back, and the latest long text: what is sent to many is
 * in memory once. Forgotten when the event loop turns.
 *
 * @type {{payload: Buffer | string, frame: Buffer, start: number} | null}
 */
let latestFrame = null;
/** @type {{text: string, bytes: Buffer} | null} */
let latestText = null;
let isToForget = false;

/**
 * Forgets what is held for a turn of the event loop.
 */
function forget() {
  isToForget = false;
  latestFrame = null;
  latestText = null;
}

/**
 * Sees to that.
 */
function forgetLater() {
  if (isToForget) return;
  isToForget = true;
  setImmediate(forget);
}

/**
 * Joins the parts of a frame. Bytes may have changed since they were sent to somebody else.
 *
 * @param {Buffer} head The header
 * @param {Buffer | string} payload The payload
 * @return {Buffer} Both, in memory that others may have as well
 */
function joinFrame(head, payload) {
  if (latestFrame !== null && latestFrame.payload === payload) {
    const { frame, start } = latestFrame;
    const isSame =
      start === head.length &&
      head.equals(frame.subarray(0, start)) &&
      (typeof payload === 'string' || payload.equals(frame.subarray(start)));
    if (isSame) return frame;
  }
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  // Not of the pool, of which one that waits would keep all.
  const frame = Buffer.allocUnsafeSlow(head.length + bytes.length);
  frame.set(head);
  frame.set(bytes, head.length);
  latestFrame = { payload, frame, start: head.length };
  forgetLater();
  return frame;
}

/**
 * @param {string} text A long text
 * @return {Buffer} Its bytes, which others may have as well
 */
function toSharedBytes(text) {
  if (latestText?.text !== text) {
    latestText = { text, bytes: Buffer.from(text) };
    forgetLater();
  }
  return latestText.bytes;
}

/** @typedef {import('../../sender')} Sender */
/** @typedef {{from: number, length: number}} Held */

/**
 * What is known of the bytes that a connection has sent.
 *
 * @typedef {object} Counted
 * @property {number} count How often everything had been written out then
 * @property {number} from Up to where they were before that
 * @property {number} latest Up to where they were when somebody asked last
 */

/**
 * The subscriptions of a connection.
 *
 * @typedef {object} Published
 * @property {() => void} setApart From now on messages come by way of the sender, until nothing
 *   keeps them from going straight to the engine
 * @property {() => void} leave The connection is about to be closed
 */

/**
 * The frame queue of a sender whose connection the engine carries.
 */
class EngineFrameQueue extends EngineHandle {
  /**
   * @param {import('../index').Engine} engine The engine
   * @param {number} id The number of the connection there
   * @param {import('../../transport').NetSocket} socket The socket
   * @param {import('../mode').Mode} mode What the engine gives
   */
  constructor(engine, id, socket, mode) {
    super(engine, id, socket, mode);
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
    /** Whether a write has failed. */
    this._hasFailed = false;
    /** What gets the frames; set once the connection carries a WebSocket. */
    this.handlers = /** @type {import('../../transport').Handlers} */ (
      /** @type {unknown} */ (null)
    );
    /** The sender of which the engine has compressed something. @type {Sender | null} */
    this._sender = null;
    /**
     * What is to be compressed by the next flush, and what was sent after it: where that begins,
     * and its bytes.
     *
     * @type {Held | null}
     */
    this._held = null;
    /** What was found when somebody asked for what is buffered. @type {Counted | null} */
    this._counted = null;
    /** What has the messages of topics go straight to the engine. @type {Published | null} */
    this.published = null;
    /** @type {((error?: Error | null) => void) | null} Of a write of the socket. */
    this._onDrained = null;
    /** @type {((error?: Error | null) => void) | null} Of the shutdown. */
    this._shutdown = null;
  }

  /**
   * Tells whether a frame can be appended: it's short enough to be copied, and the socket holds
   * nothing back that was written before.
   *
   * @param {number} length Bytes of its payload
   * @return {boolean} Whether `append` takes it
   */
  fits(length) {
    return length <= MAX_COPY_LENGTH && this._isFree();
  }

  /**
   * Tells whether the engine compresses a payload: it has the connection's states, and the payload
   * is so short that it may do that at once.
   *
   * @param {number} length Bytes of the payload
   * @return {boolean} Whether `appendCompressed` takes it
   */
  compresses(length) {
    return this.isCompressing && length <= MAX_COMPRESSED_LENGTH && this._isFree();
  }

  /**
   * @return {boolean} Whether the socket holds nothing back that was written before
   * @private
   */
  _isFree() {
    const { corked, ending, errored, length } = this._socket._writableState;
    return length === 0 && corked === 0 && !ending && !errored && !this._isClosed;
  }

  /**
   * Tells whether what is published may go straight to the engine: the socket holds nothing back,
   * nothing counts as buffered, and no callback tells how much of what was sent is written.
   *
   * @return {boolean} Whether it may
   */
  takesPublished() {
    if (this._held !== null || this._callbacks !== NONE || this._isExpecting) return false;
    return !this._isBacklogged && !this._socket.timeout && this._isFree();
  }

  /** Whether the engine compresses what is sent. */
  get isCompressing() {
    return this.mode === 'taken';
  }

  /** Where what is sent goes. */
  get outbox() {
    return this._engine.outbox;
  }

  /** The number of the connection. */
  get id() {
    return this._id;
  }

  /**
   * From now on what is published comes by way of the sender.
   */
  setApart() {
    this.published?.setApart();
  }

  /**
   * Sends a message at once if it's bytes or text, short enough to be copied, and nothing is in its
   * way.
   *
   * @param {unknown} data The message
   * @param {number} first The first byte of the header
   * @param {boolean} mask Whether the frame is masked
   * @return {boolean} Whether it is sent; if not, nothing has happened
   */
  sendDirectly(data, first, mask) {
    if (!data || this._held !== null || !this._isFree()) return false;
    const isText = typeof data === 'string';
    if (!isText && !isBuffer(data)) return false;
    const outbox = this._engine.outbox;
    // Of text the length isn't needed, and costs more than a comparison.
    let total = isText && !mask ? outbox.repeat(this._id, data, first) : 0;
    if (total === 0) {
      const length = isText ? Buffer.byteLength(data) : data.length;
      if (length > MAX_COPY_LENGTH) return false;
      total = outbox.append(this._id, data, length, first, mask);
    }
    this._noteSent(total);
    if (isText || !mask) this._noteParts(total, data, mask);
    return true;
  }

  /**
   * Adds a finished frame that others get as well.
   *
   * @param {Buffer} frame The frame
   */
  sendBytes(frame) {
    // The long part is what is held once.
    if (frame.length > MAX_COPY_LENGTH) this.write([EMPTY_BUFFER, frame], undefined);
    else this.write([frame], undefined);
  }

  /**
   * Sends a message that others get as well.
   *
   * @param {import('../../beyond/message').Message} message The message
   * @return {boolean} `true`
   */
  sendShared(message) {
    if (!this.sendDirectly(message.data, message.first, false)) {
      this.write(message.parts, undefined);
    }
    return true;
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
    if (this._held !== null) this._hold(length);
    const total = this._engine.outbox.append(this._id, data, length, first, mask);
    this._noteSent(total);
    // Bytes are masked where ws copies them to, after the header: that's one part.
    const isInParts = first !== RAW && (!mask || typeof data === 'string');
    if (isInParts) this._noteParts(total, data, mask);
    if (callback) this._expect(callback);
  }

  /**
   * Adds a frame whose payload is copied, and compressed by the flush.
   *
   * @param {Sender} sender Its sender
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes
   * @param {number} first The first byte of the header
   * @param {boolean} mask Whether it's masked
   * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
   */
  appendCompressed(sender, data, length, first, mask, callback) {
    this._sender = sender;
    const from = this._sentBytes;
    if (this._held === null) this._beginToHold(from, 0);
    this.append(data, length, first | COMPRESSED, mask, callback);
    // The scratch was full: what was in it is flushed, but not this.
    if (this._held === null) this._beginToHold(from, length);
  }

  /**
   * Counts what is sent as buffered, as what is being compressed is with ws.
   *
   * @param {number} from Where it begins
   * @param {number} length Its bytes, which the sender does not know of
   * @private
   */
  _beginToHold(from, length) {
    this.setApart();
    this._held = { from, length: 0 };
    this._engine.outbox.hold(this);
    this._hold(length);
  }

  /**
   * @param {number} length Bytes that are sent
   * @private
   */
  _hold(length) {
    /** @type {Held} */ (this._held).length += length;
    /** @type {Sender} */ (this._sender)._bufferedBytes += length;
  }

  /**
   * The engine has what was to be compressed.
   */
  release() {
    if (this._held === null) return;
    /** @type {Sender} */ (this._sender)._bufferedBytes -= this._held.length;
    this._held = null;
    this._sender?._watcher?.look();
  }

  /**
   * Adds a finished frame.
   *
   * @param {(Buffer | string)[]} list Its parts, one or two
   * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
   */
  write(list, callback) {
    const length = list.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    if (isCallable(callback) && this._isFree()) {
      const parts = list.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
      const [head, body = EMPTY_BUFFER] = parts;
      if (this.fits(length)) {
        for (const part of parts) this.append(part, part.length, RAW, false, undefined);
        if (parts.length > 1) this._noteParts(length, list[1], false);
        if (callback) this._expect(callback);
        return;
      }
      if (this._writeLong(head, body, list[list.length - 1], callback)) return;
    }
    this._writeLater(list, length, callback);
  }

  /**
   * Adds a finished frame to what the socket holds back. That says by itself what is wrong with it,
   * or with a callback that is none.
   *
   * @param {(Buffer | string)[]} list Its parts
   * @param {number} length Their bytes
   * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
   * @private
   */
  _writeLater(list, length, callback) {
    const onWritten = setApart(callback);
    const [head, body] = list;
    if (body === undefined) this._socket.write(head, onWritten);
    else if (length <= MAX_COPY_LENGTH && this._socket.writable) {
      this._socket.write(joinFrame(/** @type {Buffer} */ (head), body), onWritten);
    } else {
      // The payload stays where it is, as with ws; and errors, and what comes of them, come in the
      // order of ws, which writes two parts.
      this._socket.cork();
      this._socket.write(head);
      this._socket.write(typeof body === 'string' ? toSharedBytes(body) : body, onWritten);
      this._socket.uncork();
    }
  }

  /**
   * Hands over what waits for the end of the tick, unless something is to be compressed: that
   * counts as buffered, and is lost with the socket, as with ws.
   */
  flush() {
    if (this._held === null) this.flushAll();
  }

  /**
   * Does the same so that it can be told how much of it waits, but not each time that a program
   * asks, as some do before or after each message: for a moment, few bytes count as written.
   */
  flushToCount() {
    if (this._held !== null) return;
    const { outbox } = this._engine;
    this._counted ??= { count: -1, from: 0, latest: 0 };
    const counted = this._counted;
    if (counted.count !== outbox.counts) {
      counted.count = outbox.counts;
      counted.from = counted.latest;
    }
    counted.latest = this._sentBytes;
    const isLittle = this._sentBytes - counted.from <= MAX_UNCOUNTED_LENGTH;
    // Of what is published to it, it doesn't know.
    if (isLittle && this.published === null && now() - outbox.countedAt < UNCOUNTED_MS) return;
    this.flushAll();
    outbox.counts++;
    outbox.countedAt = now();
  }

  /**
   * Hands over what waits for the end of the tick.
   */
  flushAll() {
    this._engine.outbox.flush(true);
    if (!this._isBacklogged && !this._isClosed && this._engine.outbox.hasUntoldBacklog(this._id)) {
      this.becomeBacklogged();
    }
  }

  /**
   * Hands over what was sent before something that the socket is about to write.
   */
  flushBefore() {
    this.setApart();
    if (!this._isBacklogged) this.flushAll();
  }

  /**
   * Writes bytes of the socket's own.
   *
   * @param {Buffer} bytes The bytes
   * @param {(error?: Error | null) => void} callback Called when they're written; at once where
   *   nothing waits, so that nothing that is sent later gets past them
   */
  writeForSocket(bytes, callback) {
    // What is found to wait needs no stand-in: this write is one.
    this._isBacklogged = true;
    this._engine.outbox.flush(true);
    const pending = isBacklog(bytes) ? this._countPending() : this._handForSocket(bytes);
    this._isBacklogged = pending > 0;
    const failure = pending > 0 ? this._findFailure(true) : null;
    this._noteActivity();
    if (pending > 0 && failure === null) this._onDrained = callback;
    else callback(failure);
  }

  /**
   * Ends the sending side when everything is written.
   *
   * @param {(error?: Error | null) => void} callback Called then
   */
  shutDown(callback) {
    this._engine.outbox.flush(true);
    this._shutdown = callback;
    // As late as libuv, whose shutdown is done when the event loop turns: a program that closes the
    // socket before ends nothing.
    callWhenPending(() => this._shutDownNow());
  }

  /**
   * Ends the sending side, unless the connection has been closed meanwhile.
   *
   * @private
   */
  _shutDownNow() {
    if (this._isClosed) this._noteShutDown();
    else if (native.shutDown(this._engine.native, this._id)) this._noteShutDown();
  }

  /**
   * Some of what was sent waits in the engine. The socket counts it as a write of its own that is
   * not finished yet: what comes later queues up after it, and there is no other place to look at.
   */
  becomeBacklogged() {
    if (this._isBacklogged || this._isClosed) return;
    this._isBacklogged = true;
    const pending = this._countPending();
    this._isBacklogged = pending > 0;
    const { destroyed, ending } = this._socket._writableState;
    if (pending === 0 || destroyed || ending) return;
    this.setApart();
    const onWritten = (/** @type {Error | null | undefined} */ error) => {
      if (error) this._fail(error);
    };
    writeToStream.call(this._socket, createBacklog(pending), undefined, onWritten);
    const websocket = /** @type {any} */ (this._socket[kWebSocket]);
    websocket?.[kBackpressure]?.look();
  }

  /**
   * @param {boolean} [isWriting] Whether it's a write that fails for that
   * @return {Error | null} What broke the connection
   * @protected
   */
  _findFailure(isWriting = false) {
    if (this._isClosed) return null;
    const failure = native.socketFailure(this._engine.native, this._id);
    if (!failure) return null;
    const { message, number } = failure;
    // The kernel tells a reset once; whoever writes after that only hears that it's over.
    const isOld = isWriting && this._hasFailed && number > 0 && message === undefined;
    if (isWriting) this._hasFailed = true;
    const writing = isWriting || failure.writing;
    const error = createSocketError({ ...failure, number: isOld ? EPIPE : number, writing });
    // A panic is no failure of the socket's: the WebSocket tells of it. Its record would come after
    // the socket is closed.
    if (number === 0 && message === undefined) this.handlers.fail(error);
    return error;
  }

  /**
   * Calls all callbacks: some of what was sent is written, the rest never is.
   *
   * @param {Error} error Why
   * @private
   */
  _fail(error) {
    // What is left to the task is neither written nor lost before.
    if (!this._isClosed) this._engine.outbox.flush(true);
    this._callBack(this._countWritten());
    const callbacks = this._callbacks;
    this._callbacks = NONE;
    for (const { callback } of callbacks) callback(error);
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
   * @param {number} [limit] Not of what was handed over after this byte: its turn comes
   */
  settle(limit = this._handedBytes) {
    if (this._isClosed) {
      this._callBack(Math.min(this._writtenBytes, limit));
      return;
    }
    const pending = this._countPending();
    // How long a frame has become that was compressed isn't known here: then all have to be
    // written.
    const isKnown = this._sender === null || pending === 0;
    if (isKnown) this._callBack(Math.min(this._handedBytes - pending, limit));
    if (pending > 0) return;
    if (this._isBacklogged) this._noteActivity();
    this._isBacklogged = false;
    const onDrained = this._onDrained;
    this._onDrained = null;
    onDrained?.();
  }

  /**
   * @return {boolean} Whether the sending side is about to end, and nothing keeps it from that
   */
  _isShuttingDown() {
    const { ending, finished } = this._socket._writableState;
    return ending && !finished && this._countPending() === 0;
  }

  /**
   * The sending side has ended.
   */
  _noteShutDown() {
    const shutdown = this._shutdown;
    this._shutdown = null;
    shutdown?.();
  }

  /**
   * @return {number} Bytes that wait in the engine
   * @protected
   */
  _countPending() {
    return this._isBacklogged ? native.pendingBytes(this._engine.native, this._id) : 0;
  }

  /**
   * @return {number} Up to where what was sent is written
   * @private
   */
  _countWritten() {
    if (this._isClosed) return this._writtenBytes;
    const pending = this._countPending();
    if (pending > 0 && this._sender !== null) return 0;
    return this._sentBytes - pending;
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
   * @param {number} heldFrom From where on they were still to be compressed
   * @private
   */
  _abandon(heldFrom) {
    const { errored } = this._socket._writableState;
    this._callBack(this._writtenBytes);
    const callbacks = this._callbacks;
    // An error takes longer to make than anything else that a close does.
    if (callbacks === NONE && this._onDrained === null) return;
    const error = errored ?? destroyedError();
    this._callbacks = NONE;
    for (const { end, callback } of callbacks) {
      callback(end > heldFrom ? compressingError() : error);
    }
    const onDrained = this._onDrained;
    this._onDrained = null;
    onDrained?.(error);
  }

  /**
   * @param {(error?: Error | null) => void} callback Called when all that was sent is written
   * @private
   */
  _expect(callback) {
    this.setApart();
    if (this._callbacks === NONE) this._callbacks = [];
    this._callbacks.push({ end: this._sentBytes, callback: setApart(callback) });
    if (this._isExpecting) return;
    this._isExpecting = true;
    this._engine.outbox.expect(this);
    this._engine.outbox.schedule();
  }

  /**
   * Writes a frame that is too long for the scratch: from where it is, or by the task, which gets a
   * copy. A callback has to be true when it comes, so it isn't left to the task then.
   *
   * @param {Buffer} head Its beginning
   * @param {Buffer} body The rest
   * @param {Buffer | string} payload The same as it was sent, if there is a rest
   * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
   * @return {boolean} `false` where it has to wait for what the socket holds back
   * @private
   */
  _writeLong(head, body, payload, callback) {
    if (!this._isFree()) return false;
    if (body.length > 0) this._noteParts(head.length + body.length, payload, false);
    if (!callback && this._engine.outbox.canLeave(body.length)) {
      this._engine.outbox.flush();
      if (!this._isFree()) return false;
      if (native.sendParts(this._engine.native, this._id, head, body)) {
        this._noteSent(head.length + body.length);
        return true;
      }
    }
    // May find that something waits.
    this.flushAll();
    if (!this._isFree()) return false;
    if (this._hand(head, body) > 0) this.becomeBacklogged();
    if (callback) this._expect(callback);
    return true;
  }

  /**
   * @param {Buffer} bytes What the socket writes
   * @return {number} Bytes that wait then
   * @private
   */
  _handForSocket(bytes) {
    // What many sockets write is held once if it's the second part.
    const isLong = bytes.length > MAX_COPY_LENGTH;
    return isLong ? this._hand(EMPTY_BUFFER, bytes) : this._hand(bytes, EMPTY_BUFFER);
  }

  /**
   * @param {Buffer} head What to write
   * @param {Buffer} body What follows it
   * @return {number} Bytes that wait then
   * @private
   */
  _hand(head, body) {
    this._noteSent(head.length + body.length);
    this._handedBytes = this._sentBytes;
    return native.writeParts(this._engine.native, this._id, head, body);
  }

  /**
   * @param {number} length Bytes that are sent
   * @private
   */
  _noteSent(length) {
    this._sentBytes += length;
    this._noteActivity();
  }

  /**
   * Makes the socket emit `'drain'` after a large frame, though nothing had to wait: as it does
   * where ws writes header and payload together.
   *
   * @param {number} length Bytes of the frame
   * @param {Buffer | string} payload Its payload
   * @param {boolean} mask Whether it's masked, so that ws makes bytes of text
   * @private
   */
  _noteParts(length, payload, mask) {
    const state = this._socket._writableState;
    if (length < state.highWaterMark || state.needDrain) return;
    // The text itself counts its characters.
    const isText = typeof payload === 'string' && !mask;
    const spare = isText ? Buffer.byteLength(payload) - payload.length : 0;
    if (length - spare < state.highWaterMark) return;
    state.needDrain = true;
    nextTick(tellDrain, this._socket);
  }

  /**
   * Puts off the timeout of the socket, if it has one.
   *
   * @protected
   */
  _noteActivity() {
    if (!this._socket.timeout) return;
    this._socket._unrefTimer();
    waitingThen.set(this, native.pendingBytes(this._engine.native, this._id));
  }

  /**
   * Learns of what comes, also of parts of a message, as long as the socket has a timeout.
   */
  watchActivity() {
    if (this._isClosed) return;
    native.setReportingReads(this._engine.native, this._id, !!this._socket.timeout);
    waitingThen.set(this, native.pendingBytes(this._engine.native, this._id));
  }

  /**
   * Tells whether some of what waits has gone since the last activity that was reported.
   *
   * @return {boolean} Whether some has
   */
  hasBeenActive() {
    const before = waitingThen.get(this) ?? 0;
    const waiting = native.pendingBytes(this._engine.native, this._id);
    waitingThen.set(this, waiting);
    return before !== waiting;
  }

  /**
   * @param {boolean} reset Whether the peer gets a reset
   * @param {(() => void) | undefined} callback Called when it's closed
   * @protected
   */
  _close(reset, callback) {
    const wasClosed = this._isClosed;
    const heldFrom = this._held?.from ?? Number.POSITIVE_INFINITY;
    if (!wasClosed) {
      this.published?.leave();
      if (this._held !== null) this._engine.outbox.takeBack(this._id);
      this._engine.outbox.flush(true);
      this._writtenBytes = Math.min(this._countWritten(), heldFrom);
    }
    super._close(reset, callback);
    if (wasClosed) return;
    // What the kernel has is written, whatever becomes of it.
    nextTick(() => this._abandon(heldFrom));
  }
}

/**
 * Tells that a socket takes more, unless something waits: then the stream will.
 *
 * @param {import('../../transport').NetSocket} socket The socket
 */
function tellDrain(socket) {
  const state = socket._writableState;
  if (!state.needDrain || state.length > 0 || state.ending || socket.destroyed) return;
  state.needDrain = false;
  socket.emit('drain');
}

/**
 * @return {Error} What ws reports of a message that was being compressed when its socket was closed
 */
function compressingError() {
  return new Error('The socket was closed while data was being compressed');
}

/**
 * @return {Error} What Node's streams report of a write that their destruction prevented
 */
function destroyedError() {
  const error = new Error('Cannot call write after a stream was destroyed');
  return Object.assign(error, { code: 'ERR_STREAM_DESTROYED' });
}

module.exports = { EngineFrameQueue, isBacklog, NONE };

// @ts-check
'use strict';

// The frames that one socket sends in a tick: they leave as one buffer, by one write.
//
// ws writes to the socket for each frame, which is a system call, or a TLS record, each. Here
// frames are put one after another into one piece of memory; what the socket is given is that
// piece, at the end of the tick or before anything else is done with the socket (`write-order.js`).
// Where several ticks of a turn of the event loop send, it leaves at the turn's end
// (`turn-end.js`). Callbacks, errors and backpressure are the stream's. What a user may do with a
// payload after `send()` is as with ws: a small payload is copied, a large one is handed over at
// once.

const { copy, FastBuffer, unmask } = require('./buffer-util');
const { isExiting, nextTick } = require('./host');
const { rethrow, setApart } = require('./send-callback');
const { Departure } = require('./turn-end');
const { keepOrder } = require('./write-order');

/**
 * Payloads up to this many bytes are copied; beyond that a copy costs more than a write. With its
 * header a frame is shorter than 16 KiB, from where on a socket says that it's to be drained if it
 * gets header and payload apart, as it does from ws.
 */
const MAX_COPY_LENGTH = 16 * 1024 - 9;
/** Frames from this many bytes on are held once for all sockets that they wait in. */
const MIN_SHARED_LENGTH = 512;
/** Memory that pieces are cut from, and the longest piece. A TLS record has 16 KiB at most. */
const SLAB_LENGTH = 32 * 1024;
/** Header of a frame that is copied, RFC 6455, section 5.2: two bytes, two of length, the key. */
const MAX_HEADER_LENGTH = 8;
const MASK = 0x80;
const LENGTH_16 = 126;
/** Payloads up to this many bytes are masked faster by a loop than by a native call. */
const MAX_LOOP_LENGTH = 40;

/** Of this and of all other slabs, each byte is used once: what was cut is never overwritten. */
let slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
let slabUsed = 0;

/** @type {FrameQueue[]} The queues with frames in this tick. */
let waiting = [];
const departure = new Departure(flushWaiting);
let listensForExit = false;
/** How many receivers are handing out events, one inside the other. */
let dispatchDepth = 0;

/**
 * Collects the frames of one socket.
 */
class FrameQueue {
  /**
   * @param {any} sender The sender that owns the socket, a `Writable`
   */
  constructor(sender) {
    this._sender = sender;
    this._socket = sender._socket;
    /** @type {Buffer | null} The slab that the piece is a part of; `null` without a piece. */
    this._slab = null;
    /** Where in the slab the frames begin and end, and up to where it is the piece's. */
    this._start = 0;
    this._end = 0;
    this._limit = 0;
    /** @type {((error?: Error | null) => void)[] | null} Called when the piece is written. */
    this._callbacks = null;
    /** Whether it is in the list of those that the end of the tick writes out. */
    this._isWaiting = false;
    keepOrder(this._socket);
  }

  /**
   * Tells whether a frame can be appended: it's short enough to be copied, and can be written.
   *
   * @param {number} length Bytes of its payload
   * @return {boolean} Whether `append` takes it
   */
  fits(length) {
    return length <= MAX_COPY_LENGTH && this._isWritable();
  }

  /**
   * Tells whether the socket takes anything. While a piece waits it does: whatever ends the socket
   * has that written before.
   *
   * @private
   */
  _isWritable() {
    return this._slab !== null || this._socket.writable;
  }

  /**
   * Tells whether a payload is compressed on its way: here it has to be before.
   *
   * @return {boolean} `false`
   */
  compresses() {
    return false;
  }

  /** Never called: nothing is compressed on its way. */
  appendCompressed() {}

  /**
   * Sends a message at once, where that is shorter than on the way of all messages: not here.
   *
   * @return {boolean} `false`
   */
  sendDirectly() {
    return false;
  }

  /**
   * From now on what is published comes by way of the sender: here it always does.
   */
  setApart() {}

  /**
   * Adds the frame of a message that others get as well: a copy, or a reference where it's long or
   * has to wait.
   *
   * @param {import('./beyond/message').Message} message The message
   * @return {boolean} `false` where the socket takes nothing; nothing has happened then
   */
  sendShared(message) {
    if (!this._isWritable()) return false;
    this.sendBytes(message.frame);
    return true;
  }

  /**
   * Adds a finished frame that others get as well.
   *
   * @param {Buffer} frame The frame
   */
  sendBytes(frame) {
    if (!this._isWritable()) {
      this.write([frame], undefined);
      return;
    }
    const { length } = frame;
    const isWaiting = this._socket._writableState.length > 0;
    if (length > MAX_COPY_LENGTH || (isWaiting && length >= MIN_SHARED_LENGTH)) {
      this._writeLong(frame, undefined);
      return;
    }
    this._reserve(length);
    this._end += copy(/** @type {any} */ (this._slab), frame, length, this._end);
    this._wait(undefined);
  }

  /**
   * Adds a frame whose payload is copied.
   *
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes, at most what `fits` accepts
   * @param {number} first The first byte of the header
   * @param {boolean} isMasked Whether it is masked
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   */
  append(data, length, first, isMasked, callback) {
    // Before there is a place for the frame: this may be a function of the user's that sends.
    const key = isMasked ? this._sender._makeKey() : undefined;
    this._reserve(MAX_HEADER_LENGTH + length);
    const target = /** @type {Buffer} */ (this._slab);
    const mask = isMasked ? MASK : 0;
    let at = this._end;

    target[at++] = first;
    if (length < LENGTH_16) {
      target[at++] = mask | length;
    } else {
      target[at++] = mask | LENGTH_16;
      target[at++] = length >>> 8;
      target[at++] = length & 0xff;
    }
    if (key !== undefined) for (let i = 0; i < 4; i++) target[at++] = key[i];
    copy(target, data, length, at);
    if (key !== undefined) maskPayload(target, at, length, key);
    this._end = at + length;
    this._wait(callback);
  }

  /**
   * Adds a finished frame.
   *
   * @param {(Buffer | string)[]} list Its parts
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   */
  write(list, callback) {
    const last = list.length - 1;
    if (!this._isWritable()) {
      // The errors, and what comes of them, in the order of ws.
      this._socket.cork();
      for (let i = 0; i < last; i++) this._socket.write(list[i]);
      this._socket.write(list[last], setApart(callback));
      this._socket.uncork();
      return;
    }
    for (let i = 0; i <= last; i++) {
      const part = list[i];
      const length = Buffer.byteLength(part);
      if (length > MAX_COPY_LENGTH) {
        this._writeLong(part, i === last ? setApart(callback) : undefined);
      } else {
        this._reserve(length);
        this._end += copy(/** @type {any} */ (this._slab), part, length, this._end);
        if (i === last) this._wait(callback);
      }
    }
  }

  /**
   * Writes out what waits.
   */
  flush() {
    if (this._slab === null) return;
    const { bytes, callback } = this._takePiece();
    this._socket.write(bytes, callback);
    this._sender._watcher?.look();
  }

  /**
   * Writes a long payload together with what waits, which ends with its header.
   *
   * @param {Buffer | string} payload The payload
   * @param {any} callback Called when it is written
   * @private
   */
  _writeLong(payload, callback) {
    const socket = this._socket;
    if (this._slab === null) {
      socket.write(payload, callback);
      return;
    }
    const piece = this._takePiece();
    socket.cork();
    socket.write(piece.bytes, piece.callback);
    socket.write(payload, callback);
    socket.uncork();
  }

  /**
   * Takes what waits, which from then on doesn't any more.
   *
   * @return {{bytes: Buffer, callback: ((error?: Error | null) => void) | undefined}} The frames,
   *   and what is called when they are written
   * @private
   */
  _takePiece() {
    const { buffer, byteOffset } = /** @type {Buffer} */ (this._slab);
    const callbacks = this._callbacks;
    const bytes = new FastBuffer(buffer, byteOffset + this._start, this._end - this._start);
    this._slab = null;
    this._callbacks = null;
    // What has to wait in the socket has memory of its own: the slab is that of other sockets, too,
    // which a slow peer must not keep. Nor Node's pool, whose rest is anybody's.
    const { corked, length } = this._socket._writableState;
    return {
      bytes: length > 0 || corked > 0 ? copyOf(bytes) : bytes,
      callback: callbacks === null ? undefined : asOne(callbacks)
    };
  }

  /**
   * Makes room for a frame after those that wait.
   *
   * @param {number} length Bytes
   * @private
   */
  _reserve(length) {
    if (this._slab !== null) {
      const end = this._end + length;
      if (end <= this._limit) return;
      if (this._limit === slabUsed && this._slab === slab && end <= SLAB_LENGTH) {
        slabUsed = this._limit = end;
        return;
      }
      const used = this._end - this._start;
      if (used + length <= SLAB_LENGTH) {
        this._move(used, length);
        return;
      }
      this.flush();
    }
    this._start = this._end = take(length);
    this._limit = slabUsed;
    this._slab = slab;
  }

  /**
   * Moves the piece to where it can grow: other sockets have taken what is next to it. Twice as
   * much each time, so that what is sent to many sockets in turns isn't copied for each frame.
   *
   * @param {number} used Its bytes
   * @param {number} length Bytes that it is to grow by at least
   * @private
   */
  _move(used, length) {
    const from = /** @type {Buffer} */ (this._slab);
    const start = take(Math.min(2 * (used + length), SLAB_LENGTH));
    slab.set(new FastBuffer(from.buffer, from.byteOffset + this._start, used), start);
    this._slab = slab;
    this._start = start;
    this._end = start + used;
    this._limit = slabUsed;
  }

  /**
   * Lets a frame wait for the end of the tick.
   *
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   * @private
   */
  _wait(callback) {
    if (typeof callback === 'function') {
      if (this._callbacks === null) this._callbacks = [setApart(callback)];
      else this._callbacks.push(setApart(callback));
      departure.hurry();
    }
    if (!this._isWaiting) {
      if (isExiting()) {
        this.flush();
        return;
      }
      this._isWaiting = true;
      waiting.push(this);
      if (!listensForExit) {
        listensForExit = true;
        process.on('exit', flushWaiting);
      }
    }
    departure.schedule(dispatchDepth > 0);
    if (this._callbacks !== null) departure.hurry();
  }

  /**
   * Says that a receiver begins to hand out the events of a chunk. What their listeners send leaves
   * when it is done, which is the end of the tick without the price of `process.nextTick()`.
   */
  static enterDispatch() {
    dispatchDepth++;
  }

  /**
   * Says that the receiver is done, or gave up.
   */
  static leaveDispatch() {
    dispatchDepth--;
    if (dispatchDepth === 0 && waiting.length > 0) flushWaiting();
  }
}

/**
 * Finds space in the slab, or in a new one.
 *
 * @param {number} length Bytes
 * @return {number} Where they begin
 */
function take(length) {
  if (slabUsed + length > SLAB_LENGTH) {
    slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += length;
  return start;
}

/**
 * @param {Buffer} bytes Some bytes
 * @return {Buffer} The same in memory of their own
 */
function copyOf(bytes) {
  const copied = Buffer.allocUnsafeSlow(bytes.length);
  copied.set(bytes);
  return copied;
}

/**
 * Masks a payload in place, RFC 6455, section 5.3.
 *
 * @param {Buffer} target Where it is
 * @param {number} start Where it begins
 * @param {number} length Its bytes
 * @param {Buffer} key The masking key
 */
function maskPayload(target, start, length, key) {
  if (length > MAX_LOOP_LENGTH) {
    unmask(new FastBuffer(target.buffer, target.byteOffset + start, length), key);
    return;
  }
  for (let i = 0; i < length; i++) target[start + i] ^= key[i & 3];
}

/**
 * Makes one callback of several, none of which throws.
 *
 * @param {((error?: Error | null) => void)[]} callbacks The callbacks
 * @return {(error?: Error | null) => void} The one
 */
function asOne(callbacks) {
  if (callbacks.length === 1) return callbacks[0];
  return (error) => {
    for (const callback of callbacks) callback(error);
  };
}

/**
 * Writes out the frames of all sockets.
 */
function flushWaiting() {
  const queues = waiting;
  waiting = [];
  for (const queue of queues) {
    queue._isWaiting = false;
    try {
      queue.flush();
    } catch (error) {
      // A `Duplex` of a user's threw. That is no matter of the sockets after it.
      nextTick(rethrow, error);
    }
  }
}

module.exports = FrameQueue;

// @ts-check
'use strict';

// The frames that one socket sends in a tick, and leave in one write.
//
// ws makes a system call for each frame. Here the socket is corked at the first frame of a tick and
// uncorked at its end, so the stream's own `_writev` sends them together. Everything goes through
// the socket's `write()`: raw writes of users keep their place among the frames, callbacks and
// errors are the stream's. What a user may do with a payload after `send()` is as with ws: a small
// payload is copied, a large one is handed over at once.

const { kWebSocket } = require('./constants');
const { copy, FastBuffer, unmask: maskInPlace } = require('./buffer-util');
const { nextTick } = require('./host');
const native = require('./native');
const { rethrow, setApart } = require('./send-callback');

/** Payloads up to this many bytes are copied; beyond that a copy costs more than a write. */
const MAX_COPY_LENGTH = 16 * 1024;
/** Memory from which frames are cut. */
const SLAB_LENGTH = 64 * 1024;
const MAX_HEADER_LENGTH = 14;

let slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
let slabUsed = 0;

/** @type {FrameQueue[]} The queues with frames in this tick. */
let waiting = [];
let isScheduled = false;
let listensForExit = false;
/** Whether the process ends: no tick comes any more whose end could be waited for. */
let isExiting = false;
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
    const socket = sender._socket;
    this._sender = sender;
    this._socket = socket;
    this._isCorked = false;
    // Frames that ws had written already must not be lost when somebody destroys the socket. Where
    // somebody has replaced `destroy()` already, that stays.
    if (!Object.hasOwn(socket, 'destroy')) socket.destroy = destroyFlushed;
  }

  /**
   * Tells whether a frame is short enough to be copied.
   *
   * @param {number} length Bytes of its payload
   * @return {boolean} Whether `append` takes it
   */
  fits(length) {
    return length <= MAX_COPY_LENGTH;
  }

  /**
   * Tells whether a payload is compressed on its way: here it has to be before.
   *
   * @return {boolean} `false`
   */
  compresses() {
    return false;
  }

  /**
   * Sends a message at once, where that is shorter than on the way of all messages: not here.
   *
   * @return {boolean} `false`
   */
  sendDirectly() {
    return false;
  }

  /**
   * Adds a frame whose payload is copied.
   *
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes, at most what `fits` accepts
   * @param {number} first The first byte of the header
   * @param {boolean} mask Whether it is masked
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   */
  append(data, length, first, mask, callback) {
    const key = mask ? this._sender._makeKey() : undefined;
    const payload = reserve(MAX_HEADER_LENGTH + length) + MAX_HEADER_LENGTH;
    copy(slab, data, length, payload);
    const start = native.encodeHeader(slab, payload, first, length, key);
    const frame = new FastBuffer(slab.buffer, slab.byteOffset + start, payload + length - start);
    if (key !== undefined && length > 0) maskInPlace(frame.subarray(payload - start), key);
    this._cork();
    this._socket.write(frame, setApart(callback));
  }

  /**
   * Adds a finished frame.
   *
   * @param {(Buffer | string)[]} list Its parts
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   */
  write(list, callback) {
    const onWritten = setApart(callback);
    let length = 0;
    for (const part of list) length += Buffer.byteLength(part);
    this._cork();
    if (length <= MAX_COPY_LENGTH) {
      const start = reserve(length);
      let end = start;
      for (const part of list) {
        end += copy(slab, part, Buffer.byteLength(part), end);
      }
      this._socket.write(new FastBuffer(slab.buffer, slab.byteOffset + start, length), onWritten);
      return;
    }
    for (let i = 0; i < list.length - 1; i++) this._socket.write(list[i]);
    this._socket.write(list[list.length - 1], onWritten);
    this.flush();
  }

  /**
   * Writes out what waits.
   */
  flush() {
    if (!this._isCorked) return;
    this._isCorked = false;
    this._socket.uncork();
  }

  /**
   * Has the socket wait for the end of the tick.
   *
   * @private
   */
  _cork() {
    if (this._isCorked || isExiting) return;
    this._isCorked = true;
    this._socket.cork();
    waiting.push(this);
    if (!listensForExit) {
      listensForExit = true;
      process.on('exit', endProcess);
    }
    if (isScheduled || dispatchDepth > 0) return;
    isScheduled = true;
    nextTick(endTick);
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
 * Finds space in the slab.
 *
 * @param {number} length Bytes
 * @return {number} Where they begin
 */
function reserve(length) {
  if (slabUsed + length > SLAB_LENGTH) {
    slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += length;
  return start;
}

/**
 * Writes out the frames of all sockets.
 */
function flushWaiting() {
  const queues = waiting;
  waiting = [];
  for (const queue of queues) {
    try {
      queue.flush();
    } catch (error) {
      // A `Duplex` of a user's threw. That is no matter of the sockets behind it.
      nextTick(rethrow, error);
    }
  }
}

/**
 * Ends the tick.
 */
function endTick() {
  isScheduled = false;
  flushWaiting();
}

/**
 * Ends the process: what listeners of `'exit'` behind this one send leaves at once.
 */
function endProcess() {
  isExiting = true;
  flushWaiting();
}

/**
 * Takes the place of a socket's `destroy()`.
 *
 * @this {any}
 * @param {...any} parameters What `destroy()` takes
 * @return {any} What `destroy()` returns
 */
function destroyFlushed(...parameters) {
  this[kWebSocket]?._sender?.flush?.();
  delete this.destroy;
  return this.destroy(...parameters);
}

module.exports = FrameQueue;

// @ts-check
'use strict';

// What the connections of an engine send: commands, and the memory that payloads are collected in until
// the end of a tick. See `src/binding/engine`.

const { copy } = require('../buffer-util');
const { nextTick } = require('../host');
const native = require('../native');
const SharedIntegers = require('./shared-integers');

const {
  COMMAND_COMPRESSED: COMPRESSED,
  COMMAND_FIELDS,
  COMMAND_MASKED: MASKED,
  COMMAND_RAW: RAW,
  LARGE_INPUT
} = native;

const COMMANDS = 1024;
/** More than there can be commands in a flush and before it, in what a task was left to write. */
const RESULTS = 8 * COMMANDS;
/** Memory for what is sent in a tick; when it's full, it's handed over before the tick ends. */
const SCRATCH_LENGTH = 256 * 1024;
/** Payloads up to this many bytes are copied; beyond that the kernel takes them from where they are. */
const MAX_COPY_LENGTH = 16 * 1024;
/**
 * Up to this many a task gets a copy, and this thread is spared the system call: 5.0 instead of
 * 7.3 µs for 64 KiB. For 1 MiB the copy takes longer than the call.
 */
const MAX_LEFT_LENGTH = 256 * 1024;
/** Payloads up to this many bytes are compressed by the engine; longer ones on other threads. */
const MAX_COMPRESSED_LENGTH = LARGE_INPUT - 1;

/**
 * The commands of one engine.
 */
class Outbox {
  /**
   * @param {any} engine The engine
   */
  constructor(engine) {
    this._engine = engine;
    /** Whether events are handed out: what their listeners send leaves when that is done. */
    this.isDispatching = false;
    this._commands = new SharedIntegers(COMMANDS * COMMAND_FIELDS);
    this._commandCount = 0;
    this._scratch = Buffer.allocUnsafeSlow(SCRATCH_LENGTH);
    this._scratchUsed = 0;
    /** What is last in the scratch, if it's a string that is as it was sent; the first byte of its header. */
    this._latest = /** @type {Buffer | string | null} */ (null);
    this._latestFirst = RAW;
    this._results = new SharedIntegers(RESULTS);
    /** @type {any[]} Connections with something to be compressed that was not flushed yet. */
    this._holding = [];
    /** @type {any[]} Connections that have callbacks of what was not flushed yet. */
    this._expecting = [];
    this._isScheduled = false;
    this._onTickEnd = () => this._endTick();
  }

  /**
   * Adds a frame, or bytes that go as they are, to what is sent in this tick.
   *
   * @param {number} id The connection
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes, at most `MAX_COPY_LENGTH`, or `MAX_COMPRESSED_LENGTH`
   * @param {number} first The first byte of the header, with `COMPRESSED` where the payload is to be
   *   compressed; or `RAW`
   * @param {boolean} mask Whether the frame is masked
   * @return {number} Bytes on the wire
   */
  append(id, data, length, first, mask) {
    const headerLength = first === RAW ? 0 : headerLengthOf(length, mask);
    const total = headerLength + length;
    if (this._scratchUsed + total > SCRATCH_LENGTH || this._commandCount === COMMANDS) {
      this.flush();
    }
    let start = this._scratchUsed;
    // A string that is sent to many has one frame for all. Bytes may have changed since they were
    // sent, and to compare them takes longer than to copy them.
    if (data === this._latest && first === this._latestFirst && !mask && start > 0) {
      start -= total;
    } else {
      this._scratchUsed = start + total;
      copy(this._scratch, data, length, start + headerLength);
      this._latest = typeof data === 'string' && !mask ? data : null;
      this._latestFirst = first;
    }

    const { values } = this._commands;
    const at = this._commandCount * COMMAND_FIELDS;
    values[at] = id;
    values[at + 1] = start;
    values[at + 2] = length;
    values[at + 3] = mask ? first | MASKED : first;
    this._commandCount++;
    this.schedule();
    return total;
  }

  /**
   * Takes back what a connection wanted to be compressed and was not flushed yet, and what it sent
   * behind that.
   *
   * @param {number} id The connection
   */
  takeBack(id) {
    const { values } = this._commands;
    let isBehind = false;
    for (let index = 0; index < this._commandCount; index++) {
      const at = index * COMMAND_FIELDS;
      if (values[at] !== id) continue;
      isBehind = isBehind || (values[at + 3] !== RAW && (values[at + 3] & COMPRESSED) !== 0);
      if (!isBehind) continue;
      values[at + 2] = 0;
      values[at + 3] = RAW;
    }
  }

  /**
   * Remembers that something of a connection is to be compressed by the next flush.
   *
   * @param {any} connection The connection
   */
  hold(connection) {
    this._holding.push(connection);
  }

  /**
   * Remembers that callbacks of a connection wait for the next flush.
   *
   * @param {any} connection The connection
   */
  expect(connection) {
    this._expecting.push(connection);
  }

  /** Whether callbacks wait for the next flush. */
  get isExpected() {
    return this._expecting.length > 0;
  }

  /**
   * Sees to a flush at the end of the tick, or of the dispatch.
   */
  schedule() {
    if (this._isScheduled || this.isDispatching) return;
    this._isScheduled = true;
    nextTick(this._onTickEnd);
  }

  /**
   * Leaves a frame that is too long for the scratch to the task, behind what was sent before.
   *
   * @param {number} id The connection
   * @param {Buffer} head Its beginning
   * @param {Buffer} body The rest
   * @return {boolean} `false` where there is no task, or that is too much for it
   */
  leave(id, head, body) {
    if (!this._engine.isTasked || body.length > MAX_LEFT_LENGTH) return false;
    this.flush();
    return native.sendParts(this._engine.native, id, head, body);
  }

  /**
   * Tells whether what has been handed over waits without a connection's knowing: a task has found
   * that out, and it's on the way.
   *
   * @param {number} id The connection
   * @return {boolean} Whether something waits
   */
  hasUntoldBacklog(id) {
    return this._engine.isTasked && native.pendingBytes(this._engine.native, id) > 0;
  }

  /**
   * Hands over what is to be sent.
   *
   * @param {boolean} [isUrgent] Whether it has to be with the kernel, as far as that takes it, when
   *   this returns; so it has where a callback waits for that
   */
  flush(isUrgent = false) {
    const atOnce = isUrgent || this._expecting.length > 0;
    if (this._commandCount > 0 || (this._engine.isTasked && atOnce)) {
      const count = this._commandCount;
      this._commandCount = 0;
      this._scratchUsed = 0;
      const { memory, values } = this._results;
      const waiting = native.flushEngine(
        this._engine.native,
        this._commands.memory,
        count,
        this._scratch,
        memory,
        atOnce
      );
      for (let i = 0; i < waiting; i++) {
        const connection = this._engine.connectionOf(values[i]);
        connection?.becomeBacklogged();
      }
    }
    if (this._holding.length > 0) {
      const holding = this._holding;
      this._holding = [];
      for (const connection of holding) connection.release();
    }
    if (this._expecting.length > 0) {
      const expecting = this._expecting;
      this._expecting = [];
      const handed = expecting.map((connection) => connection.noteFlush());
      nextTick(settleAll, expecting, handed);
    }
  }

  /**
   * Ends the tick of what was sent outside of a dispatch.
   *
   * @private
   */
  _endTick() {
    this._isScheduled = false;
    this.flush();
  }

  /**
   * Ends the process: no tick comes any more whose end could be waited for.
   */
  endProcess() {
    this.flush(true);
    this.schedule = () => this.flush(true);
  }
}

/**
 * Tells how long the header of a frame is, RFC 6455, section 5.2: the payload goes behind it.
 *
 * @param {number} length Bytes of the payload
 * @param {boolean} mask Whether the frame is masked
 * @return {number} Bytes of the header
 */
function headerLengthOf(length, mask) {
  const key = mask ? 4 : 0;
  if (length < 126) return key + 2;
  return length < 65536 ? key + 4 : key + 10;
}

/**
 * Calls what waited for a flush.
 *
 * @param {any[]} connections The connections
 * @param {number[]} handed How many of their bytes were handed over in it
 */
function settleAll(connections, handed) {
  for (let index = 0; index < connections.length; index++) connections[index].settle(handed[index]);
}

module.exports = { COMPRESSED, MAX_COMPRESSED_LENGTH, MAX_COPY_LENGTH, Outbox, RAW };

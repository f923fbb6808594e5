// @ts-check
'use strict';

// What an engine receives: records of what has happened, and the memory that payloads are read
// into. See `src/binding/engine`.

const { FastBuffer } = require('../buffer-util');
const { EMPTY_BUFFER } = require('../constants');
const native = require('../native');
const { notePayload } = require('../payload-memory');
const SharedIntegers = require('./shared-integers');

const {
  ENGINE_RECORD_FIELDS: RECORD_FIELDS,
  NO_CONNECTION,
  RECORD_END,
  RECORD_FAILED,
  // What a retained message keeps alive is never more than this.
  SLAB_LENGTH,
  STATUS_IDLE,
  STATUS_MEMORY_FULL
} = native;

const RECORDS = 1024;
/** Records that are taken at once of a connection that is about to be closed. */
const MAX_DRAINED = 64;

/**
 * The records of one engine.
 */
class Inbox {
  /**
   * @param {any} engine The engine
   */
  constructor(engine) {
    this._engine = engine;
    /** Connections that had events since `takeActivity()`. */
    this._activity = 0;
    /** Bytes received since `takeReceived()` into memory of their own. */
    this._received = 0;
    /** Numbers whose connection was closed while the batch may still have records of it. */
    this._departed = new Set();
    /**
     * The connection whose records are being handed out. Behind an exception it gets the rest of
     * them.
     */
    this._current = /** @type {any} */ (null);
    /** Whether events were handed out since ticks ran. */
    this._isTickDue = false;
    /** Connections that are read again, and get what they kept first. @type {any[]} */
    this._resumed = [];
    this._records = new SharedIntegers((RECORDS + 1) * RECORD_FIELDS);
    this._count = 0;
    this._index = 0;
    this._slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    this._slabUsed = 0;
    /** @type {SharedIntegers | null} Records of a connection that is about to be closed. */
    this._drained = null;
  }

  /**
   * Drops the records of a connection that is removed, unless they are being handed out: those came
   * with one read, and are handed out as one.
   *
   * @param {number} id Its number
   */
  drop(id) {
    if (this._index < this._count) this._departed.add(id);
  }

  /**
   * Has a connection get what it kept, before what arrives then.
   *
   * @param {any} connection The connection
   */
  resume(connection) {
    if (!this._resumed.includes(connection)) this._resumed.push(connection);
  }

  /**
   * Counts bytes that are received into memory of their own.
   *
   * @param {number} length How many
   */
  noteReceived(length) {
    this._received += length;
  }

  /**
   * @return {number} How many of them there were since this was called before
   */
  takeReceived() {
    const received = this._received;
    this._received = 0;
    return received;
  }

  /**
   * @return {number} How many connections had events since this was called before
   */
  takeActivity() {
    const activity = this._activity;
    this._activity = 0;
    return activity;
  }

  /**
   * Tells whether something was taken and is not handed out yet: a listener threw, or a connection
   * is about to get what it kept.
   *
   * @return {boolean} Whether there is something
   */
  hasUndelivered() {
    return this._index < this._count || this._resumed.length > 0;
  }

  /**
   * Takes a batch.
   *
   * @return {number} Whether there is more: `STATUS_…`
   */
  poll() {
    const { memory, values } = this._records;
    // To clear an empty one makes a table, too.
    if (this._departed.size > 0) this._departed.clear();
    this._index = 0;
    this._count = 0;
    this._current = null;
    // Somebody has transferred the memory of a message: it's gone.
    if (this._slab.length === 0) this._renewSlab();
    this._count = native.pollEngine(this._engine.native, memory, this._slab, this._slabUsed);
    this._slabUsed = values[0];
    return values[1];
  }

  /**
   * Hands out what was kept for connections that are read again, and the batch.
   */
  deliver() {
    const { values } = this._records;
    this._deliverKept();
    while (this._index < this._count) {
      const id = values[(this._index + 1) * RECORD_FIELDS];
      this._runTicks();
      const connection = this._takerOf(id);
      if (connection !== null) {
        this._activity++;
        // What is read at once is handed out, even if its listener has paused the connection.
        const isHeld = connection !== this._current && connection.isHeld;
        this._current = connection;
        connection.context.runInAsyncScope(this._deliverRun, this, id, connection, isHeld);
        this._current = null;
      } else {
        this._index++;
        if (id === NO_CONNECTION) this._engine.fallBack();
      }
    }
    if (values[1] === STATUS_MEMORY_FULL) {
      values[1] = STATUS_IDLE;
      this._renewSlab();
    }
  }

  /**
   * Tells who gets the next records.
   *
   * @param {number} id The number of the connection
   * @return {any} The connection, `null` where they are dropped
   * @private
   */
  _takerOf(id) {
    if (this._current?.isNumber(id)) return this._current;
    if (this._departed.size > 0 && this._departed.has(id)) return null;
    return this._engine.connectionOf(id) ?? null;
  }

  /**
   * Has what `process.nextTick()` and promises have queued run before the events of the next
   * connection, as it does where each connection has an event loop's callback of its own.
   *
   * @private
   */
  _runTicks() {
    if (!this._isTickDue) return;
    this._isTickDue = false;
    this._engine.runTicks();
  }

  /**
   * Says that all ticks are about to run by themselves.
   */
  endTick() {
    this._isTickDue = false;
  }

  /**
   * @private
   */
  _deliverKept() {
    while (this._resumed.length > 0) {
      this._runTicks();
      const connection = this._resumed[0];
      this._isTickDue = true;
      connection.context.runInAsyncScope(connection.receiveKept, connection);
      this._resumed.shift();
    }
  }

  /**
   * Hands out records as long as they are of the same connection, in its context.
   *
   * @param {number} id The number of the connection
   * @param {any} connection The connection
   * @param {boolean} isHeld Whether it keeps them, because nobody reads
   * @private
   */
  _deliverRun(id, connection, isHeld) {
    const { values } = this._records;
    const memory = this._slab.buffer;
    let at = (this._index + 1) * RECORD_FIELDS;
    do {
      this._index++;
      const kind = values[at + 1];
      const place = values[at + 3];
      const payload = this._payload(memory, place, values[at + 4]);
      this._isTickDue = true;
      if (isHeld) connection.keep(kind, values[at + 2], payload, place);
      else connection.receive(kind, values[at + 2], payload, place);
      at += RECORD_FIELDS;
      // The end of the stream comes in a turn of its own: first whatever the messages have set off.
      if (values[at + 1] === RECORD_END || values[at + 1] === RECORD_FAILED) return;
    } while (this._index < this._count && values[at] === id);
  }

  /**
   * Has a connection that is about to be closed keep what it has read.
   *
   * @param {number} id Its number
   * @param {any} connection The connection
   */
  drain(id, connection) {
    const { native: engine } = this._engine;
    const { isHeld } = connection;
    const isWanted = isHeld || connection === this._current;
    if (!native.drainConnection(engine, id, isWanted, isHeld)) return;
    this._drained ??= new SharedIntegers((MAX_DRAINED + 1) * RECORD_FIELDS);
    const { memory, values } = this._drained;
    let count;
    do {
      count = native.takeDrained(engine, id, memory);
      for (let index = 1; index <= count; index++) {
        const at = index * RECORD_FIELDS;
        const place = values[at + 3];
        const payload = this._payload(EMPTY_BUFFER.buffer, place, values[at + 4]);
        connection.keep(values[at + 1], values[at + 2], payload, place, true);
      }
    } while (count === MAX_DRAINED);
  }

  /**
   * Gives a payload.
   *
   * @param {ArrayBufferLike} memory The memory that it may be in
   * @param {number} place Where it is
   * @param {number} length Its bytes
   * @return {Buffer} A view on the slab, or memory of its own
   * @private
   */
  _payload(memory, place, length) {
    if (length === 0) return EMPTY_BUFFER;
    if (place >= 0) return new FastBuffer(memory, place, length);
    notePayload(length);
    this._received += length;
    return native.takeEnginePayload(this._engine.native, -1 - place);
  }

  /**
   * Has the engine read into fresh memory.
   *
   * @private
   */
  _renewSlab() {
    this._slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    this._slabUsed = 0;
  }
}

module.exports = Inbox;

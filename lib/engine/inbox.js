// @ts-check
'use strict';

// What an engine receives: records of what has happened, and the memory that payloads are read
// into. See `src/binding/engine`.

const { markAsUntransferable } = require('node:worker_threads');

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
  RECORD_FAULT,
  RECORD_NEXT_TURN,
  RECORD_RAW,
  RECORD_UNINFLATABLE,
  // What a retained message keeps alive is never more than this.
  SLAB_LENGTH,
  STATUS_IDLE,
  STATUS_MEMORY_FULL
} = native;

const RECORDS = 1024;
/** Payloads up to this many bytes have a place in V8's heap, without memory apart. */
const MAX_HEAP_LENGTH = 64;
/** In a batch of up to this many records such a payload is copied there. */
const FEW = 8;
/** A batch with up to this many bytes gets memory of its size. */
const MAX_SMALL_BATCH = 16 * 1024;
/** Records that are taken at once of a connection that is about to be closed. */
const MAX_DRAINED = 64;

/** @typedef {import('./connection')} Connection */

/**
 * The records of one engine.
 */
class Inbox {
  /**
   * @param {import('./index').Engine} engine The engine
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
     * The connection whose records are being handed out. After an exception it gets the rest of
     * them.
     */
    this._current = /** @type {Connection | null} */ (null);
    /** Whether events were handed out since ticks ran. */
    this._isTickDue = false;
    /** Connections that are read again, and get what they kept first. @type {Connection[]} */
    this._resumed = [];
    this._records = new SharedIntegers((RECORDS + 1) * RECORD_FIELDS);
    this._count = 0;
    this._index = 0;
    this._slab = createSlab();
    /** Its memory: to ask a buffer for that is a call out of JavaScript. */
    this._slabMemory = this._slab.buffer;
    this._slabUsed = 0;
    /** Whether the rest of a batch follows, in the memory that the slab has now. */
    this._isInterrupted = false;
    /** Where what is lost of such a batch ends in the slab. */
    this._lostEnd = 0;
    /** Where the payloads of the batch begin in the slab, if it's a small one; else -1. */
    this._smallStart = -1;
    /** And where they end. */
    this._smallEnd = 0;
    /** The memory of a small batch, once it's needed. @type {ArrayBuffer | null} */
    this._small = null;
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
   * Gives a connection what it kept, before what arrives then.
   *
   * @param {Connection} connection The connection
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
    const isGoingOn = this._isInterrupted;
    this._lostEnd = 0;
    if (this._slab.length === 0) {
      // A program has transferred the memory of a message: it's gone, and with it what follows of
      // an interrupted batch.
      if (isGoingOn) this._lostEnd = this._slabUsed;
      else this._slabUsed = 0;
      this._slab = createSlab();
      this._slabMemory = this._slab.buffer;
    }
    const start = this._slabUsed;
    this._count = native.pollEngine(this._engine.native, memory, this._slab, start);
    this._isInterrupted = values[1] !== STATUS_IDLE && values[1] !== STATUS_MEMORY_FULL;
    const isWhole = values[1] === STATUS_IDLE && !isGoingOn;
    const isSmall = isWhole && values[0] - start <= MAX_SMALL_BATCH;
    this._small = null;
    this._smallStart = isSmall ? start : -1;
    this._smallEnd = values[0];
    // The next batch comes to the same place.
    this._slabUsed = isSmall ? start : values[0];
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
        const isHeld = connection !== this._current && connection.keepsRecords;
        this._current = connection;
        connection.context.runInAsyncScope(this._deliverRun, this, id, connection, isHeld);
        this._current = null;
      } else {
        this._index++;
        const kind = values[this._index * RECORD_FIELDS + 1];
        if (id === NO_CONNECTION && kind === RECORD_FAULT) this._engine.fallBack();
      }
    }
    if (values[1] === STATUS_MEMORY_FULL) {
      values[1] = STATUS_IDLE;
      this._renewSlab();
    }
  }

  /**
   * Finds the connection that gets the next records.
   *
   * @param {number} id The number of the connection
   * @return {Connection | null} The connection, `null` where they are dropped
   * @private
   */
  _takerOf(id) {
    if (this._current?.isNumber(id)) return this._current;
    if (this._departed.size > 0 && this._departed.has(id)) return null;
    return this._engine.connectionOf(id) ?? null;
  }

  /**
   * Runs what `process.nextTick()` and promises have queued before the events of the next
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
   * @param {Connection} connection The connection
   * @param {boolean} isHeld Whether it keeps them, because nothing reads
   * @private
   */
  _deliverRun(id, connection, isHeld) {
    const { values } = this._records;
    let at = (this._index + 1) * RECORD_FIELDS;
    let isFirst = true;
    do {
      this._index++;
      const kind = values[at + 1];
      const place = values[at + 3];
      const payload = this._payload(place, values[at + 4]);
      this._isTickDue = true;
      if (kind <= RECORD_RAW) connection.receivedTurn = this._engine.turn;
      if (payload === null) connection.lose();
      else if (isHeld) {
        if (connection.keep(kind, values[at + 2], payload, place, false, isFirst)) isFirst = false;
      } else connection.receive(kind, values[at + 2], payload, place);
      at += RECORD_FIELDS;
      // The end of the stream comes in a turn of its own: first whatever the messages have set off.
      if (values[at + 1] === RECORD_END || values[at + 1] === RECORD_FAILED) return;
    } while (this._index < this._count && values[at] === id);
  }

  /**
   * A listener has thrown: the rest of the batch follows in a later turn of the event loop, before
   * which a connection that is closed already may tell so.
   */
  interrupt() {
    const connection = this._current;
    if (connection === null || !connection.isClosed) return;
    this._keepRun(this._records.values[this._index * RECORD_FIELDS], connection);
    this._current = null;
  }

  /**
   * Lets a closed connection keep what follows what was handed out last, and came with that.
   *
   * @param {number} id Its number
   * @param {Connection} connection The connection
   * @private
   */
  _keepRun(id, connection) {
    const { values } = this._records;
    for (let index = this._index; index < this._count; index++) {
      if (values[(index + 1) * RECORD_FIELDS] !== id) break;
      if (this._isReceived(index)) this._keep(index, connection);
    }
  }

  /**
   * Finds what the batch still has of a connection, after what is being handed out of it.
   *
   * @param {number} id Its number
   * @param {Connection} connection The connection
   * @return {number[]} Which records of the batch
   * @private
   */
  _restOf(id, connection) {
    const { values } = this._records;
    const rest = [];
    let index = this._index;
    if (connection === this._current) {
      while (index < this._count && values[(index + 1) * RECORD_FIELDS] === id) index++;
    }
    for (; index < this._count; index++) {
      if (values[(index + 1) * RECORD_FIELDS] === id && this._isReceived(index)) rest.push(index);
    }
    return rest;
  }

  /**
   * @param {number} index A record of the batch
   * @return {boolean} Whether it is something that the peer has sent
   * @private
   */
  _isReceived(index) {
    const kind = this._records.values[(index + 1) * RECORD_FIELDS + 1];
    return kind <= RECORD_END || kind === RECORD_UNINFLATABLE;
  }

  /**
   * Lets a connection keep what one record says that the peer has sent.
   *
   * @param {number} index Which one of the batch
   * @param {Connection} connection The connection
   * @private
   */
  _keep(index, connection) {
    const { values } = this._records;
    const at = (index + 1) * RECORD_FIELDS;
    const place = values[at + 3];
    const payload = this._payload(place, values[at + 4]);
    if (payload !== null) connection.keep(values[at + 1], values[at + 2], payload, place, true);
  }

  /**
   * Lets a connection that is about to be closed keep what it has read.
   *
   * @param {number} id Its number
   * @param {Connection} connection The connection
   */
  drain(id, connection) {
    const { native: engine } = this._engine;
    const isCurrent = connection === this._current;
    const isUnread = !isCurrent && connection.keepsRecords;
    const isWanted = isCurrent && !this._hasNextTurn();
    if (isUnread) connection.dropWhenResumed();
    const rest = this._restOf(id, connection);
    if (isCurrent && !this._engine.outbox.isDispatching) {
      // Behind an exception.
      this._keepRun(id, connection);
      this._current = null;
    }
    if (isWanted || isUnread) {
      // It comes before what the engine has.
      for (const index of rest) this._keep(index, connection);
    } else if (rest.length > 0) {
      // It was read later than a socket of libuv would have been, and so was what the engine has.
      return;
    }
    if (!native.drainConnection(engine, id, isWanted, isUnread)) return;
    this._drained ??= new SharedIntegers((MAX_DRAINED + 1) * RECORD_FIELDS);
    const { memory, values } = this._drained;
    let count;
    do {
      count = native.takeDrained(engine, id, memory);
      for (let index = 1; index <= count; index++) {
        const at = index * RECORD_FIELDS;
        const place = values[at + 3];
        // None of them is in the slab.
        const payload = /** @type {Buffer} */ (this._payload(place, values[at + 4]));
        connection.keep(values[at + 1], values[at + 2], payload, place, true);
      }
    } while (count === MAX_DRAINED);
  }

  /**
   * Tells whether what is to be handed out next was read in several turns: the rest of the read
   * whose records are being handed out is here then.
   *
   * @return {boolean} Whether it was
   * @private
   */
  _hasNextTurn() {
    const { values } = this._records;
    for (let index = this._index + 1; index <= this._count; index++) {
      if (values[index * RECORD_FIELDS + 1] === RECORD_NEXT_TURN) return true;
    }
    return false;
  }

  /**
   * Gives a payload.
   *
   * @param {number} place Where it is
   * @param {number} length Its bytes
   * @return {Buffer | null} A view on the memory of the batch, or memory of its own; `null` where
   *   a program has taken that memory away
   * @private
   */
  _payload(place, length) {
    if (length === 0) return EMPTY_BUFFER;
    // Those apart are below 0.
    if (place < this._lostEnd || this._smallStart >= 0 || this._slab.length === 0) {
      return this._payloadApart(place, length);
    }
    return new FastBuffer(this._slabMemory, place, length);
  }

  /**
   * Gives a payload that doesn't stay in the slab.
   *
   * @param {number} place Where it is
   * @param {number} length Its bytes
   * @return {Buffer | null} As `_payload` does
   * @private
   */
  _payloadApart(place, length) {
    if (place < 0) {
      notePayload(length);
      this._received += length;
      return native.takeEnginePayload(this._engine.native, -1 - place);
    }
    // By `ArrayBuffer.prototype.transfer()`, which nothing prevents.
    if (place < this._lostEnd || this._slab.length === 0) return null;
    if (length <= MAX_HEAP_LENGTH && this._count <= FEW) {
      // A message that a program keeps holds nothing else then.
      const payload = new FastBuffer(length);
      for (let i = 0; i < length; i++) payload[i] = this._slab[place + i];
      return payload;
    }
    this._small ??= this._copySmall();
    if (this._small.byteLength === 0) return null;
    return new FastBuffer(this._small, place - this._smallStart, length);
  }

  /**
   * Copies what a small batch has in the slab, so that a message that a program keeps holds no more
   * than that.
   *
   * @return {ArrayBuffer} Memory of its size
   * @private
   */
  _copySmall() {
    const slab = /** @type {ArrayBuffer} */ (this._slabMemory);
    const memory = slab.slice(this._smallStart, this._smallEnd);
    if (this._count > 1) markAsUntransferable(memory);
    return memory;
  }

  /**
   * Makes the engine read into fresh memory.
   *
   * @private
   */
  _renewSlab() {
    this._slab = createSlab();
    this._slabMemory = this._slab.buffer;
    this._slabUsed = 0;
  }
}

/**
 * Makes memory that messages of several connections have parts of: no program is to take it away
 * from the others.
 *
 * @return {Buffer} The memory
 */
function createSlab() {
  const slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
  markAsUntransferable(slab.buffer);
  return slab;
}

module.exports = Inbox;

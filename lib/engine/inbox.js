// @ts-check
'use strict';

// What an engine receives: records of what has happened, and the memory that payloads are read into.
// See `src/binding/engine`.

const { FastBuffer } = require('../buffer-util');
const { EMPTY_BUFFER } = require('../constants');
const native = require('../native');
const { notePayload } = require('../payload-memory');
const SharedIntegers = require('./shared-integers');

const {
  ENGINE_RECORD_FIELDS: RECORD_FIELDS,
  NO_CONNECTION,
  // What a retained message keeps alive is never more than this.
  SLAB_LENGTH,
  STATUS_IDLE,
  STATUS_MEMORY_FULL
} = native;

const RECORDS = 1024;

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
    /** Connections closed while records of theirs may still be on the way, by their number. */
    this._departed = new Map();
    this._records = new SharedIntegers((RECORDS + 1) * RECORD_FIELDS);
    this._count = 0;
    this._index = 0;
    this._slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    this._slabUsed = 0;
  }

  /**
   * Keeps a connection that is removed for as long as there are records of it.
   *
   * @param {number} id Its number
   * @param {any} connection The connection
   */
  keepDeparted(id, connection) {
    if (this._index < this._count) this._departed.set(id, connection);
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
   * Tells whether something was taken and is not handed out yet: a listener threw.
   *
   * @return {boolean} Whether there is something
   */
  hasUndelivered() {
    return this._index < this._count;
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
    // Somebody has transferred the memory of a message: it's gone.
    if (this._slab.length === 0) this._renewSlab();
    this._count = native.pollEngine(this._engine.native, memory, this._slab, this._slabUsed);
    this._slabUsed = values[0];
    return values[1];
  }

  /**
   * Hands out the batch.
   */
  deliver() {
    const { values } = this._records;
    while (this._index < this._count) {
      const id = values[(this._index + 1) * RECORD_FIELDS];
      const departed = this._departed.size > 0 ? this._departed.get(id) : undefined;
      const connection = departed ?? this._engine.connectionOf(id);
      if (connection === undefined) {
        this._index++;
        if (id === NO_CONNECTION) this._engine.fallBack();
      } else {
        this._activity++;
        connection.context.runInAsyncScope(this._deliverRun, this, id, connection);
      }
    }
    if (values[1] === STATUS_MEMORY_FULL) {
      values[1] = STATUS_IDLE;
      this._renewSlab();
    }
  }

  /**
   * Hands out records as long as they are of the same connection, in its context.
   *
   * @param {number} id The number of the connection
   * @param {any} connection The connection
   * @private
   */
  _deliverRun(id, connection) {
    const { values } = this._records;
    const memory = this._slab.buffer;
    while (this._index < this._count) {
      const at = (this._index + 1) * RECORD_FIELDS;
      if (values[at] !== id) return;
      this._index++;
      const place = values[at + 3];
      const payload = this._payload(memory, place, values[at + 4]);
      connection.receive(values[at + 1], values[at + 2], payload, place);
    }
  }

  /**
   * Takes what has arrived on a connection that is about to be closed.
   *
   * @param {number} id Its number
   * @return {{kind: number, detail: number, payload: Buffer, place: number}[]} The events
   */
  drain(id) {
    // The shortest frame has two bytes.
    const { memory, values } = new SharedIntegers((SLAB_LENGTH / 2 + 2) * RECORD_FIELDS);
    const slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    const count = native.drainConnection(this._engine.native, id, memory, slab);
    return Array.from({ length: count }, (_, index) => {
      const at = (index + 1) * RECORD_FIELDS;
      const place = values[at + 3];
      const payload = this._payload(slab.buffer, place, values[at + 4]);
      return { kind: values[at + 1], detail: values[at + 2], payload, place };
    });
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

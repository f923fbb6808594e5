// @ts-check
'use strict';

// The JavaScript side of the engine, which owns the sockets of the native transport.
//
// One native call takes what has arrived on all connections, another hands over what they send.
// Events come as records, payloads as views on a slab of memory that the engine reads into;
// what is sent is collected in scratch memory with a command each. See `src/binding/engine.rs`.

const { availableParallelism } = require('node:os');
// Not the global one: that may be a fake of a test's, and sockets live on.
const { setImmediate } = require('node:timers');

const { copy, FastBuffer } = require('../buffer-util');
const { EMPTY_BUFFER } = require('../constants');
const { DriverChoice } = require('./driver');
const { enterDispatch, leaveDispatch } = require('../frame-queue');
const native = require('../native');
const { notePayload } = require('../payload-memory');

const { STATUS_IDLE, STATUS_MEMORY_FULL } = native;

/** 32-bit integers of a record, and of the header before the first. */
const RECORD_FIELDS = 5;
const RECORDS = 1024;
/** 32-bit integers of a command. */
const COMMAND_FIELDS = 4;
const COMMANDS = 1024;
/** More than there can be commands in a flush and before it, in what a task was left to write. */
const RESULTS = 8 * COMMANDS;
/** Memory that the engine reads into. What a retained message keeps alive is never more. */
const SLAB_LENGTH = 64 * 1024;
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
const MAX_COMPRESSED_LENGTH = 64 * 1024 - 1;
/** Batches that are handled before timers and other I/O get their turn. */
const MAX_BATCHES = 16;
/** In place of a connection: the engine has panicked over none in particular. */
const NOBODY = -1;
/** In a command: the frame is to be masked; the bytes go as they are. */
const MASKED = 0x100;
/** In a command: the payload is to be compressed. */
const COMPRESSED = 0x200;
const RAW = -1;

/** Integers in memory that is shared with the native part. */
class SharedIntegers {
  /**
   * @param {number} length How many
   */
  constructor(length) {
    this.memory = Buffer.alloc(length * Int32Array.BYTES_PER_ELEMENT);
    this.values = new Int32Array(this.memory.buffer, this.memory.byteOffset, length);
  }
}

/**
 * An engine of one JavaScript thread: a reactor, and what goes there and comes from there.
 */
class Engine {
  constructor() {
    /** @type {any} */
    this.native = native.createEngine?.(() => this._dispatch()) ?? null;
    /** @type {any[]} By their number. */
    this._connections = [];
    /** How many there are. */
    this.size = 0;
    /** Connections closed while records of theirs may still be on the way. */
    this._departed = new Map();
    this._references = 0;
    /** Whether a task on another thread reads and writes. */
    this._isTasked = false;
    /** @type {DriverChoice | null} What moves the work; nothing where the driver is pinned. */
    this._choice = null;
    /** Connections that had events in this dispatch. */
    this._connectionCount = 0;
    /** Connections that the task does not read yet, each behind its number. @type {any[]} */
    this._unreleased = [];
    this._release = () => this._releaseAll();
    /** @type {number[]} Connections that were fed and have not been served since. */
    this._fed = [];

    this._records = new SharedIntegers((RECORDS + 1) * RECORD_FIELDS);
    this._count = 0;
    this._index = 0;
    this._slab = Buffer.allocUnsafeSlow(SLAB_LENGTH);
    this._slabUsed = 0;

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
    this._isDispatching = false;
    this._flush = () => this._endTick();
    this._resume = () => this._dispatch();
    this._isWoken = false;
    this._onWoken = () => this._serve();
  }

  /**
   * Takes a connection whose descriptor the native part has.
   *
   * @param {number} id Its number
   * @param {any} connection What gets its records
   */
  add(id, connection) {
    this._connections[id] = connection;
    this.size++;
    if (!this._isTasked) return;
    // The task is as late as the event loop would be: whoever hears of the connection may look at
    // its bytes before they become messages.
    if (this._unreleased.length === 0) setImmediate(this._release);
    this._unreleased.push(id, connection);
  }

  /**
   * Has connections read that were added since the event loop turned.
   *
   * @private
   */
  _releaseAll() {
    const unreleased = this._unreleased;
    this._unreleased = [];
    for (let i = 0; i < unreleased.length; i += 2) {
      const id = unreleased[i];
      if (this._connections[id] === unreleased[i + 1]) native.releaseConnection(this.native, id);
    }
    if (!this._isTasked) this.wake();
  }

  /**
   * Lets a connection go.
   *
   * @param {number} id Its number
   */
  remove(id) {
    if (this._index < this._count) this._departed.set(id, this._connections[id]);
    this._connections[id] = undefined;
    this.size--;
  }

  /**
   * Counts the connections that keep the event loop alive.
   *
   * @param {number} change 1 or -1
   */
  reference(change) {
    const before = this._references;
    this._references += change;
    if ((before === 0) !== (this._references === 0)) {
      native.setEngineReferenced(this.native, this._references > 0);
    }
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
   * Sees to a flush at the end of the tick, or of the dispatch.
   */
  schedule() {
    if (this._isScheduled || this._isDispatching) return;
    this._isScheduled = true;
    process.nextTick(this._flush);
  }

  /**
   * Ends the process: no tick comes any more whose end could be waited for.
   *
   * @private
   */
  _endProcess() {
    this.flush(true);
    this.schedule = () => this.flush(true);
  }

  /**
   * Remembers that callbacks of a connection wait for the next flush.
   *
   * @param {any} connection The connection
   */
  expect(connection) {
    this._expecting.push(connection);
  }

  /**
   * Does what `wake` put off.
   *
   * @private
   */
  _serve() {
    this._isWoken = false;
    for (const id of this._fed.splice(0)) native.releaseConnection(this.native, id);
    native.serveEngine(this.native);
    this._dispatch();
  }

  /**
   * Sees to a dispatch that takes what a connection was fed, behind the current tick.
   *
   * @param {number} id The connection
   */
  wakeFed(id) {
    if (this._isTasked) this._fed.push(id);
    this.wake();
  }

  /**
   * Sees to a dispatch that no descriptor announces, behind the current tick.
   */
  wake() {
    if (this._isWoken) return;
    this._isWoken = true;
    process.nextTick(this._onWoken);
  }

  /**
   * Pins the driver, or has it chosen from now on.
   *
   * @param {string | undefined} driver `'tokio'`, `'auto'`; anything else leaves it as it is
   */
  chooseDriver(driver) {
    if (driver === 'tokio') this.setTasked(true);
    else if (driver === 'auto') {
      this._choice = new DriverChoice((isTasked) => this.setTasked(isTasked));
    }
  }

  /**
   * Moves the work to a task on another thread, or back. Nothing is lost or overtaken.
   *
   * @param {boolean} isTasked Whether the task has the work from now on
   * @return {boolean} Whether it is so now
   */
  setTasked(isTasked) {
    if (this._isTasked === isTasked) return true;
    this.flush(true);
    if (!native.setTokioDriver(this.native, isTasked)) return false;
    this._isTasked = isTasked;
    if (!isTasked) this.wake();
    return true;
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
   * Tells whether what has been handed over waits without a connection's knowing: a task has found
   * that out, and it's on the way.
   *
   * @param {number} id The connection
   * @return {boolean} Whether something waits
   */
  hasUntoldBacklog(id) {
    return this._isTasked && native.pendingBytes(this.native, id) > 0;
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
    if (!this._isTasked || body.length > MAX_LEFT_LENGTH) return false;
    this.flush();
    return native.sendParts(this.native, id, head, body);
  }

  /**
   * Hands over what is to be sent.
   *
   * @param {boolean} [isUrgent] Whether it has to be with the kernel, as far as that takes it, when
   *   this returns; so it has where a callback waits for that
   */
  flush(isUrgent = false) {
    const atOnce = isUrgent || this._expecting.length > 0;
    if (this._commandCount > 0 || (this._isTasked && atOnce)) {
      const count = this._commandCount;
      this._commandCount = 0;
      this._scratchUsed = 0;
      const { memory, values } = this._results;
      const waiting = native.flushEngine(
        this.native,
        this._commands.memory,
        count,
        this._scratch,
        memory,
        atOnce
      );
      for (let i = 0; i < waiting; i++) {
        const connection = this._connections[values[i]];
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
      process.nextTick(settleAll, expecting, handed);
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
    const count = native.drainConnection(this.native, id, memory, slab);
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
    return native.takeEnginePayload(this.native, -1 - place);
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
   * Takes what has arrived and hands it out. Called by the event loop.
   *
   * @private
   */
  _dispatch() {
    let thrown = true;
    let isDone = false;
    this._isDispatching = true;
    enterDispatch();
    try {
      // Behind an exception: first what was taken already.
      this._deliver();
      for (let batches = 0; batches < MAX_BATCHES && !isDone; batches++) {
        const status = this._poll();
        this._deliver();
        if (status === STATUS_IDLE) {
          // What listeners sent is on its way before it's said that nothing more comes of them.
          this.flush();
          isDone = !native.hasReady(this.native);
        }
      }
      thrown = false;
    } finally {
      this._isDispatching = false;
      leaveDispatch();
      this.flush();
      // Timers and other I/O first. What a listener throws surfaces at once, the rest follows.
      if (thrown || !isDone) setImmediate(this._resume);
    }
    this._choice?.note(this._connectionCount);
    this._connectionCount = 0;
  }

  /**
   * Takes a batch.
   *
   * @return {number} Whether there is more
   * @private
   */
  _poll() {
    const { memory, values } = this._records;
    // To clear an empty one makes a table, too.
    if (this._departed.size > 0) this._departed.clear();
    this._index = 0;
    this._count = 0;
    // Somebody has transferred the memory of a message: it's gone.
    if (this._slab.length === 0) this._renewSlab();
    this._count = native.pollEngine(this.native, memory, this._slab, this._slabUsed);
    this._slabUsed = values[0];
    return values[1];
  }

  /**
   * Hands out the batch.
   *
   * @private
   */
  _deliver() {
    const { values } = this._records;
    while (this._index < this._count) {
      const id = values[(this._index + 1) * RECORD_FIELDS];
      const departed = this._departed.size > 0 ? this._departed.get(id) : undefined;
      const connection = departed ?? this._connections[id];
      if (connection === undefined) {
        this._index++;
        if (id === NOBODY) this._fallBack();
      } else {
        this._connectionCount++;
        connection.context.runInAsyncScope(this._deliverRun, this, id, connection);
      }
    }
    if (values[1] === STATUS_MEMORY_FULL) {
      values[1] = STATUS_IDLE;
      this._renewSlab();
    }
  }

  /**
   * Goes on after a panic: on the event loop, where something is done whatever became of the task.
   *
   * @private
   */
  _fallBack() {
    process.emitWarning('The engine has panicked and goes on. Please report this.', {
      code: 'ERR_OXWS_INTERNAL',
      type: 'OxwsWarning'
    });
    this.setTasked(false);
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

/**
 * Makes the engines of this thread: one, or several where each has a task on a thread of its own. On
 * the event loop they would only take turns.
 *
 * @return {Engine[]} The engines, none where there can be none
 */
function createEngines() {
  // Bun has libuv's functions by name, and ends the process when one is called.
  if (process.env.OXWS_TRANSPORT === 'stream' || process.versions.bun) return [];
  const driver = availableParallelism() > 1 ? process.env.OXWS_DRIVER : undefined;
  const count = driver === 'tokio' || driver === 'auto' ? native.engineThreads() : 1;
  const created = Array.from({ length: count }, () => new Engine());
  const usable = created.filter((engine) => engine.native !== null);
  for (const engine of usable) {
    engine.chooseDriver(driver);
    process.on('exit', () => engine._endProcess());
  }
  return usable;
}

/** @type {Engine[] | undefined} */
let engines;

/**
 * Gives the engine that the next connection of this thread goes to: the one that has the fewest.
 *
 * @return {Engine | null} `null` where there can be none
 */
function getEngine() {
  engines ??= createEngines();
  let chosen = engines[0] ?? null;
  for (const engine of engines) {
    if (engine.size < chosen.size) chosen = engine;
  }
  return chosen;
}

module.exports = { COMPRESSED, getEngine, MAX_COMPRESSED_LENGTH, MAX_COPY_LENGTH, RAW };

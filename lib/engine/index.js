// @ts-check
'use strict';

// The JavaScript side of the engine, which owns the sockets of the native transport: its
// connections, and what makes it work.
//
// One native call takes what has arrived on all connections, another hands over what they send.
// Events come as records, payloads as views on a slab of memory that the engine reads into
// (`inbox.js`); what is sent is collected in scratch memory with a command each (`outbox.js`).

const FrameQueue = require('../frame-queue');
// Not the global ones: those may be fakes of a test's, and sockets live on.
const { nextTick, processors, runTicks, setImmediate } = require('../host');
const native = require('../native');
const { DriverChoice } = require('./driver');
const Inbox = require('./inbox');
const { Outbox } = require('./outbox');
const { EngineTimers } = require('./timers');

const { STATUS_IDLE } = native;

/** Batches that are handled before timers and other I/O get their turn. */
const MAX_BATCHES = 16;
/**
 * And bytes of large messages, which are in no batch. A turn of libuv takes 2 MiB of each
 * connection.
 */
const MAX_LARGE_BYTES = 4 * 1024 * 1024;

/** @typedef {import('./connection')} Connection */

/**
 * An engine of one JavaScript thread: a reactor, and what goes there and comes from there.
 */
class Engine {
  /**
   * @param {number} [count=1] How many of them this thread has
   */
  constructor(count = 1) {
    const dispatch = () => {
      this.turn++;
      this._dispatch();
    };
    /** @type {any} */
    this.native = native.createEngine(dispatch, count) ?? null;
    /** Counts turns of the event loop in which something has arrived. */
    this.turn = 0;
    /** @type {(Connection | undefined)[]} By their number. */
    this._connections = [];
    /** How many there are. */
    this.size = 0;
    this._references = 0;
    /** Whether a task on another thread reads and writes. */
    this.isTasked = false;
    /** @type {DriverChoice | null} What moves the work; nothing where the driver is pinned. */
    this._choice = null;
    /** Whether it is one that a task may have, now or later. */
    this.mayBeTasked = false;
    /** What the task does not read yet. @type {{id: number, connection: Connection}[]} */
    this._unreleased = [];
    this._release = () => this._releaseAll();
    /** @type {number[]} Connections that were fed and have not been served since. */
    this._fed = [];

    /** @type {EngineTimers | null} What gives connections a heartbeat, once one has it. */
    this._timers = null;

    this.inbox = new Inbox(this);
    this.outbox = new Outbox(this);
    /** Whether the rest of a dispatch follows when the event loop has turned. */
    this._isUnfinished = false;
    this._resume = () => {
      this._isUnfinished = false;
      this._dispatch();
    };
    this._isRunningTicks = false;
    this._isWoken = false;
    this._onWoken = () => this._serve();
  }

  /**
   * Takes a connection whose descriptor the native part has.
   *
   * @param {number} id Its number
   * @param {Connection} connection What gets its records
   */
  add(id, connection) {
    this._connections[id] = connection;
    this.size++;
    if (!this.isTasked) return;
    // The task is as late as the event loop would be: a program that hears of the connection may
    // look at its bytes before they become messages.
    if (this._unreleased.length === 0) setImmediate(this._release);
    this._unreleased.push({ id, connection });
  }

  /**
   * Has connections read that were added since the event loop turned.
   *
   * @private
   */
  _releaseAll() {
    const unreleased = this._unreleased;
    this._unreleased = [];
    for (const { id, connection } of unreleased) {
      if (this._connections[id] === connection) native.releaseConnection(this.native, id);
    }
    if (!this.isTasked) this.wake();
  }

  /**
   * Lets a connection go.
   *
   * @param {number} id Its number
   */
  remove(id) {
    this.inbox.drop(id);
    this._connections[id] = undefined;
    this.size--;
  }

  /**
   * @param {number} id A number
   * @return {Connection | undefined} The connection that has it, if there is one
   */
  connectionOf(id) {
    return this._connections[id];
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

  /** What gives connections a heartbeat. */
  get timers() {
    this._timers ??= new EngineTimers(this);
    return this._timers;
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
    // The dispatch between whose events this is goes on anyway.
    if (!this._isRunningTicks) this._dispatch();
  }

  /**
   * Sees to a dispatch that takes what a connection was fed, after the current tick.
   *
   * @param {number} id The connection
   */
  wakeFed(id) {
    if (this.isTasked) this._fed.push(id);
    this.wake();
  }

  /**
   * Sees to a dispatch that no descriptor announces, after the current tick.
   */
  wake() {
    if (this._isWoken) return;
    this._isWoken = true;
    // What was sent before is called back before what arrives is handed out.
    if (this.outbox.isExpected) this.outbox.flush();
    nextTick(this._onWoken);
  }

  /**
   * Pins the driver, or has it chosen from now on.
   *
   * @param {string | undefined} driver `'tokio'`, `'auto'`; anything else leaves it as it is
   */
  chooseDriver(driver) {
    this.mayBeTasked = driver === 'tokio' || driver === 'auto';
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
    if (this.isTasked === isTasked) return true;
    this.outbox.flush(true);
    if (!native.setTokioDriver(this.native, isTasked)) return false;
    this.isTasked = isTasked;
    if (!isTasked) this.wake();
    return true;
  }

  /**
   * Takes what has arrived and hands it out. Called by the event loop.
   *
   * @private
   */
  _dispatch() {
    // It follows in the same turn of the event loop.
    if (this._isUnfinished) return;
    let thrown = true;
    let isDone = false;
    let received = 0;
    this.outbox.isDispatching = true;
    FrameQueue.enterDispatch();
    try {
      // After an exception: first what was taken already.
      this.inbox.deliver();
      for (let batches = 0; batches < MAX_BATCHES && received < MAX_LARGE_BYTES; batches++) {
        const status = this.inbox.poll();
        this.inbox.deliver();
        received += this.inbox.takeReceived();
        if (status === STATUS_IDLE) {
          // What listeners sent is on its way before it's said that nothing more comes of them.
          this.outbox.flush();
          isDone = !this.inbox.hasUndelivered() && !native.hasReady(this.native);
          if (isDone) break;
        }
      }
      thrown = false;
    } finally {
      this.outbox.isDispatching = false;
      FrameQueue.leaveDispatch();
      this.outbox.flush();
      this.inbox.endTick();
      if (thrown) this.inbox.interrupt();
      // Timers and other I/O first. What a listener throws surfaces at once, the rest follows.
      if (thrown || !isDone) {
        this._isUnfinished = true;
        setImmediate(this._resume);
      }
    }
    this._choice?.note(this.inbox.takeActivity());
  }

  /**
   * Runs what `process.nextTick()` and promises have queued, the callbacks of what was sent among
   * it.
   */
  runTicks() {
    if (this.outbox.isExpected) this.outbox.flush();
    this._isRunningTicks = true;
    try {
      runTicks();
    } catch (error) {
      // It leaves the asynchronous contexts of the tick, which Node clears when it has
      // reported it.
      native.throwUncaught(error);
    } finally {
      this._isRunningTicks = false;
    }
  }

  /**
   * Goes on after a panic: on the event loop, where something is done whatever became of the task.
   */
  fallBack() {
    process.emitWarning('The engine has panicked and goes on. Please report this.', {
      code: 'ERR_OXWS_INTERNAL',
      type: 'OxwsWarning'
    });
    this.setTasked(false);
  }
}

/**
 * Makes the engines of this thread: one, or several where each has a task on a thread of its own.
 * On the event loop they would only take turns.
 *
 * @param {boolean} [isPinned] Whether it's one that stays on the event loop
 * @return {Engine[]} The engines, none where there can be none
 */
function createEngines(isPinned = false) {
  // Bun has libuv's functions by name, and ends the process when one is called.
  if (process.env.OXWS_TRANSPORT === 'stream' || process.versions.bun) return [];
  // Neither the addon for Windows nor WebAssembly has an engine.
  if (native.createEngine === undefined) return [];
  const mayHaveTask = !isPinned && processors > 1;
  const driver = mayHaveTask ? process.env.OXWS_DRIVER : undefined;
  const count = driver === 'tokio' || driver === 'auto' ? native.engineThreads() : 1;
  const created = Array.from({ length: count }, () => new Engine(count));
  const usable = created.filter((engine) => engine.native !== null);
  for (const engine of usable) {
    engine.chooseDriver(driver);
    process.on('exit', () => engine.outbox.endProcess());
  }
  return usable;
}

/** @type {Engine[] | undefined} */
let engines;
/**
 * The engine for TLS where those have a task, which can't have OpenSSL.
 *
 * @type {Engine | undefined}
 */
let secureEngine;

/**
 * Gives the engine that the next connection of this thread goes to: the one that has the fewest.
 *
 * @param {boolean} [isSecure] Whether it's over TLS: then one that works on this thread
 * @return {Engine | null} `null` where there can be none
 */
function getEngine(isSecure = false) {
  engines ??= createEngines();
  if (isSecure && engines[0]?.mayBeTasked) {
    if (secureEngine === undefined) [secureEngine] = createEngines(true);
    return secureEngine ?? null;
  }
  let chosen = engines[0] ?? null;
  for (const engine of engines) {
    if (engine.size < chosen.size) chosen = engine;
  }
  return chosen;
}

module.exports = { Engine, getEngine };

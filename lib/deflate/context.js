// @ts-check
'use strict';

// The native state of one direction of permessage-deflate, and when its results are given.
//
// Small inputs are worked on at once, and their results come some turns of the event loop later:
// programs that were written for zlib's streams rely on the time that those take. Large ones are
// worked on by the native part's threads. No result comes before the JavaScript that asks for it
// has ended.

const { AsyncResource } = require('node:async_hooks');
const zlib = require('node:zlib');

const { createInflateError } = require('../errors');
const { nextTick, processors, setImmediate } = require('../host');
const native = require('../native');
const { notePayload } = require('../payload-memory');
const workApart = require('./work');
const { createOptionsReader } = require('./options');

/** Bytes of input, and of output, from which on the JavaScript thread is spared the work. */
const { LARGE_INPUT, LARGE_OUTPUT } = native;

/** @typedef {(error: Error | null, data?: Buffer) => void} Callback */
/** @typedef {import('../limiter')} Limiter */

/**
 * Turns of the event loop until a result is given. When a peer ends its connection after a
 * message, the socket's `'close'` event comes before the message does, as it does with ws.
 */
const TURNS = 4;
/** Small compressions in one turn of the event loop from which on it is, too. */
const MIN_BATCH = processors > 1 ? 8 : Number.POSITIVE_INFINITY;
/** Runs of those at a time. */
const MAX_RUNS = Math.min(processors, 4);

const readDeflateOptions = createOptionsReader((options) => zlib.createDeflateRaw(options));
const readInflateOptions = createOptionsReader((options) => zlib.createInflateRaw(options));

/**
 * One operation. Operations of several contexts run together, so it keeps the async context in
 * which it was asked for. (`AsyncResource.bind()` makes each function a map of its own in V8's old
 * generation: 2 KB that stay until all of that is collected.)
 */
class Operation extends AsyncResource {
  /**
   * @param {Buffer} data The input
   * @param {boolean} fin Whether the message ends with it
   * @param {Callback} callback Takes the result
   */
  constructor(data, fin, callback) {
    super('OXWSZLIB');
    this.data = data;
    this.fin = fin;
    this.callback = callback;
    /** @type {Operation | null} The next of the same context. */
    this.next = null;
  }

  /**
   * Gives the result.
   *
   * @param {Error | null} error The error
   * @param {Buffer} [data] The output
   */
  conclude(error, data) {
    this.runInAsyncScope(this.callback, undefined, error, data);
  }
}

/**
 * Runs the operations of one direction, one after the other.
 */
class ZlibContext {
  /**
   * @param {import('./options').ContextOptions} options The options
   * @param {InstanceType<typeof native.Deflater> | InstanceType<typeof native.Inflater>} state
   *   The native state
   * @param {Limiter} limiter Bounds what the native part's threads are given
   */
  constructor(options, state, limiter) {
    this._options = options;
    /** The native state. */
    this.state = state;
    this._limiter = limiter;
    /** @type {Operation | null} The one that runs; those that wait follow it. */
    this._running = null;
    /** @type {Operation | null} The one that was asked for last. */
    this._last = null;
    /** What waits for the limiter. @type {ReturnType<Limiter['add']> | null} */
    this._waiting = null;
    /** Asked to look again when nothing runs. @type {import('../transport').Rest | null} */
    this._onRest = null;
    this._closed = false;
  }

  /** Bytes that a stream of zlib would give at a time; like the next two, it has these fields. */
  get _chunkSize() {
    return this._options.chunkSize;
  }

  /** The level of compression. */
  get _level() {
    return this._options.level;
  }

  /** The strategy. */
  get _strategy() {
    return this._options.strategy;
  }

  /** Whether no operation runs or waits. */
  get isIdle() {
    return this._running === null;
  }

  /**
   * Runs an operation when those before it have ended.
   *
   * @param {Buffer} data The input
   * @param {boolean} fin Whether the message ends with it
   * @param {Callback} callback Takes the result
   */
  run(data, fin, callback) {
    const operation = new Operation(data, fin, callback);
    const { _last: last } = this;
    this._last = operation;
    if (last !== null) {
      last.next = operation;
      return;
    }
    this._running = operation;
    this._start(operation);
  }

  /**
   * Gives the memory back. Operations that have not ended never call back.
   *
   * @return {Operation[]} Those
   */
  close() {
    const operations = [];
    for (let each = this._running; each !== null; each = each.next) operations.push(each);
    this._running = this._last = null;
    this._closed = true;
    if (this._waiting !== null) this._limiter.remove(this._waiting);
    this.state.free();
    return operations;
  }

  /**
   * Starts an operation.
   *
   * @param {Operation} _operation The operation
   * @protected
   */
  _start(_operation) {}

  /**
   * Gives a result in a later turn of the event loop.
   *
   * @param {() => void} deliver Gives it
   */
  _later(deliver) {
    let turns = TURNS;
    const turn = () => {
      if (--turns > 0) setImmediate(turn);
      else deliver();
    };
    setImmediate(turn);
  }

  /**
   * Gives the result of the operation that runs, and starts the next.
   *
   * @param {Error | null} error The error
   * @param {Buffer} [data] The output
   */
  _deliver(error, data) {
    const operation = this._running;
    if (operation === null) return; // closed meanwhile
    const { next } = operation;
    this._running = next;
    // What V8 has moved to its old generation keeps what it refers to alive, though it has ended.
    operation.next = null;
    if (next !== null) {
      this._start(next);
    } else {
      this._last = null;
      this._onRest?.askSoon();
    }
    operation.conclude(error, data);
  }

  /**
   * Moves the work to the native part's threads, as soon as the limiter allows. The native part
   * holds to the same limit for all that it does on threads; what waits here has not begun, and
   * leaves the queue if the connection closes.
   *
   * @param {import('./work').Start} start Begins the work
   * @param {(output: Buffer | null) => void} conclude Takes its output
   * @protected
   */
  _workApart(start, conclude) {
    this._waiting = this._limiter.add((done) => {
      workApart(start, (error, output) => {
        done();
        if (error !== null) this._deliver(error);
        else if (!this._closed) conclude(output);
      });
    });
  }
}

/**
 * Compresses.
 */
class DeflateContext extends ZlibContext {
  /**
   * @param {object | undefined} userOptions The `zlibDeflateOptions`
   * @param {number} windowBits The window as agreed
   * @param {boolean} noContextTakeover Whether each message starts with an empty window
   * @param {Limiter} limiter Bounds what the native part's threads are given
   * @param {InstanceType<typeof native.Deflater> | null} state The native state, if there is one
   */
  constructor(userOptions, windowBits, noContextTakeover, limiter, state) {
    const options = readDeflateOptions(userOptions, windowBits, noContextTakeover);
    super(options, state ?? new native.Deflater(options), limiter);
  }

  /**
   * Starts an operation.
   *
   * @param {Operation} operation The operation
   * @protected
   */
  _start({ data, fin }) {
    const state = /** @type {InstanceType<typeof native.Deflater>} */ (this.state);
    if (data.length < LARGE_INPUT) {
      waiting.push(state, data, fin);
      // Not pushed, which would make room for seventeen: it's often the only one.
      if (queued.length === 0) queued = [this];
      else queued.push(this);
      if (queued.length === 1 && runs < MAX_RUNS) setImmediate(runQueued);
      return;
    }
    this._workApart(
      (results, number) => state.deflateApart(results, number, data, fin),
      (output) => this._deliver(null, /** @type {Buffer} */ (output))
    );
  }
}

/** Small compressions that wait for a run, and whose they are, in the same order. */
const waiting = new native.DeflationQueue();
/** @type {DeflateContext[]} */
let queued = [];
/** How many runs the native part's threads have. */
let runs = 0;

/**
 * Runs the compressions of a turn of the event loop: a few at once, many on another thread, which
 * is worth the way there and back for all of them together.
 */
function runQueued() {
  const contexts = queued;
  queued = [];
  if (contexts.length < MIN_BATCH) {
    const { bytes, lengths } = waiting.run();
    giveEach(contexts, bytes, lengths, (context, output) =>
      context._later(() => context._deliver(null, output))
    );
    return;
  }
  runs++;
  /** @type {import('./work').Start} */
  const start = (results, number) => waiting.runApart(results, number);
  workApart(start, (error, bytes, lengths) => {
    // The next one takes what has come meanwhile.
    if (runs-- === MAX_RUNS && queued.length > 0) setImmediate(runQueued);
    if (error !== null) {
      for (const context of contexts) nextTick(() => context._deliver(error));
      return;
    }
    giveEach(contexts, bytes, lengths, (context, output) => context._deliver(null, output));
  });
}

/**
 * Gives each context its output.
 *
 * @param {DeflateContext[]} contexts The contexts
 * @param {Buffer} bytes The outputs
 * @param {number[]} lengths How long each is
 * @param {(context: DeflateContext, output: Buffer) => void} give Gives one
 */
function giveEach(contexts, bytes, lengths, give) {
  let end = 0;
  let index = 0;
  try {
    while (index < contexts.length) {
      end += lengths[index];
      const output = bytes.subarray(end - lengths[index], end);
      index++;
      give(contexts[index - 1], output);
    }
  } finally {
    // After a callback that throws.
    if (index < contexts.length) {
      const rest = bytes.subarray(end);
      nextTick(giveEach, contexts.slice(index), rest, lengths.slice(index), give);
    }
  }
}

/** Bytes of outputs that wait to be given. */
let waitingOutput = 0;
/** Contexts that begin when there are less. @type {Set<InflateContext>} */
const stalled = new Set();

/**
 * Begins what was not begun while too much output waited.
 */
function beginStalled() {
  for (const context of stalled) {
    if (context.mustWait) return;
    stalled.delete(context);
    context.begin();
  }
}

/**
 * Decompresses.
 */
class InflateContext extends ZlibContext {
  /**
   * @param {object | undefined} userOptions The `zlibInflateOptions`
   * @param {number} windowBits The window as agreed
   * @param {boolean} noContextTakeover Whether each message starts with an empty window
   * @param {Limiter} limiter Bounds what the native part's threads are given
   * @param {InstanceType<typeof native.Inflater> | null} state The native state, if there is one
   */
  constructor(userOptions, windowBits, noContextTakeover, limiter, state) {
    const options = readInflateOptions(userOptions, windowBits, noContextTakeover);
    super(options, state ?? new native.Inflater(options), limiter);
    /** The greatest length that an output may have; 0 for no limit. */
    this.limit = 0;
  }

  /**
   * Whether so much output waits to be given that there must not be more: as much as makes each job
   * large that may run at a time.
   */
  get mustWait() {
    return waitingOutput >= this._limiter.limit * LARGE_OUTPUT;
  }

  /**
   * Gives the memory back. Operations that have not ended never call back.
   *
   * @return {Operation[]} Those
   */
  close() {
    stalled.delete(this);
    return super.close();
  }

  /**
   * Starts an operation.
   *
   * @param {Operation} operation The operation
   * @protected
   */
  _start({ data, fin }) {
    if (data.length < LARGE_INPUT) {
      if (this.mustWait) stalled.add(this);
      else this.begin();
      return;
    }
    const state = /** @type {InstanceType<typeof native.Inflater>} */ (this.state);
    this._workApart(
      (results, number) => state.inflateApart(results, number, data, fin, this.limit),
      (output) => this._conclude(output)
    );
  }

  /**
   * Inflates the input of the operation that runs: here, as far as that doesn't take long.
   */
  begin() {
    const state = /** @type {InstanceType<typeof native.Inflater>} */ (this.state);
    const { data, fin } = /** @type {Operation} */ (this._running);
    const output = state.inflate(data, fin, this.limit, LARGE_OUTPUT);
    const failure = output === null ? state.failure() : null;
    if (output === null && failure === null) {
      this._workApart(
        (results, number) => state.resumeApart(results, number),
        (rest) => this._conclude(rest)
      );
      return;
    }
    const length = output?.length ?? 0;
    waitingOutput += length;
    this._later(() => {
      waitingOutput -= length;
      try {
        this._deliver(toError(failure), output ?? undefined);
      } finally {
        beginStalled();
      }
    });
  }

  /**
   * Gives what the native part's threads made.
   *
   * @param {Buffer | null} output The output, if there is one
   * @private
   */
  _conclude(output) {
    const state = /** @type {InstanceType<typeof native.Inflater>} */ (this.state);
    if (output) {
      notePayload(output.length);
      this._deliver(null, output);
    } else {
      this._deliver(toError(state.failure()));
    }
  }
}

/**
 * Makes the error with which a connection fails.
 *
 * @param {ReturnType<InstanceType<typeof native.Inflater>['failure']>} failure What the native
 *   part says
 * @return {Error | null} An error as Node's zlib gives it, or that of ws for the limit
 */
function toError(failure) {
  return failure === null ? null : createInflateError(failure);
}

module.exports = { DeflateContext, InflateContext };

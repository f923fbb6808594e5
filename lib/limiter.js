// @ts-check
'use strict';

// Bounds how many jobs run at a time.

const kDone = Symbol('kDone');
const kRun = Symbol('kRun');

/** @typedef {(done: () => void) => void} Job */

/**
 * A job that waits. Those of a limiter are a list, so that one can leave it wherever it is.
 *
 * @typedef {object} Entry
 * @property {Job | null} job The job; `null` once it has left the list
 * @property {Entry | null} previous The one before it
 * @property {Entry | null} next The one after it
 */

/**
 * Runs jobs in the order in which they come, a number of them at a time.
 */
class Limiter {
  /**
   * @param {number} [concurrency=Infinity] How many jobs may run at a time; 0 for any number
   */
  constructor(concurrency) {
    this.concurrency = concurrency || Infinity;
    /** How many jobs run. */
    this.pending = 0;
    /** @type {Entry | null} */
    this._first = null;
    /** @type {Entry | null} */
    this._last = null;
    this._isRunning = false;
    this[kDone] = () => {
      this.pending--;
      this[kRun]();
    };
  }

  /**
   * How many jobs may run at a time. They are compared with `concurrency` as it was given: as in ws
   * nothing but a whole number stops them.
   */
  get limit() {
    const { concurrency } = this;
    return Number.isInteger(concurrency) && concurrency > 0 ? concurrency : Infinity;
  }

  /** The jobs that wait. */
  get jobs() {
    const jobs = [];
    for (let entry = this._first; entry !== null; entry = entry.next) jobs.push(entry.job);
    return jobs;
  }

  /**
   * Runs a job, now or when it is its turn.
   *
   * @param {Job} job Calls the function that it is given when it is done
   * @return {Entry} What `remove()` takes
   */
  add(job) {
    /** @type {Entry} */
    const entry = { job, previous: this._last, next: null };
    if (this._last === null) this._first = entry;
    else this._last.next = entry;
    this._last = entry;
    this[kRun]();
    return entry;
  }

  /**
   * Takes a job out of the list, where it still is there.
   *
   * @param {Entry} entry What `add()` returned
   */
  remove(entry) {
    if (entry.job === null) return;
    const { next, previous } = entry;
    if (previous === null) this._first = next;
    else previous.next = next;
    if (next === null) this._last = previous;
    else next.previous = previous;
    entry.job = entry.next = entry.previous = null;
  }

  /**
   * Runs jobs while there are some and they may run. A loop, since a job may be done before it
   * returns, and thousands in a row may be.
   *
   * @private
   */
  [kRun]() {
    if (this._isRunning) return;
    this._isRunning = true;
    try {
      while (this._first !== null && this.pending !== this.concurrency) {
        const job = /** @type {Job} */ (this._first.job);
        this.remove(this._first);
        this.pending++;
        job(this[kDone]);
      }
    } finally {
      this._isRunning = false;
    }
  }
}

module.exports = Limiter;

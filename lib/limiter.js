// @ts-check
'use strict';

// Bounds how many jobs run at a time.

const kDone = Symbol('kDone');
const kRun = Symbol('kRun');

/** @typedef {(done: () => void) => void} Job */

/**
 * Runs jobs in the order in which they come, a number of them at a time.
 */
class Limiter {
  /**
   * @param {number} [concurrency=Infinity] How many jobs may run at a time; 0 for any number
   */
  constructor(concurrency) {
    this.concurrency = concurrency || Infinity;
    /** @type {Job[]} The jobs that wait. */
    this.jobs = [];
    /** How many jobs run. */
    this.pending = 0;
    this[kDone] = () => {
      this.pending--;
      this[kRun]();
    };
  }

  /**
   * Runs a job, now or when it is its turn.
   *
   * @param {Job} job Calls the function that it is given when it is done
   */
  add(job) {
    this.jobs.push(job);
    this[kRun]();
  }

  /**
   * Runs the next job if there is one and it may run.
   *
   * @private
   */
  [kRun]() {
    if (this.pending === this.concurrency) return;
    const job = this.jobs.shift();
    if (job === undefined) return;
    this.pending++;
    job(this[kDone]);
  }
}

module.exports = Limiter;

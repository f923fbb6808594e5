// @ts-check
'use strict';

// What the native part's threads do for this one, and who takes what that came to.

const native = require('./native');

/** @typedef {InstanceType<typeof native.WorkResults>} WorkResults */
/** @typedef {(results: WorkResults, number: number) => void} Start */
/**
 * @typedef {(error: Error | null, bytes: any, lengths: any) => void} Conclude Takes the bytes of the
 *   output, `null` where there is none; and the lengths of the outputs that they are, if those are
 *   several
 */

/** Who takes the results, by the number of the work. @type {Map<number, Conclude>} */
const expected = new Map();
let lastNumber = 0;
/** @type {WorkResults | null} Made with the first piece of work. */
let results = null;

/**
 * Has the native part's threads do some work. The event loop is kept alive until it has ended.
 *
 * @param {Start} start Begins it
 * @param {Conclude} conclude Called in a later turn of the event loop
 */
function workApart(start, conclude) {
  results ??= new native.WorkResults(take);
  lastNumber = (lastNumber + 1) >>> 0;
  start(results, lastNumber);
  expected.set(lastNumber, conclude);
  if (expected.size === 1) results.setReferenced(true);
}

/**
 * Takes what work came to.
 *
 * @param {number} number The number of the work
 * @param {Buffer | null | undefined} bytes Its output
 * @param {number[] | null | undefined} lengths How long each output is
 * @param {boolean} isFinished Whether the work was finished
 */
function take(number, bytes, lengths, isFinished) {
  const conclude = /** @type {Conclude} */ (expected.get(number));
  expected.delete(number);
  if (expected.size === 0) /** @type {WorkResults} */ (results).setReferenced(false);
  const error = isFinished ? null : new Error('the work was not finished');
  // What it throws is the program's, and an uncaught exception of a tick.
  process.nextTick(conclude, error, bytes ?? null, lengths ?? null);
}

module.exports = workApart;

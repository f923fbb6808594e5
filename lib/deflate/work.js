// @ts-check
'use strict';

// What the native part's threads do for this one, and what takes the results.

const { AsyncResource } = require('node:async_hooks');

const { nextTick, setImmediate } = require('../host');
const native = require('../native');

/** @typedef {InstanceType<typeof native.WorkResults>} WorkResults */
/** @typedef {(results: WorkResults, number: number) => void} Start */
/**
 * @typedef {(error: Error | null, bytes: any, lengths: any) => void} Conclude Takes the bytes of
 *   the output, `null` where there is none; and the lengths of the outputs that they are, if those
 *   are several
 */

/**
 * The callbacks that take the results, by the number of the work. Not a map: each table that one
 * has outgrown refers to the next, and what was in it lives on until V8 collects its old
 * generation.
 *
 * @type {(Conclude | null)[]}
 */
const expected = [];
/** Numbers that may be given again. @type {number[]} */
const free = [];
/** How many results are expected. */
let count = 0;
/** @type {WorkResults | null} Made with the first piece of work. */
let results = null;
/** Results of at most this many bytes are given in a turn of the event loop. */
const MAX_GIVEN = 1024 * 1024;
/** How many bytes were given in this turn. */
let given = 0;
/** What is given in the next turns. @type {Parameters<typeof give>[]} */
let postponed = [];
/** The context in which results are taken: not that of the first request, for good. */
const context = new AsyncResource('OXWSWORK');

/**
 * Moves some work to the native part's threads. The event loop is kept alive until it has ended.
 *
 * @param {Start} start Begins it
 * @param {Conclude} conclude Called after the JavaScript that runs
 */
function workApart(start, conclude) {
  results ??= context.runInAsyncScope(() => new native.WorkResults(take));
  const number = free.pop() ?? expected.length;
  expected[number] = conclude;
  if (++count === 1) results.setReferenced(true);
  try {
    start(results, number);
  } catch (error) {
    // The number is not free yet: should the work have begun after all, the callback of another
    // would be called.
    end(number, error, null, null);
  }
}

/**
 * Takes the result of some work.
 *
 * @param {number} number The number of the work
 * @param {Buffer | null | undefined} bytes Its output
 * @param {number[] | null | undefined} lengths How long each output is
 * @param {boolean} isFinished Whether the work was finished
 */
function take(number, bytes, lengths, isFinished) {
  free.push(number);
  if (expected[number] === null) return; // it has heard that the work did not begin
  const error = isFinished ? null : new Error('the work was not finished');
  end(number, error, bytes ?? null, lengths ?? null);
}

/**
 * Calls the callback of some work that has ended.
 *
 * @param {number} number The number of the work
 * @param {any} error Why there is no result
 * @param {Buffer | null} bytes Its output
 * @param {number[] | null} lengths How long each output is
 */
function end(number, error, bytes, lengths) {
  const conclude = /** @type {Conclude} */ (expected[number]);
  expected[number] = null;
  if (--count === 0) /** @type {WorkResults} */ (results).setReferenced(false);
  if (given >= MAX_GIVEN) postponed.push([conclude, error, bytes, lengths]);
  else give(conclude, error, bytes, lengths);
}

/**
 * Gives a result. Node frees the memory of collected buffers between two turns of the event loop,
 * so many large ones aren't given in the same.
 *
 * @param {Conclude} conclude Takes it
 * @param {any} error Why there is no result
 * @param {Buffer | null} bytes Its output
 * @param {number[] | null} lengths How long each output is
 */
function give(conclude, error, bytes, lengths) {
  if (given === 0) setImmediate(beginTurn);
  given += 1 + (bytes?.length ?? 0);
  // What it throws is the program's, and an uncaught exception of a tick.
  nextTick(conclude, error, bytes, lengths);
}

/**
 * Gives what was postponed, as far as that is for this turn.
 */
function beginTurn() {
  given = 0;
  let count = 0;
  while (count < postponed.length && given < MAX_GIVEN) give(...postponed[count++]);
  postponed = postponed.slice(count);
}

module.exports = workApart;

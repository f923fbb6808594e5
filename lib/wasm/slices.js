// @ts-check
'use strict';

// Work that takes long, in slices between which the event loop turns: WebAssembly has no threads
// here.

const { setImmediate } = require('../host');

/** Bytes that are worked on in a turn of the event loop, about half a millisecond. */
const SLICE_LENGTH = 64 * 1024;

/** @type {(() => number)[]} Pieces of work that take turns. */
const waiting = [];

/**
 * Does work slice by slice.
 *
 * @param {() => number} step Does a slice; gives the bytes that it worked on, or 0 when there was
 *   nothing left to do
 */
function workInSlices(step) {
  waiting.push(step);
  if (waiting.length === 1) setImmediate(turn);
}

/** Does what there is time for in a turn. */
function turn() {
  let budget = SLICE_LENGTH;
  while (budget > 0 && waiting.length > 0) {
    const step = /** @type {() => number} */ (waiting.shift());
    const length = step();
    if (length > 0) waiting.push(step);
    budget -= length;
  }
  if (waiting.length > 0) setImmediate(turn);
}

module.exports = { SLICE_LENGTH, workInSlices };

// @ts-check
'use strict';

// Work that takes long, in slices between which the event loop turns: WebAssembly has no threads
// here.

const { setImmediate } = require('../host');

/** Bytes that are worked on in a turn of the event loop, about half a millisecond. */
const SLICE_LENGTH = 64 * 1024;

/** Pieces of work that take turns: what they have done so far is in memory. */
const MAX_AT_ONCE = 4;

/** @type {(() => number)[]} Pieces of work, of which the first ones take turns. */
const waiting = [];
/** Whose turn it is. */
let next = 0;

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
    if (next >= Math.min(waiting.length, MAX_AT_ONCE)) next = 0;
    const step = waiting[next];
    const length = step();
    if (length > 0) next++;
    else waiting.splice(next, 1);
    budget -= length;
  }
  if (waiting.length > 0) setImmediate(turn);
}

module.exports = { SLICE_LENGTH, workInSlices };

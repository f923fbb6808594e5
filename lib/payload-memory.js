// @ts-check
'use strict';

// What is done about the memory that payloads have of their own, outside of V8's heap.

const native = require('./native');

/** Bytes of payload for each element of ballast, which takes eight bytes. */
const BYTES_PER_ELEMENT = 128;
/** Elements at a time: for what is longer V8 maps pages of its own, which costs far more. */
const MAX_ELEMENTS = 8192;

/** The version of Node.js whose V8 lets go late. */
const BALLAST_FROM = 24;

/** A payload from which on others as large are expected. */
const MIN_LARGE = 64 * 1024;

/**
 * Whether V8 is to notice. Payloads by WebAssembly are memory that V8 has allocated, of which that
 * of Node.js before 24 lets go in time; there ballast would cost a fifth more time for messages of
 * 64 KiB and of 1 MiB (Node 20).
 */
const IS_NEEDED =
  native.kind === 'native' || Number.parseInt(process.versions.node, 10) >= BALLAST_FROM;

let keepsFreedMemory = false;
/** @type {undefined[] | null} Where ballast is for a moment, so that no compiler leaves it out. */
let _ballast = null;

/**
 * Has V8 notice a payload that isn't part of a slab, and the allocator keep the memory of large
 * ones.
 *
 * Most payloads are let go of at once, and collecting the young generation would free them. V8 does
 * that when it is full, a few MiB at first, of which a buffer takes two hundred bytes, however long
 * it is. So they stay until 64 MiB of them make V8 mark the whole heap (on Node 24; 20 and 22 are
 * better at it): a third of the time of large messages, and no cache has memory any more that was
 * used so long ago. Ballast, garbage of a sixteenth of their length, makes V8 come earlier. Of 300
 * µs of CPU time for 1 MiB it leaves 200, of 180 MB of resident memory 90 (bench 4x1MiB-2, Node
 * 24).
 *
 * @param {number} length The bytes of the payload
 */
function notePayload(length) {
  if (!IS_NEEDED) return;
  if (length >= MIN_LARGE && !keepsFreedMemory) {
    keepsFreedMemory = true;
    native.keepFreedMemory();
  }
  for (let rest = Math.trunc(length / BYTES_PER_ELEMENT); rest > 0; rest -= MAX_ELEMENTS) {
    _ballast = new Array(Math.min(rest, MAX_ELEMENTS));
  }
  _ballast = null;
}

module.exports = { notePayload };

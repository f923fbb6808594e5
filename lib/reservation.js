// @ts-check
'use strict';

// Memory for what a peer has announced. Its length is a promise, which is believed as far as what
// has arrived vouches for it.

/** What may be reserved in advance, whatever length is declared. */
const MAX_UNPROVEN_LENGTH = 64 * 1024;
/** How many times what has arrived may be reserved for the rest. */
const PROVEN_FACTOR = 16;

/**
 * Tells how much memory to take for a payload that is under way: up to a power of two, since the
 * chunks that vouch for it are a header short of one.
 *
 * @param {number} arrived Bytes that have arrived of it
 * @param {number} length Bytes that it's to have
 * @return {number} Bytes to reserve
 */
function reservation(arrived, length) {
  const proven = 2 ** Math.ceil(Math.log2(arrived * PROVEN_FACTOR));
  return Math.min(length, Math.max(MAX_UNPROVEN_LENGTH, proven));
}

/**
 * Gives more memory to a payload that is under way.
 *
 * @param {Buffer} memory Memory that it has filled, or the beginning of it
 * @param {number} size Bytes to reserve
 * @return {Buffer} Memory that begins with the same
 */
function enlarge(memory, size) {
  // Not of the pool, which would be kept as long as the message.
  const larger = Buffer.allocUnsafeSlow(size);
  larger.set(memory);
  return larger;
}

module.exports = { enlarge, reservation };

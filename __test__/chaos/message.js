// @ts-check
'use strict';

// Messages that tell of themselves: who sent them, as which, and what they consist of. So a
// receiver knows whether one is lost, doubled, altered or out of order.

const { createHash } = require('node:crypto');

/** What payloads are taken from. */
const NOISE = Buffer.alloc(4 * 1024 * 1024);
for (let i = 0, state = 1; i < NOISE.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  // Half of it can be compressed.
  NOISE[i] = i & 1024 ? state >>> 24 : 97 + ((i >> 4) % 26);
}

/**
 * The length of what stands in front of a payload: 8 digits for each of three numbers, and a hash.
 */
const HEAD = 8 * 3 + 16;

/** Gives a number as 8 digits. */
function digits(value) {
  return value.toString(16).padStart(8, '0');
}

/** Gives the hash of a payload. */
function hashOf(payload) {
  return createHash('sha1').update(payload).digest('hex').slice(0, 16);
}

/**
 * Makes a message.
 *
 * @param {number} sender Who sends it
 * @param {number} number Which of its messages it is
 * @param {number} flags What the receiver is to do
 * @param {number} size The length of the payload
 * @return {Buffer} The message
 */
function make(sender, number, flags, size) {
  const start = (sender * 7919 + number * 104729) % (NOISE.length - size);
  const payload = NOISE.subarray(start, start + size);
  const head = digits(sender) + digits(number) + digits(flags) + hashOf(payload);
  return Buffer.concat([Buffer.from(head, 'latin1'), payload]);
}

/**
 * Reads a message.
 *
 * @param {Buffer} bytes The message
 * @return {{sender: number, number: number, flags: number, isWhole: boolean}} What it tells
 */
function read(bytes) {
  const head = bytes.toString('latin1', 0, HEAD);
  const [sender, number, flags] = [0, 8, 16].map((at) =>
    Number.parseInt(head.slice(at, at + 8), 16)
  );
  const isWhole = bytes.length >= HEAD && hashOf(bytes.subarray(HEAD)) === head.slice(24);
  return { sender, number, flags, isWhole };
}

module.exports = { make, read };

// @ts-check
'use strict';

// What a binary message is given as.

const { concat, toArrayBuffer } = require('./buffer-util');
const { BINARY_TYPES } = require('./constants');

const [NODE_BUFFER] = BINARY_TYPES;

/**
 * Gives a message that is in one piece as `binaryType` says.
 *
 * @param {string} type The `binaryType`
 * @param {Buffer} message The message
 * @param {Iterable<number>} [lengths] The lengths of the fragments that it came in, for the type
 *   `'fragments'`; one, if they aren't given
 * @return {any} The data of the event
 */
function convertMessage(type, message, lengths) {
  if (type === NODE_BUFFER) return message;
  if (type === 'arraybuffer') return toArrayBuffer(message);
  if (type === 'blob') return new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (message)]);
  return split(message, lengths ?? [message.length]);
}

/**
 * Gives a message that is in fragments as `binaryType` says.
 *
 * @param {string} type The `binaryType`
 * @param {Buffer[]} fragments The fragments
 * @param {number} length Their bytes
 * @return {any} The data of the event
 */
function convertFragments(type, fragments, length) {
  if (type === 'blob') return new Blob(/** @type {Uint8Array<ArrayBuffer>[]} */ (fragments));
  if (type === NODE_BUFFER || type === 'arraybuffer') {
    return convertMessage(type, concat(fragments, length));
  }
  return fragments.filter((fragment) => fragment.length > 0);
}

/**
 * Cuts a message into the fragments that it came in. As with ws those without bytes are left out.
 *
 * @param {Buffer} message The message
 * @param {Iterable<number>} lengths The lengths of its fragments
 * @return {Buffer[]} Views on the message
 */
function split(message, lengths) {
  const fragments = [];
  let offset = 0;
  for (const length of lengths) {
    if (length > 0) fragments.push(message.subarray(offset, offset + length));
    offset += length;
  }
  return fragments;
}

module.exports = { convertFragments, convertMessage };

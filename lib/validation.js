// @ts-check
'use strict';

// Checks of single values. What RFC 6455 decides is asked of the native part.

const { hasBlob } = require('./constants');
const native = require('./native');

/**
 * Tells whether a value is a `Blob` or a `File`, also one of another realm or implementation.
 *
 * @param {any} value The value
 * @return {boolean} `true` if it can be read as a `Blob`
 */
function isBlob(value) {
  if (!hasBlob || value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) {
    return false;
  }
  const tag = value[Symbol.toStringTag];
  return (
    (tag === 'Blob' || tag === 'File') &&
    typeof value.arrayBuffer === 'function' &&
    typeof value.stream === 'function' &&
    typeof value.type === 'string'
  );
}

/**
 * Tells whether a close code may stand in a close frame.
 *
 * @param {number} code The close code
 * @return {boolean} `true` if it may
 */
function isValidStatusCode(code) {
  return native.isValidCloseCode(code);
}

/**
 * Tells whether bytes are well-formed UTF-8.
 *
 * @param {Uint8Array} data The bytes
 * @return {boolean} `true` if they are
 */
function isValidUTF8(data) {
  return native.isValidUtf8(/** @type {Buffer} */ (data));
}

/**
 * Converts an option as ws does, by a bitwise operation: what is 2^31 or more wraps.
 *
 * @param {any} value The option
 * @return {number} A 32-bit integer
 */
function toInt32(value) {
  return value | 0;
}

/**
 * Converts a limit for the native part, where 0 is none. Set at run time it may be any value.
 *
 * @param {any} value The limit
 * @return {number} A 32-bit unsigned integer
 */
function toLimit(value) {
  return value > 0 ? Math.min(Math.floor(value), 0xffff_ffff) : 0;
}

module.exports = { isBlob, isValidStatusCode, isValidUTF8, toInt32, toLimit };

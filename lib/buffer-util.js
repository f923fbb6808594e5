// @ts-check
'use strict';

// Conversions between the kinds of bytes that the API takes and gives, and masking.

const { EMPTY_BUFFER } = require('./constants');
const native = require('./native');

/** As a constant: the global `Buffer` is an accessor, which costs as much as the check. */
const { isBuffer } = Buffer;

/** The constructor behind `Buffer`: makes a view without the checks of `Buffer.from()`. */
const FastBuffer = /** @type {any} */ (Buffer)[Symbol.species];

/** Payloads up to this many bytes are copied faster by a loop than by `TypedArray#set`. */
const MAX_LOOP_LENGTH = 10;

/**
 * Joins buffers.
 *
 * @param {Buffer[]} list The buffers
 * @param {number} totalLength The sum of their lengths; bytes beyond that sum are never exposed
 * @return {Buffer} The only buffer of a list of one, else a new one
 */
function concat(list, totalLength) {
  if (list.length === 0) return EMPTY_BUFFER;
  if (list.length === 1) return list[0];
  const target = Buffer.allocUnsafe(totalLength);
  let offset = 0;
  for (const buffer of list) {
    target.set(buffer, offset);
    offset += buffer.length;
  }
  return offset === totalLength ? target : target.subarray(0, offset);
}

/**
 * Copies a payload.
 *
 * @param {Buffer} target Where to
 * @param {Buffer | string} data The payload
 * @param {number} length Its bytes
 * @param {number} start Where in the target
 * @return {number} `length`
 */
function copy(target, data, length, start) {
  if (typeof data === 'string') {
    /** @type {any} */ (target).utf8Write(data, start, length);
  } else if (length <= MAX_LOOP_LENGTH) {
    for (let i = 0; i < length; i++) target[start + i] = data[i];
  } else {
    target.set(data, start);
  }
  return length;
}

/**
 * Masks `length` bytes of `source` into `output`.
 *
 * @param {Buffer} source The bytes
 * @param {Buffer} key The masking key, four bytes
 * @param {Buffer} output Where the masked bytes go; may be `source`
 * @param {number} offset Where in `output`
 * @param {number} length How many bytes
 */
function mask(source, key, output, offset, length) {
  if (source === output && offset === 0) native.unmask(source.subarray(0, length), key);
  else native.mask(source, key, output, offset, length);
}

/**
 * Masks or unmasks a buffer in place.
 *
 * @param {Buffer} buffer The bytes
 * @param {Buffer} key The masking key, four bytes
 */
function unmask(buffer, key) {
  native.unmask(buffer, key);
}

/**
 * Gives a buffer as an `ArrayBuffer`, without a copy where the buffer spans its memory.
 *
 * @param {Buffer} buffer The buffer
 * @return {ArrayBuffer} The same bytes
 */
function toArrayBuffer(buffer) {
  const { buffer: memory, byteOffset, length } = buffer;
  if (length === memory.byteLength) return /** @type {ArrayBuffer} */ (memory);
  return /** @type {ArrayBuffer} */ (memory.slice(byteOffset, byteOffset + length));
}

/**
 * Gives data as a `Buffer`, without a copy where it is bytes already. Afterwards
 * `toBuffer.readOnly` tells whether the bytes are the caller's own.
 *
 * @param {any} data A buffer, view or `ArrayBuffer`, or whatever `Buffer.from()` takes
 * @return {Buffer} The bytes
 * @throws {TypeError} If `Buffer.from()` refuses the value
 */
function toBuffer(data) {
  toBuffer.readOnly = true;
  if (isBuffer(data)) return data;
  if (data instanceof ArrayBuffer) return new FastBuffer(data);
  if (ArrayBuffer.isView(data)) {
    return new FastBuffer(data.buffer, data.byteOffset, data.byteLength);
  }
  toBuffer.readOnly = false;
  return Buffer.from(data);
}

/** Whether the latest result shares its bytes with the caller. */
toBuffer.readOnly = true;

module.exports = { concat, copy, FastBuffer, isBuffer, mask, toArrayBuffer, toBuffer, unmask };

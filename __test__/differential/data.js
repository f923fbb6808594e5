// @ts-check
'use strict';

// Payloads by a short description, so that a program that sends a megabyte is a line of JSON.

/**
 * @typedef {object} Data
 * @property {string} type What a program gives to `send()`: `string`, `Buffer`, `Float64Array`, ..
 * @property {string} fill What it consists of: `ascii`, `utf8`, `random`, `zeros`, `invalid` (no UTF-8)
 * @property {number} size How many bytes, about
 * @property {number} salt Tells payloads of one size apart
 */

/** Letters of one, two, three and four bytes. */
const LETTERS = ['a', 'ß', '€', '😀', 'z', 'é', '語', '𝄞'];

/**
 * Makes the bytes of a payload.
 *
 * @param {Data} data Its description
 * @return {Buffer} The bytes
 */
function bytesOf({ fill, size, salt }) {
  if (fill === 'utf8') return Buffer.from(textOf({ fill, size, salt }));
  const bytes = Buffer.alloc(size);
  if (fill === 'ascii' || fill === 'invalid') {
    const line = `${salt}:the quick brown fox jumps over the lazy dog ${salt * 7919};`;
    for (let at = 0; at < size; at += line.length) bytes.write(line, at, 'latin1');
    if (fill === 'invalid' && size > 0) bytes[Math.min(size - 1, salt % size)] = 0xff;
  } else if (fill === 'random') {
    let state = (salt * 2654435761 + 1) >>> 0;
    for (let i = 0; i < size; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes[i] = state >>> 24;
    }
  }
  return bytes;
}

/**
 * Makes the text of a payload.
 *
 * @param {{fill: string, size: number, salt: number}} data Its description
 * @return {string} The text
 */
function textOf({ fill, size, salt }) {
  if (fill !== 'utf8') {
    return bytesOf({ type: 'string', fill: 'ascii', size, salt }).toString('latin1');
  }
  let text = `${salt}`;
  let length = text.length;
  for (let i = salt; length < size; i++) {
    const letter = LETTERS[i % LETTERS.length];
    text += letter;
    length += Buffer.byteLength(letter);
  }
  return text;
}

/** How each kind of argument of `send()` is made. */
const KINDS = {
  string: (data) => textOf(data),
  Buffer: (data) => bytesOf(data),
  Uint8Array: (data) => Uint8Array.from(bytesOf(data)),
  Float64Array: (data) => new Float64Array(cut(data, 8)),
  Uint16Array: (data) => new Uint16Array(cut(data, 2)),
  DataView: (data) => new DataView(cut(data, 1), Math.min(1, data.size)),
  ArrayBuffer: (data) => cut(data, 1),
  SharedArrayBuffer: (data) => {
    const memory = new SharedArrayBuffer(data.size);
    new Uint8Array(memory).set(bytesOf({ ...data, fill: 'ascii' }));
    return memory;
  },
  Blob: (data) => new Blob([bytesOf(data)]),
  number: (data) => data.salt * 1.5,
  Array: (data) => [...bytesOf({ ...data, size: Math.min(data.size, 200) })],
  zero: () => 0,
  null: () => null,
  undefined: () => undefined,
  boolean: () => true,
  false: () => false,
  object: () => ({}),
  symbol: () => Symbol('data'),
  bigint: () => 5n,
  function: () => bytesOf,
  Date: () => new Date(0),
  String: (data) => new String(textOf(data))
};

/** Gives memory of its own, of a length that elements of `unit` bytes fill. */
function cut(data, unit) {
  const bytes = bytesOf({ ...data, size: data.size - (data.size % unit) });
  return Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % unit))).buffer;
}

/**
 * Makes what a program gives to `send()`.
 *
 * @param {Data} data Its description
 * @return {any} The value
 */
function valueFor(data) {
  return KINDS[data.type](data);
}

module.exports = { bytesOf, kinds: Object.keys(KINDS), textOf, valueFor };

// @ts-check
'use strict';

// Payloads by a short description, so that a program that sends a megabyte is a line of JSON.

/**
 * @typedef {object} Data
 * @property {string} type What a program gives to `send()`: `string`, `Buffer`, `Float64Array`, ..
 * @property {string} fill What it consists of: `ascii`, `utf8`, `random`, `zeros`, `invalid` (no
 *   UTF-8)
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
  if (fill === 'zeros' || size === 0) return Buffer.alloc(size);
  if (fill === 'utf8') return Buffer.from(textOf({ fill, size, salt }));
  if (fill === 'random') return randomBytes(size, salt);
  const bytes = Buffer.alloc(
    size,
    `${salt}:the quick brown fox jumps over the lazy dog ${salt * 7919};`
  );
  if (fill === 'invalid') bytes[Math.min(size - 1, salt % size)] = 0xff;
  return bytes;
}

/** Bytes that random payloads are taken from, at places that depend on their salt. */
let noise = Buffer.alloc(0);

/** Gives bytes that look random. */
function randomBytes(size, salt) {
  const start = (salt * 7919) % 4093;
  if (noise.length < start + size) {
    noise = Buffer.alloc(Math.max(2 * noise.length, start + size));
    let state = 1;
    for (let i = 0; i < noise.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      noise[i] = state >>> 24;
    }
  }
  return Buffer.from(noise.subarray(start, start + size));
}

/** Text of `LETTERS` from each of them on. */
const ROUNDS = LETTERS.map((_letter, i) => [...LETTERS.slice(i), ...LETTERS.slice(0, i)]);
const ROUND_LENGTH = Buffer.byteLength(LETTERS.join(''));

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
  const letters = ROUNDS[salt % LETTERS.length];
  const rounds = Math.floor(Math.max(size - 8, 0) / ROUND_LENGTH);
  let text = `${salt}${letters.join('').repeat(rounds)}`;
  let length = Buffer.byteLength(text);
  for (let i = 0; length < size; i++) {
    const letter = letters[i % letters.length];
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

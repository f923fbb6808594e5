// @ts-check
'use strict';

// What a run leaves behind: for each endpoint a lane of lines. A line says what a program can tell,
// in a form that is the same in two runs: no ports, no keys, no paths, hashes in place of long
// payloads.

const { createHash } = require('node:crypto');

/** Bytes of a payload that are shown; of a longer one there is a hash. */
const SHOWN = 24;

/**
 * Describes bytes.
 *
 * @param {Uint8Array} bytes The bytes
 * @return {string} Their number, and what they are
 */
function describeBytes(bytes) {
  if (bytes.length <= SHOWN) return `${bytes.length}:${JSON.stringify(latin1(bytes))}`;
  const hash = createHash('sha1').update(bytes).digest('hex').slice(0, 10);
  return `${bytes.length}:${JSON.stringify(latin1(bytes.subarray(0, 12)))}..#${hash}`;
}

/** Gives bytes as text of as many letters. */
function latin1(bytes) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/**
 * Takes what differs between two runs, or implementations, out of a text.
 *
 * @param {string} text The text
 * @return {string} The text without ports, names of sockets, and fields that are no part of the API
 */
function anonymous(text) {
  return text
    .replaceAll(/(127\.\d+\.\d+\.\d+|localhost):\d+/g, 'HOST:PORT')
    .replaceAll(/\S*\.sock\b/g, 'SOCK')
    .replaceAll(/ \(reading '\w+'\)/g, '');
}

/**
 * Describes what a program can tell of an error.
 *
 * @param {any} error The error
 * @return {string} Class, code, message and what symbols name
 */
function describeError(error) {
  if (!(error instanceof Error)) return `not an Error: ${describe(error)}`;
  const { name } = error.constructor;
  const symbols = Object.getOwnPropertySymbols(error)
    .filter((symbol) => typeof error[symbol] === 'number')
    .map((symbol) => ` ${symbol.description}=${error[symbol]}`);
  // How a system call is called differs between a libuv handle and the engine's; its error doesn't.
  return anonymous(`${name} ${error.code ?? '-'} ${error.message}${symbols.join('')}`);
}

/**
 * Describes a value.
 *
 * @param {any} value The value
 * @return {string} Its type and what it is
 */
function describe(value) {
  if (value instanceof Error) return describeError(value);
  if (Buffer.isBuffer(value)) return `Buffer ${describeBytes(value)}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${describeBytes(new Uint8Array(value))}`;
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return `${value.constructor.name} ${describeBytes(bytes)}`;
  }
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (typeof value === 'string') {
    return value.length > SHOWN ? `string ${describeBytes(Buffer.from(value))}` : `'${value}'`;
  }
  if (typeof value === 'function') return 'function';
  if (value !== null && typeof value === 'object') return value.constructor?.name ?? 'object';
  return String(value);
}

module.exports = { anonymous, describe, describeBytes, describeError };

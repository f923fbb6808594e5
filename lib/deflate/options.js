// @ts-check
'use strict';

// Options of permessage-deflate: those that ws doesn't have are checked here, and the
// `zlibDeflateOptions` and `zlibInflateOptions` read as Node's zlib reads them.

const { constants: bufferConstants } = require('node:buffer');
const { types } = require('node:util');
const { constants } = require('node:zlib');

const OptionSnapshot = require('./option-snapshot');

/**
 * The numbers among the options: least, greatest and default.
 *
 * @type {Record<string, [number, number, number]>}
 */
const NUMBERS = {
  chunkSize: [constants.Z_MIN_CHUNK, Infinity, constants.Z_DEFAULT_CHUNK],
  finishFlush: [constants.Z_NO_FLUSH, constants.Z_BLOCK, constants.Z_FINISH],
  flush: [constants.Z_NO_FLUSH, constants.Z_BLOCK, constants.Z_NO_FLUSH],
  level: [constants.Z_MIN_LEVEL, constants.Z_MAX_LEVEL, constants.Z_DEFAULT_LEVEL],
  maxOutputLength: [1, bufferConstants.MAX_LENGTH, bufferConstants.MAX_LENGTH],
  memLevel: [constants.Z_MIN_MEMLEVEL, constants.Z_MAX_MEMLEVEL, constants.Z_DEFAULT_MEMLEVEL],
  strategy: [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_DEFAULT_STRATEGY],
  windowBits: [
    constants.Z_MIN_WINDOWBITS,
    constants.Z_MAX_WINDOWBITS,
    constants.Z_DEFAULT_WINDOWBITS
  ]
};

/**
 * Tells whether an option is plainly valid. What is not is left to Node to judge.
 *
 * @param {string} name The name
 * @param {any} value The value
 * @return {boolean} Whether it is
 */
function isPlain(name, value) {
  if (value === undefined) return true;
  if (name === 'dictionary') return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value);
  const range = Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
  if (range === undefined) return name === 'info';
  return Number.isFinite(value) && value >= range[0] && value <= range[1];
}

/**
 * Gives a number among the options as an integer.
 *
 * @param {Record<string, any>} options The options
 * @param {string} name The name
 * @return {number} Its value, or the default
 */
function toInteger(options, name) {
  const value = options[name];
  return Number.isFinite(value) ? Math.trunc(value) : NUMBERS[name][2];
}

/** Whether the encoder of our own is left out. */
const USES_ZLIB = process.env.OXWS_ENCODER === 'zlib';

/**
 * Gives the dictionary as a `Buffer`.
 *
 * @param {any} value An `ArrayBuffer` or a view on one
 * @return {Buffer | undefined} The same memory
 */
function toDictionary(value) {
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return types.isAnyArrayBuffer(value) ? Buffer.from(value) : undefined;
}

/**
 * @typedef {object} ContextOptions
 * @property {number} chunkSize As Node's zlib has it, like those below
 * @property {Buffer | undefined} dictionary The dictionary
 * @property {number} level The level of compression
 * @property {number} memLevel The memory of a compressor
 * @property {boolean} noContextTakeover Whether each message starts with an empty window
 * @property {number} strategy The strategy
 * @property {boolean} usesZlib Whether zlib-rs compresses at every level
 * @property {number} windowBits The window
 */

/**
 * Makes what reads the options of one direction. The connections of a server have the same, so the
 * latest are kept.
 *
 * @param {(options: object) => import('node:zlib').DeflateRaw | import('node:zlib').InflateRaw}
 *   createStream The function of Node's zlib that takes the same options. It is called only
 *   where they look wrong, to have its error
 * @return {(userOptions: any, windowBits: number, noContextTakeover: boolean) => ContextOptions}
 *   Gives the options that count, of what the user gave and what was agreed on; throws what
 *   `createStream` throws
 */
function createOptionsReader(createStream) {
  let given = new OptionSnapshot(undefined);
  /** @type {ContextOptions | null} */
  let latest = null;
  return (userOptions, windowBits, noContextTakeover) => {
    if (
      latest === null ||
      latest.windowBits !== windowBits ||
      latest.noContextTakeover !== noContextTakeover ||
      // That may have become another one without a sign of it.
      latest.dictionary !== undefined ||
      !given.equals(userOptions)
    ) {
      const options = { ...read(userOptions, windowBits, createStream), noContextTakeover };
      given = new OptionSnapshot(userOptions);
      latest = Object.freeze(options);
    }
    return latest;
  };
}

/**
 * Reads the options of one direction.
 *
 * @param {any} userOptions What the user gave
 * @param {number} agreedWindowBits The window as agreed, which counts in place of the user's
 * @param {Parameters<typeof createOptionsReader>[0]} createStream The function that throws
 * @return {Omit<ContextOptions, 'noContextTakeover'>} The options that count here
 */
function read(userOptions, agreedWindowBits, createStream) {
  /** @type {Record<string, any>} */
  const options = { ...userOptions, windowBits: agreedWindowBits };
  if (!Object.keys(options).every((name) => isPlain(name, options[name]))) {
    createStream(options).close();
  }
  return {
    chunkSize: toInteger(options, 'chunkSize'),
    dictionary: toDictionary(options.dictionary),
    level: toInteger(options, 'level'),
    memLevel: toInteger(options, 'memLevel'),
    strategy: toInteger(options, 'strategy'),
    usesZlib: USES_ZLIB,
    windowBits: toInteger(options, 'windowBits')
  };
}

/**
 * Checks the options that ws doesn't have. To be called where the user gives them, so that a
 * mistake is reported there.
 *
 * @param {any} options The options of permessage-deflate
 * @throws {TypeError} If `memoryLimit` isn't a number of bytes
 */
function checkOwnOptions({ memoryLimit }) {
  if (memoryLimit === undefined || (typeof memoryLimit === 'number' && memoryLimit >= 0)) return;
  // As a string: a symbol can't be put into one otherwise.
  throw new TypeError(`The option "memoryLimit" must be a number of bytes: ${String(memoryLimit)}`);
}

module.exports = { checkOwnOptions, createOptionsReader };

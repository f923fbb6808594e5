// @ts-check
'use strict';

// Payloads.

/** Sizes around every border that the protocol or an implementation has. */
const SIZES = [
  [30, [0, 1, 2, 5, 7, 20, 100]],
  [12, [123, 124, 125, 126, 127, 128]],
  [10, [300, 1000, 1023, 1024, 1025, 4096]],
  [6, [16383, 16384, 16385, 20000]],
  [3, [65535, 65536, 65537, 70000]],
  [0.7, [131072, 200000, 262144, 300000]]
];

const TYPES = [
  [40, 'string'],
  [30, 'Buffer'],
  [4, 'Uint8Array'],
  [2, 'Float64Array'],
  [2, 'Uint16Array'],
  [2, 'DataView'],
  [4, 'ArrayBuffer'],
  [1, 'SharedArrayBuffer'],
  [0.04, 'Blob'],
  [1, 'number'],
  [0.5, 'Array'],
  [0.5, 'zero'],
  [0.5, 'null'],
  [0.5, 'undefined'],
  [0.3, 'boolean'],
  [0.3, 'false'],
  [0.3, 'object'],
  [0.3, 'symbol'],
  [0.3, 'bigint'],
  [0.3, 'Date'],
  [0.3, 'String']
];

/**
 * Makes a payload.
 *
 * @param {any} context What the program is made with
 * @param {{type?: string, size?: number, isText?: boolean}} [wanted] What is given already
 * @return {import('../data').Data} Its description
 */
function makeData(context, { type, size, isText } = {}) {
  const { random, theme } = context;
  const chosen = type ?? random.weighted(TYPES);
  const fills =
    isText || chosen === 'string'
      ? ['ascii', 'ascii', 'utf8']
      : ['ascii', 'random', 'zeros', 'utf8'];
  return {
    type: chosen,
    fill: random.pick(fills),
    size: size ?? random.pick(random.weighted(theme.sizes ?? SIZES)),
    salt: context.salt++
  };
}

module.exports = { makeData };

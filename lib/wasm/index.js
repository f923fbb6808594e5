// @ts-check
'use strict';

// The protocol as WebAssembly, with the functions that the addon has for the stream transport. There
// is no engine: `createEngine` is missing, and every connection is on the stream transport.

const deflate = require('./deflate');
const frames = require('./frames');
const handshake = require('./handshake');
const { instance } = require('./instance');

/**
 * @return {string} The version of the module
 */
function version() {
  const owner = instance();
  owner.exports.version();
  return owner.readText();
}

/**
 * Does nothing: the memory is kept anyway.
 */
function keepFreedMemory() {}

module.exports = {
  ...readConstants(),
  ...deflate,
  ...frames,
  ...handshake,
  keepFreedMemory,
  version
};

/**
 * Reads the numbers that both languages know.
 *
 * @return {Record<string, number>} Their values by name
 */
function readConstants() {
  const { bytes, exports } = instance();
  /** @type {Record<string, number>} */
  const values = {};
  for (const [name, place] of Object.entries(exports)) {
    if (place instanceof WebAssembly.Global && name === name.toUpperCase()) {
      values[name] = bytes.readInt32LE(place.value);
    }
  }
  return values;
}

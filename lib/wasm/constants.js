// @ts-check
'use strict';

// The numbers that both languages know. See `src/javascript/wire.rs`.

const { instance } = require('./instance');

module.exports = readConstants();

/**
 * Reads the numbers from the memory of the module.
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

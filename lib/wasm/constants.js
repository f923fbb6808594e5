// @ts-check
'use strict';

// The numbers that both languages know. See `src/javascript/wire.rs`.

const { instance } = require('./instance');

module.exports = readConstants();

/**
 * Reads the numbers from the memory of the module.
 *
 * @return {Pick<import('../binding').Binding<any>, import('../binding').Numbers>} Their values by
 *   name
 */
function readConstants() {
  const { bytes, exports } = instance();
  const values = /** @type {any} */ ({});
  for (const [name, place] of Object.entries(exports)) {
    if (place instanceof WebAssembly.Global && name === name.toUpperCase()) {
      values[name] = bytes.readInt32LE(place.value);
    }
  }
  return values;
}

// @ts-check
'use strict';

/** Integers in memory that is shared with the native part. */
class SharedIntegers {
  /**
   * @param {number} length How many
   */
  constructor(length) {
    this.memory = Buffer.alloc(length * Int32Array.BYTES_PER_ELEMENT);
    this.values = new Int32Array(this.memory.buffer, this.memory.byteOffset, length);
  }
}

module.exports = SharedIntegers;

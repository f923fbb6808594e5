// @ts-check
'use strict';

// Options as they were when something was made of them, to tell whether the same can be used again.

/**
 * The options of one moment. The program that gave them may change them later.
 */
class OptionSnapshot {
  /**
   * @param {any} options The options; `undefined` for none
   */
  constructor(options) {
    /** @type {any} */
    this._values = { ...options };
    this._count = Object.keys(this._values).length;
  }

  /**
   * Compares without making anything: each connection asks.
   *
   * @param {any} options Other options
   * @return {boolean} Whether they are the same
   */
  equals(options) {
    let count = 0;
    for (const name in options) {
      if (!Object.hasOwn(options, name)) continue;
      if (!Object.hasOwn(this._values, name) || this._values[name] !== options[name]) return false;
      count++;
    }
    return count === this._count;
  }
}

module.exports = OptionSnapshot;

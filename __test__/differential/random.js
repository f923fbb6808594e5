// @ts-check
'use strict';

// Numbers that look random and are the same for the same seed, on every machine.

/** A generator of numbers, and the choices that are made with them. */
class Random {
  #state;

  /**
   * @param {number} seed An integer
   */
  constructor(seed) {
    // Seeds that follow each other are spread, or their first numbers would be alike.
    this.#state = Math.imul((seed ^ 0x9e3779b9) | 0, 0x85ebca6b) | 0;
  }

  /**
   * Gives the next number.
   *
   * @return {number} From 0 up to, not including, 1
   */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /**
   * Gives an integer.
   *
   * @param {number} bound What it is below
   * @return {number} From 0 to `bound - 1`
   */
  below(bound) {
    return Math.floor(this.next() * bound);
  }

  /**
   * Gives an integer between two others.
   *
   * @param {number} least The smallest
   * @param {number} most The largest
   * @return {number} The integer
   */
  between(least, most) {
    return least + this.below(most - least + 1);
  }

  /**
   * Decides.
   *
   * @param {number} probability Of `true`
   * @return {boolean} The decision
   */
  chance(probability) {
    return this.next() < probability;
  }

  /**
   * Takes one of several.
   *
   * @template T
   * @param {readonly T[]} values The values
   * @return {T} One of them
   */
  pick(values) {
    return values[this.below(values.length)];
  }

  /**
   * Takes one of several that are not equally likely.
   *
   * @template T
   * @param {readonly (readonly [number, T])[]} choices Weights and values
   * @return {T} One of the values
   */
  weighted(choices) {
    const total = choices.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.next() * total;
    for (const [weight, value] of choices) {
      left -= weight;
      if (left < 0) return value;
    }
    return choices[choices.length - 1][1];
  }
}

module.exports = Random;

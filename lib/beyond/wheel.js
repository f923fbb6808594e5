// @ts-check
'use strict';

// What is due at which time: a wheel, as the engine has it in `src/engine/timers.rs`.

/** How long a slot is, in milliseconds, and how many there are. */
const SLOT = 8;
const SLOTS = 512;

/**
 * Things that are due some time. What is due later than in a round stays in its slot, unless it
 * says that it's over.
 *
 * @template {{due: number, isOver?: boolean}} T
 */
class Wheel {
  constructor() {
    /** Milliseconds that have passed. */
    this.now = 0;
    /** How many things there are. */
    this.size = 0;
    /** @type {(T[] | undefined)[]} */
    this._slots = [];
  }

  /**
   * @param {T} thing Something, which is due in the future
   */
  add(thing) {
    this.size++;
    this._put(thing);
  }

  /**
   * @param {T} thing Something
   * @private
   */
  _put(thing) {
    const place = Math.ceil(thing.due / SLOT) % SLOTS;
    const slot = this._slots[place];
    if (slot === undefined) this._slots[place] = [thing];
    else slot.push(thing);
  }

  /**
   * Lets time pass.
   *
   * @param {number} elapsed How much
   * @param {(thing: T) => boolean} look Called with what is due; whether it's due again, at a time
   *     that it has then
   */
  advance(elapsed, look) {
    const from = Math.floor(this.now / SLOT);
    this.now += elapsed;
    const to = Math.floor(this.now / SLOT);
    for (let slot = Math.max(from, to - SLOTS) + 1; slot <= to; slot++) {
      const place = slot % SLOTS;
      const things = this._slots[place];
      if (things === undefined) continue;
      this._slots[place] = undefined;
      for (const thing of things) {
        const isLater = Math.ceil(thing.due / SLOT) > to;
        if (!thing.isOver && (isLater || look(thing))) this._put(thing);
        else this.size--;
      }
    }
  }
}

module.exports = { Wheel };

// @ts-check
'use strict';

// Which driver has the work, where it isn't pinned: the event loop, or a task on another
// thread when the JavaScript thread is what everything waits for.

const host = require('../host');

/** Dispatches that are looked at together. */
const WINDOW = 128;
/** Connections with events in a dispatch, on average, from which on the task takes the work. */
const MANY = 16;
/** And below which the event loop takes it back: each wakes the other thread then. */
const FEW = 4;
/** A window that takes longer is one without much to do. */
const MAX_WINDOW_MS = 500;
/** The shortest time on the loop between two moves, doubled by each that was not worth it. */
const MIN_STAY_MS = 1000;
const MAX_STAY_MS = 60_000;

/**
 * Chooses the driver of an engine from what its dispatches bring.
 */
class DriverChoice {
  /**
   * @param {(isTasked: boolean) => boolean} move Moves the work; tells whether that is done
   * @param {() => number} [now] Gives the time in milliseconds
   */
  constructor(move, now = host.now) {
    this._move = move;
    this._now = now;
    this._isTasked = false;
    this._dispatches = 0;
    this._connections = 0;
    this._start = now();
    this._movedAt = -Infinity;
    this._stay = 0;
  }

  /**
   * Notes a dispatch.
   *
   * @param {number} connections How many connections had events in it
   */
  note(connections) {
    this._connections += connections;
    if (++this._dispatches < WINDOW) return;
    const now = this._now();
    const isDense = now - this._start <= MAX_WINDOW_MS;
    const average = this._connections / this._dispatches;
    this._dispatches = this._connections = 0;
    this._start = now;
    if (!this._isTasked) {
      if (isDense && average >= MANY && now - this._movedAt >= this._stay) this._change(true, now);
    } else if (!isDense || average < FEW) {
      // One that ends soon was a mistake.
      const isBrief = now - this._movedAt < MIN_STAY_MS;
      this._stay = isBrief ? Math.min(Math.max(this._stay * 2, MIN_STAY_MS), MAX_STAY_MS) : 0;
      this._change(false, now);
    }
  }

  /**
   * @param {boolean} isTasked Whether the task has the work from now on
   * @param {number} now The time
   * @private
   */
  _change(isTasked, now) {
    if (!this._move(isTasked)) return;
    this._isTasked = isTasked;
    this._movedAt = now;
  }
}

module.exports = { DriverChoice };

// @ts-check
'use strict';

// What makes time pass for heartbeats: one timer for all connections of an engine, or of the stream
// transport.

const { NOOP } = require('../constants');
const { now, setTimeout } = require('../host');
const native = require('../native');

const { TIMER_EXPIRED } = native;

/** How often time passes in the shortest time that is waited for, and how often at most. */
const STEPS = 8;
const MIN_STEP_MS = 10;
const MAX_STEP_MS = 1000;

/**
 * Tells how much time has passed, again and again.
 *
 * Of the time in which the thread was held up, or the process stopped, it leaves out what is more
 * than two steps: what arrived in it is still to be read, and what was asked before may not have
 * been answered for the same reason.
 */
class Ticker {
  /**
   * @param {(elapsed: number) => boolean} tick Told how many milliseconds have passed, an integer;
   *     whether to go on
   */
  constructor(tick) {
    this._tick = tick;
    this._step = MAX_STEP_MS;
    this._isRunning = false;
    this._at = 0;
    this._onTimeout = () => this._pass();
  }

  /**
   * Begins, unless it's running.
   *
   * @param {{interval: number, timeout: number}} settings What is waited for
   */
  start({ interval, timeout }) {
    const step = Math.ceil(Math.min(interval, timeout) / STEPS);
    const isShorter = step < this._step;
    if (isShorter || !this._isRunning) {
      this._step = Math.max(MIN_STEP_MS, Math.min(step, MAX_STEP_MS));
    }
    if (this._isRunning) return;
    this._isRunning = true;
    this._at = now();
    this._schedule();
  }

  /**
   * @private
   */
  _schedule() {
    setTimeout(this._onTimeout, this._step).unref();
  }

  /**
   * @private
   */
  _pass() {
    const time = now();
    const elapsed = Math.floor(time - this._at);
    const most = 2 * this._step;
    this._at = elapsed > most ? time : this._at + elapsed;
    this._isRunning = this._tick(Math.min(elapsed, most));
    if (this._isRunning) this._schedule();
  }
}

/**
 * The heartbeats of an engine, which has a wheel of its own.
 */
class EngineTimers {
  /**
   * @param {import('./index').Engine} engine The engine
   */
  constructor(engine) {
    this._engine = engine;
    /** @type {(websocket: import('../websocket')) => void} */
    this._onExpired = NOOP;
    this._ticker = new Ticker((elapsed) => {
      this._turn(elapsed);
      return engine.size > 0;
    });
  }

  /**
   * Gives a connection a heartbeat.
   *
   * @param {number} id Its number
   * @param {{interval: number, timeout: number}} settings The times
   * @param {(websocket: import('../websocket')) => void} onExpired Called with the WebSocket of one
   *   that is to be given up
   */
  watch(id, { interval, timeout }, onExpired) {
    this._onExpired = onExpired;
    native.watchConnection(this._engine.native, id, interval, timeout);
    this._ticker.start({ interval, timeout });
  }

  /**
   * Does what is due.
   *
   * @param {number} elapsed How many milliseconds have passed
   * @private
   */
  _turn(elapsed) {
    const found = native.turnTimers(this._engine.native, elapsed);
    if (!found) return;
    for (const value of found) {
      const isExpired = value >= TIMER_EXPIRED;
      const connection = this._engine.connectionOf(isExpired ? value - TIMER_EXPIRED : value);
      if (isExpired) connection?.expire(this._onExpired);
      else connection?.becomeBacklogged();
    }
  }
}

module.exports = { EngineTimers, Ticker };

// @ts-check
'use strict';

// What is taken from Node when the package is loaded, and not looked up when it's needed.
//
// Test frameworks put fakes in the place of `process.nextTick`, `setImmediate` and the clock, some
// before anything is loaded: a tick that never ends would keep frames from being sent, and what
// waits for it would wait in the tests after that one, too. jest gives programs a copy of
// `process`, whose functions it replaces: the one that Node works with is that of its own context.
//
// The timer of a closing handshake isn't taken from here: its clock is the program's to fake, as
// with ws.

const os = require('node:os');
const { performance } = require('node:perf_hooks');
const { clearTimeout, setImmediate, setTimeout } = require('node:timers');
const { runInThisContext } = require('node:vm');

/** @type {any} */
const host = runInThisContext('process');
const { nextTick, _tickCallback: runTicks } = host;

/**
 * Tells whether the process, or the worker thread, is about to end: no tick comes any more.
 *
 * @return {boolean} Whether it is
 */
function isExiting() {
  return host._exiting === true;
}

module.exports = {
  clearTimeout,
  isExiting,
  /** @type {NodeJS.Process['nextTick']} */
  nextTick,
  /** Milliseconds that only ever grow. @type {() => number} */
  now: performance.now.bind(performance),
  /** How many threads can run at a time; one where a test has replaced `node:os`. */
  processors: os.availableParallelism?.() ?? 1,
  /**
   * Runs what `process.nextTick()` and promises have queued. Node does so itself where it calls
   * JavaScript several times in a row: between two timers, or two immediates. @type {() => void}
   */
  runTicks,
  setImmediate,
  setTimeout
};

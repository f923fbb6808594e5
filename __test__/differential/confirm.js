// @ts-check
'use strict';

// Looks closer at a program that differed: alone, slowly, several times.

const os = require('node:os');

const { differences, unexplained } = require('./compare');

/** Milliseconds without anything new that end a step, where nothing else runs. */
const QUIET_MS = 35;
/** How many times as long that is at most where other processes have the processors. */
const MAX_FACTOR = 10;
/** How often ws is asked, and oxws. */
const RUNS_OF_WS = 3;
const RUNS_OF_OXWS = 2;
/**
 * Modes in which other threads read, and themes of programs whose listeners reach across
 * connections.
 */
const THREADED = new Set(['auto', 'tokio', 'threads']);
const ACROSS = new Set(['crossing', 'broadcast']);
/** How often oxws is asked then. */
const RUNS_ACROSS = 5;
/**
 * ws whose frames of a tick, or of a turn of the event loop, leave together, the long ones among
 * them or not: see hold-writes.js.
 */
const HELD = ['tick', 'turn', 'long'];

/**
 * @typedef {object} Verdict
 * @property {'difference' | 'unsteady' | 'held' | 'same'} kind Whether they differ, ws (or a race
 *   between threads) doesn't repeat itself, they are equal when ws writes once a tick, or they
 *   always are
 * @property {import('./compare').Difference[]} found What differs
 * @property {any} expected What ws gave
 * @property {any} actual What oxws gave
 * @property {number} times In how many of the runs of oxws
 */

/** Gives the connection that a lane is about, or the lane. */
function connectionOf(lane) {
  return /^[cs](\d+)/.exec(lane)?.[1] ?? lane;
}

/** Tells how many times as long as usual a thread may have to wait for a processor. */
function loadFactor() {
  const factor = os.loadavg()[0] / os.availableParallelism();
  return Math.max(1, Math.min(factor, MAX_FACTOR));
}

/** Leaves out of an answer what a socket says because it was corked, to have it write once. */
function uncorked(answer) {
  if (!answer.trace) return answer;
  const lanes = Object.entries(answer.trace).map(([lane, lines]) => {
    return [lane, lines.map((line) => line.replace(/needDrain \w+/, 'needDrain'))];
  });
  return { ...answer, trace: Object.fromEntries(lanes) };
}

/**
 * Compares a program once more.
 *
 * @param {Record<'ws' | 'tick' | 'turn' | 'long' | 'oxws', import('./pool')>} checker The workers
 * @param {any} program The program
 * @param {{runsOfWs?: number, runsOfOxws?: number}} [options] How often
 * @return {Promise<Verdict>} What came of it
 */
async function confirm(
  checker,
  program,
  { runsOfWs = RUNS_OF_WS, runsOfOxws = RUNS_OF_OXWS } = {}
) {
  const task = { program, quietMs: QUIET_MS * loadFactor() };
  const { mode } = checker.oxws;
  if (ACROSS.has(program.theme) && THREADED.has(mode)) runsOfOxws = RUNS_ACROSS;
  const [expected, actual] = await Promise.all([
    Promise.all(Array.from({ length: runsOfWs }, () => checker.ws.run(task))),
    Promise.all(Array.from({ length: runsOfOxws }, () => checker.oxws.run(task)))
  ]);
  const isSteady = expected.every((answer) => differences(expected[0], answer).length === 0);
  const different = actual.filter((answer) => {
    return expected.every((other) => unexplained({ program, mode }, other, answer).length > 0);
  });
  const verdict = {
    expected: expected[0],
    actual: different[0] ?? actual[0],
    times: different.length
  };
  if (different.length === 0) return { kind: 'same', found: [], ...verdict };
  // Who is served first, of several connections that other threads read, isn't said either.
  const isRace =
    ACROSS.has(program.theme) && THREADED.has(mode) && different.length < actual.length;
  if (!isSteady || isRace) return { kind: 'unsteady', found: [], ...verdict };
  const held = await Promise.all(HELD.map((when) => checker[when].run(task)));
  // Each connection by itself: it may matter to one how long frames are held, to another that they
  // aren't.
  const left = [expected[0], ...held].map((other) => {
    const found = unexplained({ program, mode }, uncorked(other), uncorked(different[0]));
    return new Set(found.map(({ lane }) => connectionOf(lane)));
  });
  const isHeld = [...left[0]].every((name) => left.some((names) => !names.has(name)));
  if (isHeld) return { kind: 'held', found: [], ...verdict };
  return {
    kind: 'difference',
    found: unexplained({ program, mode }, expected[0], different[0]),
    ...verdict
  };
}

module.exports = confirm;

// @ts-check
'use strict';

// Looks closer at a program that differed: alone, slowly, several times.

const os = require('node:os');

const { differences, unexplained } = require('./compare');

/** Milliseconds without anything new that end a step, where nothing else runs. */
const QUIET_MS = 35;
/** How many times as long that is at most where other processes have the processors. */
const MAX_FACTOR = 10;
/** How often ws is asked, and oxws, and how often more where that differs. */
const RUNS_OF_WS = 3;
const RUNS_OF_OXWS = 2;
const MORE_RUNS = 4;
/**
 * ws whose frames of a tick, or of a turn of the event loop, leave together, the long ones among
 * them or not: see hold-writes.js.
 */
const HELD = ['tick', 'turn', 'long'];

/**
 * @typedef {object} Verdict
 * @property {'difference' | 'unsteady' | 'sometimes' | 'held' | 'same'} kind Whether they differ,
 *   ws doesn't repeat itself, oxws sometimes does what ws does, they are equal when ws writes once
 *   a tick, or they always are
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

/** Gives an answer with the lines of each lane changed. */
function changed(answer, change) {
  if (!answer.trace) return answer;
  const lanes = Object.entries(answer.trace).map(([lane, lines]) => [lane, change(lines, lane)]);
  return { ...answer, trace: Object.fromEntries(lanes) };
}

/** Leaves out of an answer what a socket says because it was corked, to have it write once. */
function uncorked(answer) {
  return changed(answer, (lines) => lines.map((it) => it.replace(/needDrain \w+/, 'needDrain')));
}

/** Leaves out of an answer in which order callbacks came. */
function unordered(answer) {
  return changed(answer, (lines, lane) =>
    lane.endsWith(' callbacks') ? [...lines].sort() : lines
  );
}

/**
 * Compares a program once more.
 *
 * @param {Record<'ws' | 'tick' | 'turn' | 'long' | 'oxws', import('./pool')>} checker The workers
 * @param {any} program The program
 * @param {{runsOfWs?: number, runsOfOxws?: number, moreRuns?: number}} [options] How often
 * @return {Promise<Verdict>} What came of it
 */
async function confirm(
  checker,
  program,
  { runsOfWs = RUNS_OF_WS, runsOfOxws = RUNS_OF_OXWS, moreRuns = MORE_RUNS } = {}
) {
  const task = { program, quietMs: QUIET_MS * loadFactor() };
  const { mode } = checker.oxws;
  const several = (worker, length) => {
    return Promise.all(Array.from({ length }, () => worker.run(task)));
  };
  const [expected, actual] = await Promise.all([
    several(checker.ws, runsOfWs),
    several(checker.oxws, runsOfOxws)
  ]);
  const isSteady = expected.every((answer) => differences(expected[0], answer).length === 0);
  const differs = (answer) => {
    return expected.every((other) => unexplained({ program, mode }, other, answer).length > 0);
  };
  const different = actual.filter(differs);
  const verdict = {
    expected: expected[0],
    actual: different[0] ?? actual[0],
    times: different.length
  };
  if (different.length === 0) return { kind: 'same', found: [], ...verdict };
  if (!isSteady) return { kind: 'unsteady', found: [], ...verdict };
  const held = await Promise.all(HELD.map((when) => checker[when].run(task)));
  // Each connection by itself: it may matter to one how long frames are held, to another that they
  // aren't. To hold them puts their callbacks off, so where more differs than their order, that
  // isn't compared.
  const leftOf = (other, answer) => {
    const found = unexplained({ program, mode }, uncorked(other), uncorked(answer));
    return new Set(found.map(({ lane }) => connectionOf(lane)));
  };
  const [plain] = different;
  const left = [expected[0], ...held].map((other) => leftOf(other, plain));
  const rest = [expected[0], ...held].map((other) => leftOf(unordered(other), unordered(plain)));
  const isHeld = [...left[0]].every((name) => {
    return (rest[0].has(name) ? rest : left).some((names) => !names.has(name));
  });
  if (isHeld) return { kind: 'held', found: [], ...verdict };
  const found = unexplained({ program, mode }, expected[0], plain);
  // How much is read at once, and by another thread when, may differ from run to run.
  const more = await several(checker.oxws, moreRuns);
  const isSame = different.length < actual.length || !more.every(differs);
  return { kind: isSame && moreRuns > 0 ? 'sometimes' : 'difference', found, ...verdict };
}

module.exports = confirm;

// Makes medians and ratios of the reports of several rounds.

import { BASELINE } from './contenders.mjs';

/** A ratio whose rounds differ more than this, largest by smallest, is marked. */
export const NOISY = 1.3;

/**
 * @typedef {object} Figure
 * @property {string} key The field of the load generator's report
 * @property {string} label The head of its column
 * @property {boolean} more More is better
 */

/** @type {Figure[]} */
const ECHO_FIGURES = [
  { key: 'messages_per_second', label: '/s', more: true },
  { key: 'p50_us', label: 'p50 µs', more: false },
  { key: 'p99_us', label: 'p99 µs', more: false },
  { key: 'server_cpu_us_per_message', label: 'CPU µs', more: false },
  { key: 'server_main_thread_us_per_message', label: 'main thread µs', more: false }
];

/** A client that sends back what it gets has no latency of its own. */
const CLIENT_FIGURES = ECHO_FIGURES.filter(({ key }) => !key.startsWith('p'));

/** @type {Figure[]} */
const IDLE_FIGURES = [{ key: 'bytes_per_connection', label: 'bytes/connection', more: false }];

/**
 * Names what is compared in a case; the first figure is the one that the chart shows.
 *
 * @param {import('./cases.mjs').Case} which The case
 * @return {Figure[]} Its figures
 */
export function figuresOf(which) {
  if (which.mode === 'idle') return IDLE_FIGURES;
  return which.mode === 'serve' ? CLIENT_FIGURES : ECHO_FIGURES;
}

/**
 * @typedef {object} Summary
 * @property {Record<string, number>} medians By field of the report
 * @property {Record<string, { median: number, min: number, max: number }>} ratios To the baseline,
 *   round by round, above 1 where this contender is better
 */

/**
 * Sums up the rounds of a case.
 *
 * A ratio is taken within a round, where both ran within seconds of each other, and the median of
 * the rounds is its value: what slows the whole machine for a while then counts for neither.
 *
 * @param {import('./cases.mjs').Case} which The case
 * @param {Map<string, (Record<string, number> | undefined)[]>} rounds By contender; `undefined`
 *   where a round failed
 * @return {Map<string, Summary>} By contender, without those that failed in every round
 */
export function summarize(which, rounds) {
  const baseline = rounds.get(BASELINE);
  /** @type {Map<string, Summary>} */
  const summaries = new Map();
  for (const [id, reports] of rounds) {
    const valid = reports.filter((report) => report !== undefined);
    if (valid.length === 0) continue;
    /** @type {Summary} */
    const summary = { medians: {}, ratios: {} };
    for (const key of Object.keys(valid[0])) {
      summary.medians[key] = median(valid.map((report) => report[key]));
    }
    for (const { key, more } of baseline ? figuresOf(which) : []) {
      const ratios = reports.flatMap((report, round) => {
        const base = baseline?.[round];
        if (report === undefined || base === undefined) return [];
        const ratio = more ? report[key] / base[key] : base[key] / report[key];
        // A CPU time below a clock tick gives no ratio.
        return Number.isFinite(ratio) ? [ratio] : [];
      });
      if (ratios.length === 0) continue;
      const [min, max] = [Math.min(...ratios), Math.max(...ratios)];
      summary.ratios[key] = { median: median(ratios), min, max };
    }
    summaries.set(id, summary);
  }
  return summaries;
}

/**
 * The middle of some numbers.
 *
 * @param {number[]} values At least one
 * @return {number} Their median
 */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

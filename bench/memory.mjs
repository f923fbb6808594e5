// How the resident memory of a process develops in a long run.

import { readFileSync } from 'node:fs';

/** By how much the median of the last quarter may exceed that of the one before. */
export const LARGEST_GROWTH = 1.05;

/**
 * Reads the resident memory of a process.
 *
 * @param {number} pid The process
 * @return {number} MiB
 */
export function residentMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024;
}

/**
 * @param {number[]} values At least one
 * @return {number} Their median
 */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/**
 * Says how memory developed.
 *
 * @param {number[]} samples MiB, one after the other
 * @return {{line: string, growth: number}} As text, and the last quarter by the one before
 */
export function summarize(samples) {
  const quarter = (/** @type {number} */ index) =>
    median(
      samples.slice((samples.length * index) / 4, Math.max((samples.length * (index + 1)) / 4, 1))
    );
  const quarters = [0, 1, 2, 3].map(quarter);
  const shown = quarters.map((value) => value.toFixed(0)).join(', ');
  const line = `medians of the quarters ${shown} MiB, at most ${Math.max(...samples).toFixed(0)} MiB`;
  return { line, growth: quarters[3] / quarters[2] };
}

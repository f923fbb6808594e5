// What is kept of a run: medians and ratios of what the tables show, without every round.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figuresOf } from './figures.mjs';

/** The folder of the runs that are kept. */
export const recorded = join(dirname(fileURLToPath(import.meta.url)), 'recorded');

/**
 * @typedef {object} Result
 * @property {string} contender Its id
 * @property {Record<string, number>} [medians] By field of the load generator's report
 * @property {import('./figures.mjs').Summary['ratios']} [ratios] To the baseline
 */

/**
 * @typedef {object} RecordedRun
 * @property {string} date When it ended, ISO 8601
 * @property {Record<string, string | number | null>} machine Where, and which versions
 * @property {number} rounds How many, at most
 * @property {number} seconds The time of a round
 * @property {number} warm_up The time before it, in seconds
 * @property {{ id: string, name: string }[]} contenders Who took part
 * @property {(import('./cases.mjs').Case & { results: Result[] })[]} cases What was measured
 */

/**
 * Formats the part of a run that is kept, a line for each result, so that two runs can be compared
 * line by line.
 *
 * @param {RecordedRun} run The whole run
 * @return {string} JSON
 */
export function formatRecord({ cases, ...run }) {
  const lines = cases.map(({ results, ...which }) => {
    const keys = [...figuresOf(which).map(({ key }) => key), 'load_cpu_share'];
    const kept = results.map((result) => `      ${JSON.stringify(pruneResult(result, keys))}`);
    const head = JSON.stringify({ ...which, results: [] }).slice(0, -2);
    return `    ${head}\n${kept.join(',\n')}\n    ]}`;
  });
  const head = JSON.stringify(run, null, 2).slice(0, -2);
  return `${head},\n  "cases": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/**
 * @param {Result} result A result
 * @param {string[]} keys The fields that are kept
 * @return {Result} The same with these fields, to four digits
 */
function pruneResult({ contender, medians, ratios }, keys) {
  if (medians === undefined) return { contender };
  const pick = (
    /** @type {Record<string, any>} */ fields,
    /** @type {(value: any) => any} */ map
  ) =>
    Object.fromEntries(
      keys.filter((key) => fields[key] !== undefined).map((key) => [key, map(fields[key])])
    );
  return {
    contender,
    medians: pick(medians, fourDigits),
    ratios: pick(ratios ?? {}, ({ median, min, max }) => ({
      median: fourDigits(median),
      min: fourDigits(min),
      max: fourDigits(max)
    }))
  };
}

/**
 * @param {number} value A figure
 * @return {number} The same to four significant digits
 */
function fourDigits(value) {
  return Number(value.toPrecision(4));
}

/**
 * Reads the newest of the runs that are kept.
 *
 * @return {RecordedRun & { name: string }} The run, and the name of its file without extension
 */
export function readNewestRecord() {
  const file = readdirSync(recorded)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1);
  if (file === undefined) throw new Error('bench/recorded holds no run');
  return {
    ...JSON.parse(readFileSync(join(recorded, file), 'utf8')),
    name: file.slice(0, -'.json'.length)
  };
}

// Runs the scenarios on ws and on oxws and compares what happened.

import { parseArgs } from 'node:util';
import { writePrograms } from '../../scripts/support/compatibility.mjs';
import { InstallError, install } from './install.mjs';
import { findCommand, runScenario } from './outcome.mjs';
import { PROGRAMS } from './programs.mjs';
import { table } from './table.mjs';

/** The ways in which oxws is run, by what is added to the environment. */
const WAYS = {
  oxws: {},
  'oxws, stream transport': { OXWS_TRANSPORT: 'stream' },
  'oxws, tokio driver': { OXWS_DRIVER: 'tokio' }
};

/**
 * The result of a program.
 *
 * @typedef {object} Result
 * @property {string} name The program
 * @property {{ name: string, version?: string }} [needs] Software that isn't from npm
 * @property {string} [skipped] Why it wasn't run
 * @property {string} [ws] What was wrong on ws
 * @property {Record<string, string>} wrong What was wrong on oxws, by the way
 * @property {number} [events] How many lines were compared
 */

/**
 * Says what is wrong with an outcome in itself.
 *
 * @param {import('./outcome.mjs').Outcome} outcome The outcome
 * @param {string} side `ws` or `oxws`
 * @return {string | undefined} The first thing
 */
function fault(outcome, side) {
  if (outcome.end !== 'exit code 0') {
    const last = Object.entries(outcome.tracks).map(([name, lines]) => `${name}: ${lines.at(-1)}`);
    return `${outcome.end}\n${outcome.output}\nIts last lines:\n${last.join('\n')}`;
  }
  if (outcome.leftovers) return 'left processes behind';
  // Every scenario loads ws: where a program has its own copy, for the other end.
  const other = outcome.loaded.find((name) => !name.startsWith(`${side} `));
  if (other !== undefined) return `loaded ${other}`;
  if (outcome.loaded.length === 0) return `did not load ${side}`;
  if (Object.keys(outcome.tracks).length === 0) return 'wrote nothing down';
}

/**
 * Finds the first difference between what happened on ws and on oxws.
 *
 * @param {Record<string, string[]>} expected The tracks on ws
 * @param {Record<string, string[]>} actual The tracks on oxws
 * @return {string | undefined} The difference
 */
function difference(expected, actual) {
  for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const before = expected[name] ?? [];
    const now = actual[name] ?? [];
    const line = Math.max(before.length, now.length);
    for (let i = 0; i < line; i++) {
      if (before[i] === now[i]) continue;
      return `track "${name}", line ${i + 1}\n  ws:   ${before[i]}\n  oxws: ${now[i]}`;
    }
  }
}

/**
 * Runs a program on both sides.
 *
 * @param {string} name The program
 * @param {boolean} verbose Whether to print what happened on ws
 * @return {Promise<Result>} The result
 */
async function runProgram(name, verbose) {
  const { needs: software } = PROGRAMS[name];
  const found = software && findCommand(software);
  const needs = software && { name: software, version: found?.version };
  if (software && !found) {
    return { name, needs, skipped: `${software} isn't installed`, wrong: {} };
  }
  const env = found ? { ECOSYSTEM_COMMAND: found.command } : {};

  const reference = await runScenario(install(name, 'ws'), env);
  const ws = fault(reference, 'ws');
  report('ws', reference, ws);
  if (verbose) console.log(JSON.stringify(reference.tracks, null, 2));
  if (ws !== undefined) return { name, needs, ws, wrong: {} };

  const wrong = {};
  const folder = install(name, 'oxws');
  for (const [way, variables] of Object.entries(WAYS)) {
    const outcome = await runScenario(folder, { ...env, ...variables });
    const problem = fault(outcome, 'oxws') ?? difference(reference.tracks, outcome.tracks);
    report(way, outcome, problem);
    if (problem !== undefined) wrong[way] = problem;
  }
  return { events: Object.values(reference.tracks).flat().length, name, needs, wrong };
}

function report(way, outcome, problem) {
  const lines = Object.values(outcome.tracks).flat().length;
  const time = `${outcome.seconds.toFixed(1)} s`;
  console.log(`  ${problem ? 'WRONG ' : 'good  '} ${way}: ${lines} lines, ${time}`);
  if (problem) console.log(problem.replace(/^/gm, '    '));
}

/**
 * Runs programs and, if it is all of them, writes the table.
 *
 * @param {string[]} args Names of programs, all without; `--quick`; `--verbose`
 * @return {Promise<number>} The exit code
 */
export async function runEcosystem(args) {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { quick: { type: 'boolean' }, verbose: { type: 'boolean' } }
  });
  const unknown = positionals.find((name) => !(name in PROGRAMS));
  if (unknown !== undefined) {
    console.error(`no program "${unknown}"; there are: ${Object.keys(PROGRAMS).join(', ')}`);
    return 1;
  }
  const all = positionals.length === 0 && !values.quick;
  const names = Object.keys(PROGRAMS).filter(
    (name) => all || positionals.includes(name) || (values.quick && PROGRAMS[name].quick)
  );

  const results = [];
  for (const name of names) {
    console.log(name);
    const result = await runProgram(name, values.verbose).catch((error) => {
      if (!(error instanceof InstallError)) throw error;
      // A quick look can do without the registry, a full one can't.
      return values.quick
        ? { name, skipped: error.message, wrong: {} }
        : { name, ws: error.message, wrong: {} };
    });
    if (result.skipped) console.log(`  skipped: ${result.skipped}`);
    results.push(result);
  }
  if (all) writePrograms(table(results));
  const bad = results.filter(({ ws, wrong }) => ws || Object.keys(wrong).length > 0);
  const skipped = results.filter((result) => result.skipped);
  const good = results.length - bad.length - skipped.length;
  console.log(`${good} the same on ws and oxws, ${bad.length} not, ${skipped.length} skipped`);
  return bad.length === 0 ? 0 : 1;
}

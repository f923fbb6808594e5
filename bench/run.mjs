// `npm run bench [-- OPTION ...]`: compares WebSocket servers, see README.md beside this file.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { requireAddon } from '../scripts/support/addon.mjs';
import { main, root, Stop } from '../scripts/support/command.mjs';
import { requireDependencies } from '../scripts/support/dependencies.mjs';
import { requireNode } from '../scripts/support/toolchain.mjs';
import { cases as allCases, STANDARD } from './cases.mjs';
import { drawChart } from './chart.mjs';
import { findContenders } from './contenders.mjs';
import { summarize } from './figures.mjs';
import { busyWarning, machineFacts } from './machine.mjs';
import { buildGenerator, makeCertificate, runLoad, startServer } from './processes.mjs';
import { formatRecord, recorded } from './record.mjs';
import { formatCase, LEGEND } from './table.mjs';

/** @typedef {import('./cases.mjs').Case} Case */
/** @typedef {import('./contenders.mjs').Contender} Contender */
/** @typedef {(Record<string, number> | undefined)[]} Reports One for each round */

const here = dirname(fileURLToPath(import.meta.url));

const USAGE = `Usage: npm run bench -- [OPTION ...]

  --case REGEX       only cases whose id or title matches
  --only ID[,ID]     only these contenders: ws, ws+bufferutil, oxws, oxws-loop,
                     oxws-tokio, against, bun, bun-ws
  --rounds N         rounds of each case (default 5)
  --seconds S        measured in each round (default 2)
  --warm-up S        before it (default 0.5)
  --node PATH        the Node binary that servers run on (default: this one)
  --against FOLDER   another checkout of oxws, built, as one more contender
  --save             keep the figures in bench/recorded
  --list             list the cases

The variable BUN names the Bun binary, if it is not on the PATH.`;

/**
 * @typedef {object} Settings
 * @property {Case[]} cases
 * @property {Contender[]} contenders
 * @property {number} rounds
 * @property {import('./processes.mjs').Timing} timing
 * @property {string} node
 * @property {boolean} save
 */

main(async (args) => {
  const options = parseOptions(args);
  if (options.help) return console.log(USAGE);
  const cases = findCases(options.case);
  if (options.list) {
    return console.log(cases.map(({ id, title }) => `${id.padEnd(30)} ${title}`).join('\n'));
  }
  requireNode();
  await requireDependencies();
  await buildGenerator();
  const node = options.node ?? process.execPath;
  const only = options.only?.split(',') ?? [];
  const contenders = findContenders({ node, only, against: options.against });
  if (contenders.some(({ package: folder }) => folder === root)) await requireAddon();
  const contested = cases.filter((which) => participants(which, contenders).length > 0);
  if (contested.length === 0) throw new Stop('none of these contenders takes part in these cases.');
  const timing = { seconds: options.seconds, warmUp: options['warm-up'] };
  const settings = {
    cases: contested,
    contenders,
    rounds: options.rounds,
    timing,
    node,
    save: options.save
  };
  return compare(settings);
});

/**
 * Reads the command line.
 *
 * @param {string[]} args The arguments
 */
function parseOptions(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        against: { type: 'string' },
        case: { type: 'string' },
        help: { type: 'boolean', default: false, short: 'h' },
        list: { type: 'boolean', default: false },
        node: { type: 'string' },
        only: { type: 'string' },
        rounds: { type: 'string', default: '5' },
        save: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '2' },
        'warm-up': { type: 'string', default: '0.5' }
      }
    });
    const [rounds, seconds, warmUp] = [values.rounds, values.seconds, values['warm-up']].map(
      Number
    );
    if (!(rounds >= 1 && seconds > 0 && warmUp >= 0)) {
      throw new Error('--rounds, --seconds and --warm-up take positive numbers');
    }
    return { ...values, rounds, seconds, 'warm-up': warmUp };
  } catch (error) {
    throw new Stop(`${/** @type {Error} */ (error).message}\n\n${USAGE}`);
  }
}

/**
 * Picks cases.
 *
 * @param {string} [pattern] What their id or title has to match
 * @return {Case[]} At least one
 */
function findCases(pattern = '') {
  const regex = new RegExp(pattern, 'i');
  const found = allCases.filter(({ id, title }) => regex.test(id) || regex.test(title));
  if (found.length === 0) throw new Stop(`no case matches ${pattern}; see --list.`);
  return found;
}

/**
 * Runs all rounds of all cases, prints the tables and writes the files.
 *
 * @param {Settings} settings What to run
 * @return {Promise<number>} The exit code: 1 when a run failed
 */
async function compare(settings) {
  const { cases, contenders, rounds, timing } = settings;
  const runs = cases
    .map((which) => participants(which, contenders).length * roundsOf(which, rounds))
    .reduce((sum, count) => sum + count);
  const minutes = Math.ceil((runs * (timing.seconds + timing.warmUp + 0.5)) / 60);
  console.log(
    `Cases: ${cases.length}. Contenders: ${contenders.map(({ name }) => name).join(', ')}. ` +
      `Rounds: ${rounds}. This takes about ${minutes} min.`
  );
  const warning = busyWarning();
  if (warning !== undefined) console.log(warning);
  console.log();

  const facts = machineFacts(settings.node);
  const certificates = mkdtempSync(join(tmpdir(), 'oxws-bench-'));
  // Also when a signal ends the run.
  process.on('exit', () => rmSync(certificates, { recursive: true, force: true }));
  await makeCertificate(certificates);

  let failures = 0;
  /** @type {Map<string, Map<string, Reports>>} */
  const reports = new Map();
  /** @type {Map<string, Map<string, import('./figures.mjs').Summary>>} */
  const summaries = new Map();
  for (const which of cases) {
    const result = await runCase(which, settings, certificates);
    failures += result.failures;
    reports.set(which.id, result.reports);
    const summary = summarize(which, result.reports);
    summaries.set(which.id, summary);
    console.log(`${formatCase(which, participants(which, contenders), summary)}\n`);
  }
  console.log(LEGEND);
  writeResults(settings, facts, reports, summaries);
  if (failures > 0) console.error(`\n${failures} of ${runs} runs failed; see above.`);
  return failures > 0 ? 1 : 0;
}

/**
 * Lists who takes part in a case.
 *
 * @param {Case} which The case
 * @param {Contender[]} contenders All that can run
 * @return {Contender[]} Some of them
 */
function participants(which, contenders) {
  return contenders.filter(({ id }) => (which.contenders ?? STANDARD).includes(id));
}

/**
 * Tells how many rounds a case has.
 *
 * @param {Case} which The case
 * @param {number} rounds How many were asked for
 * @return {number} No more than those
 */
function roundsOf(which, rounds) {
  return Math.min(rounds, which.rounds ?? rounds);
}

/**
 * Runs the rounds of a case. The contenders take turns, each with a fresh server.
 *
 * @param {Case} which The case
 * @param {Settings} settings What to run
 * @param {string} certificates The folder of the certificate
 * @return {Promise<{ reports: Map<string, Reports>, failures: number }>} What was measured
 */
async function runCase(which, settings, certificates) {
  const { timing } = settings;
  const contenders = participants(which, settings.contenders);
  const rounds = roundsOf(which, settings.rounds);
  let failures = 0;
  /** @type {Map<string, Reports>} */
  const reports = new Map(contenders.map(({ id }) => [id, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      let report;
      try {
        report = await runOnce(contender, which, timing, certificates);
      } catch (error) {
        failures++;
        const { message } = /** @type {Error} */ (error);
        console.error(`${which.id}, ${contender.name}, round ${round + 1}: ${message}`);
      }
      reports.get(contender.id)?.push(report);
    }
  }
  return { reports, failures };
}

/**
 * Measures one server once.
 *
 * @param {Contender} contender Whose server
 * @param {Case} which The case
 * @param {import('./processes.mjs').Timing} timing How long
 * @param {string} certificates The folder of the certificate
 * @return {Promise<Record<string, number>>} The report of the load generator
 */
async function runOnce(contender, which, timing, certificates) {
  const server = await startServer(contender, which, certificates);
  try {
    return await runLoad(server, which, timing, certificates);
  } finally {
    await server.end();
  }
}

/**
 * Writes figures and chart, named by the date.
 *
 * @param {Settings} settings What was run
 * @param {ReturnType<typeof machineFacts>} machine Where
 * @param {Map<string, Map<string, Reports>>} reports Round by round
 * @param {Map<string, Map<string, import('./figures.mjs').Summary>>} summaries Medians and ratios
 */
function writeResults({ cases, contenders, rounds, timing, save }, machine, reports, summaries) {
  const date = new Date().toISOString();
  const record = {
    date,
    machine,
    rounds,
    seconds: timing.seconds,
    warm_up: timing.warmUp,
    contenders: contenders.map(({ id, name }) => ({ id, name })),
    cases: cases.map((which) => ({
      ...which,
      results: participants(which, contenders).map(({ id }) => ({
        contender: id,
        ...summaries.get(which.id)?.get(id),
        rounds: reports
          .get(which.id)
          ?.get(id)
          ?.map((report) => report ?? null)
      }))
    }))
  };
  const caption =
    `${machine.cpu}, ${machine.processors} processors, Node ${machine.node}, ${date.slice(0, 10)}, ` +
    `commit ${machine.commit}; medians of ${rounds} rounds`;
  const chart = drawChart({ cases, contenders, summaries, caption });
  const name = date.slice(0, 19).replaceAll(':', '-');
  const results = join(here, 'results');
  const files = [{ path: join(results, `${name}.json`), contents: `${JSON.stringify(record)}\n` }];
  if (chart !== undefined) files.push({ path: join(results, `${name}.svg`), contents: chart });
  if (save) files.push({ path: join(recorded, `${name}.json`), contents: formatRecord(record) });

  mkdirSync(results, { recursive: true });
  mkdirSync(recorded, { recursive: true });
  console.log();
  for (const { path, contents } of files) {
    writeFileSync(path, contents);
    console.log(`Written: ${relative(root, path)}`);
  }
}

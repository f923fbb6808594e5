// `node bench/documents.mjs [--check]`: writes what README.md and doc/performance.md show of the
// newest run in recorded/, and the charts of doc/figures. With `--check` it writes nothing and
// fails where they differ.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, Stop } from '../scripts/support/command.mjs';
import { drawChart } from './chart.mjs';
import { BASELINE } from './contenders.mjs';
import { figuresOf, NOISY } from './figures.mjs';
import { readNewestRecord } from './record.mjs';

/** @typedef {import('./record.mjs').RecordedRun} RecordedRun */
/** @typedef {RecordedRun['cases'][number]} RecordedCase */

/** The cases of the chart, by id, in what readers of README.md call it. */
const CHART_CASES = {
  '64x20B-1': '64 connections, 20 B, 1 message in flight',
  '64x20B-32': '64 connections, 20 B, 32 in flight',
  '64x1KiB-32': '64 connections, 1 KiB, 32 in flight',
  '16x64KiB-2': '16 connections, 64 KiB, 2 in flight',
  'chat-32': 'A chat room: 32 clients, everybody gets everything',
  'await-immediate-64x100B-16': 'The listener awaits an immediate before it answers',
  'tls-64x1KiB-8': 'TLS, 64 connections, 1 KiB, 8 in flight',
  'deflate-64x1KiB-4-takeover-6': 'Compressed, 64 connections, 1 KiB of JSON, 4 in flight',
  'deflate-broadcast-1000': 'Compressed broadcast of 1 KiB to 1000 connections',
  'broadcast-1000': 'Broadcast of 100 B to 1000 connections',
  'client-64x20B-32': 'As the client, 64 connections, 20 B, 32 in flight',
  connect: 'Connections opened and closed',
  'idle-10000': 'Memory of an idle connection'
};

/** The rows of the first screen of README.md. */
const HEADLINE_ROWS = {
  '64x20B-32': '64 connections, messages of 20 B, 32 in flight',
  'chat-32': 'A chat room of 32, by a loop over its clients',
  'deflate-64x1KiB-4-takeover-6': '64 connections, messages of 1 KiB, compressed, 4 in flight',
  'idle-10000': 'Memory of an idle connection'
};

main((args) => {
  const unknown = args.find((argument) => argument !== '--check');
  if (unknown !== undefined) throw new Stop(`unknown option ${unknown}; there is --check.`);
  const run = readNewestRecord();
  const stale = documentsOf(run).filter(
    ({ path, contents }) => !existsSync(path) || readFileSync(path, 'utf8') !== contents
  );
  if (args.includes('--check')) {
    if (stale.length === 0) return 0;
    const names = stale.map(({ path }) => path.slice(root.length + 1)).join(', ');
    throw new Stop(`${names} differ from ${run.name}: run node bench/documents.mjs.`);
  }
  for (const { path, contents } of stale) writeFileSync(path, contents);
  return 0;
});

/**
 * @param {RecordedRun & { name: string }} run A run
 * @return {{ path: string, contents: string }[]} The files that show it
 */
function documentsOf(run) {
  const readme = join(root, 'README.md');
  const performance = join(root, 'doc', 'performance.md');
  const charts = /** @type {const} */ (['light', 'dark']).map((theme) => ({
    path: join(root, 'doc', 'figures', `performance-${theme}.svg`),
    contents: chartOf(run, theme)
  }));
  return [
    {
      path: readme,
      contents: fill(readme, { headline: headlineTable(run) })
    },
    {
      path: performance,
      contents: fill(performance, { machine: machineTable(run), figures: wholeTable(run) })
    },
    ...charts
  ];
}

/**
 * Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->`.
 *
 * @param {string} path A document
 * @param {Record<string, string>} blocks What goes there, by name
 * @return {string} The document
 */
function fill(path, blocks) {
  let contents = readFileSync(path, 'utf8');
  for (const [name, block] of Object.entries(blocks)) {
    const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [contents.indexOf(start), contents.indexOf(end)];
    if (from === -1 || to < from) throw new Stop(`${path} has no ${start} .. ${end}.`);
    contents = `${contents.slice(0, from + start.length)}\n${block}\n${contents.slice(to)}`;
  }
  return contents;
}

/**
 * @param {RecordedRun} run A run
 * @return {string} What oxws reaches, in Markdown
 */
function headlineTable(run) {
  const rows = Object.entries(HEADLINE_ROWS).map(([id, title]) => {
    const which = run.cases.find((one) => one.id === id);
    if (which === undefined) throw new Stop(`the run has no case ${id}.`);
    const factor = factorOf(which, 'oxws').replace('~', '').replace('×', 'times as fast');
    return `| ${title} | **${factor}** |`;
  });
  return ['| Beside ws with bufferutil, on one machine | |', '|---|---|', ...rows].join('\n');
}

/**
 * @param {RecordedCase} which A case
 * @param {string} contender An id
 * @return {string} Its ratio, or its memory beside that of the baseline
 */
function factorOf(which, contender) {
  const result = resultOf(which, contender);
  const [{ key }] = figuresOf(which);
  const ratio = result?.ratios?.[key];
  if (result?.medians === undefined || ratio === undefined) return '';
  if (which.mode !== 'idle') return `${noisy(ratio)}${twoDigits(ratio.median)} ×`;
  const base = resultOf(which, BASELINE)?.medians?.[key] ?? Number.NaN;
  return `${amount(result.medians[key], which)} instead of ${amount(base, which)}`;
}

/**
 * @param {RecordedRun} run A run
 * @return {string} Where and with what it ran, in Markdown
 */
function machineTable({ name, machine, rounds, seconds, date }) {
  const rows = [
    ['Processor', `${machine.cpu}, ${machine.processors} processors`],
    ['Memory, kernel', `${machine.memory_gib} GiB, ${machine.kernel}`],
    ['Node.js, Bun', `${machine.node}; ${machine.bun}`],
    ['ws, bufferutil', `${machine.ws}, ${machine.bufferutil}`],
    ['Rust', `${machine.rustc}`],
    ['oxws', `commit ${machine.commit}`],
    [
      'Run',
      `${date.slice(0, 10)}, at most ${rounds} rounds of ${seconds} s, [figures](../bench/recorded/${name}.json)`
    ]
  ];
  return ['| | |', '|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}

/**
 * @param {RecordedRun} run A run
 * @return {string} All cases, in Markdown
 */
function wholeTable(run) {
  const names = ['ws + bufferutil', 'oxws', 'Bun'];
  const head = ['Case', ...names, ...names.map((name) => `CPU: ${name}`)];
  const rows = run.cases
    .filter((which) => resultOf(which, 'oxws')?.medians !== undefined)
    .map((which) => {
      const shown = [BASELINE, 'oxws', bunIn(which)];
      const [{ key }] = figuresOf(which);
      const cells = [key, 'server_cpu_us_per_message'].flatMap((field) =>
        shown.map((contender) => cellOf(which, contender, field))
      );
      return `| ${[which.title, ...cells].join(' | ')} |`;
    });
  return [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows].join('\n');
}

/**
 * @param {RecordedCase} which A case
 * @param {string} contender An id
 * @param {string} key A field of the report
 * @return {string} Its median and its ratio
 */
function cellOf(which, contender, key) {
  const result = resultOf(which, contender);
  const value = result?.medians?.[key];
  if (value === undefined) return '';
  const shown =
    key === 'server_cpu_us_per_message' ? `${twoDigits(value)} µs` : amount(value, which);
  const ratio = result?.ratios?.[key];
  if (contender === BASELINE || ratio === undefined) return shown;
  return `${shown} (${noisy(ratio)}${twoDigits(ratio.median)})`;
}

/**
 * @param {RecordedCase} which A case
 * @return {string} What stands for Bun in it: its server, or where that has no part its `ws`
 */
function bunIn({ contenders }) {
  return contenders === undefined || contenders.includes('bun') ? 'bun' : 'bun-ws';
}

/**
 * @param {RecordedCase} which A case
 * @param {string} contender An id
 * @return {import('./record.mjs').Result | undefined} What it reached
 */
function resultOf(which, contender) {
  return which.results.find((result) => result.contender === contender);
}

/**
 * @param {{ min: number, max: number }} ratio A ratio
 * @return {string} A mark where the rounds differ much
 */
function noisy({ min, max }) {
  return max / min > NOISY ? '~' : '';
}

/**
 * @param {number} value A rate, or bytes
 * @param {RecordedCase} which Of this case
 * @return {string} The same with a unit
 */
function amount(value, which) {
  if (which.mode === 'idle') return `${(value / 1024).toFixed(1)} KiB`;
  if (value >= 1e6) return `${twoDigits(value / 1e6)} M/s`;
  return value >= 1e3 ? `${twoDigits(value / 1e3)} k/s` : `${twoDigits(value)} /s`;
}

/**
 * @param {number} value A figure
 * @return {string} The same to two digits, or as a whole number from 10 on
 */
function twoDigits(value) {
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}

/**
 * @param {RecordedRun} run A run
 * @param {'light' | 'dark'} theme The colours
 * @return {string} The chart
 */
function chartOf(run, theme) {
  const ids = Object.keys(CHART_CASES);
  const cases = run.cases
    .filter(({ id }) => ids.includes(id))
    .map((which) => ({
      ...which,
      title: CHART_CASES[/** @type {keyof CHART_CASES} */ (which.id)]
    }));
  const contenders = run.contenders.filter(({ id }) => ['oxws', 'bun', 'bun-ws'].includes(id));
  const summaries = new Map(
    cases.map(({ id, results }) => [
      id,
      new Map(
        results.map(({ contender, medians = {}, ratios = {} }) => [contender, { medians, ratios }])
      )
    ])
  );
  const caption = `${run.machine.cpu}, ${run.machine.processors} processors, Node ${run.machine.node}, ${run.date.slice(0, 10)}, commit ${run.machine.commit}`;
  const chart = drawChart({ cases, contenders, summaries, caption, theme });
  if (chart === undefined) throw new Stop(`${run.date} has nothing to draw.`);
  return chart;
}

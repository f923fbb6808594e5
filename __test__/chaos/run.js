// @ts-check
'use strict';

// Checks what must hold whatever happens, under chaos. README.md in this folder says what that is.
//
//   node __test__/chaos/run.js [--seeds N] [--seed N] [--rounds N] [--steps N] [--modes a,b]
//     [--kinds plain,unix,deflate,tls]

const { spawn } = require('node:child_process');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { environmentOf, names } = require('../differential/modes');

/** Milliseconds that a process may take. */
const PATIENCE = 10 * 60_000;
/** Bytes by which what a process holds may grow from the second round to the last. */
const GROWTH = 48 * 1024 * 1024;
/** How often timers are compared before they count as late: other processes disturb them. */
const TRIES = 3;
/** Timers may be this many times as late as with ws, and this many milliseconds. */
const FACTOR = 1.5;
const MARGIN_MS = 40;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '400' },
    modes: { type: 'string', default: names.join(',') },
    kinds: { type: 'string', default: 'plain,unix,deflate,tls' },
    'no-timers': { type: 'boolean', default: false }
  }
});

/** Runs a worker and gives what it reports. */
function perform(mode, seed) {
  const args = ['--expose-gc', path.join(__dirname, 'worker.js'), mode === 'ws' ? 'ws' : 'oxws'];
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [...args, String(seed), values.rounds, values.steps, values.kinds],
      {
        env: environmentOf(mode),
        stdio: ['ignore', 'pipe', 'pipe']
      }
    );
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(out));
      } catch {
        resolve({ failures: [`the process ended: ${signal ?? code}\n${errors.slice(-2000)}`] });
      }
    });
  });
}

/** Says what a process holds at the end that it should have let go. */
function leftovers(held = []) {
  if (held.length < 2) return [];
  const [first, last] = [held[1] ?? held[0], held[held.length - 1]];
  const found = [];
  if (last.descriptors > first.descriptors + 2) {
    found.push(`descriptors: ${first.descriptors}, then ${last.descriptors}`);
  }
  if (last.listeners !== first.listeners) {
    found.push(`listeners of the process: ${first.listeners}, then ${last.listeners}`);
  }
  if (last.resident > first.resident + GROWTH) {
    const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
    found.push(`resident memory: ${megabytes(first.resident)}, then ${megabytes(last.resident)}`);
  }
  return found;
}

/**
 * Compares timers with those of ws: the least late of some runs with the latest of some, as other
 * processes disturb both.
 */
async function compareTimers(mode, seed, known, first) {
  let expected = known;
  let actual = first;
  const isLate = () => {
    return ['longest', 'p99'].some((name) => actual[name] > expected[name] * FACTOR + MARGIN_MS);
  };
  const each = (choose, a, b) => {
    return { longest: choose(a.longest, b.longest), p99: choose(a.p99, b.p99) };
  };
  for (let i = 1; i < TRIES && isLate(); i++) {
    const [reference, again] = [await perform('ws', seed), await perform(mode, seed)];
    if (reference.timers) expected = each(Math.max, expected, reference.timers);
    if (again.timers) actual = each(Math.min, actual, again.timers);
  }
  const show = ({ longest, p99 }) => `longest ${longest.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`;
  return { text: `timers: ${show(actual)}; with ws ${show(expected)}`, isLate: isLate() };
}

async function main() {
  let failed = false;
  for (let i = 0; i < Number(values.seeds); i++) {
    const seed = Number(values.seed) + i;
    const reference = await perform('ws', seed);
    for (const failure of reference.failures) console.log(`seed ${seed}, ws: ${failure}`);
    for (const mode of /** @type {string} */ (values.modes).split(',')) {
      const { failures, held, timers } = await perform(mode, seed);
      const all = [...failures, ...leftovers(held)];
      let text = '';
      if (timers && reference.timers && !values['no-timers']) {
        const compared = await compareTimers(mode, seed, reference.timers, timers);
        text = compared.text;
        if (compared.isLate) all.push(compared.text);
      }
      for (const failure of all) console.log(`seed ${seed}, ${mode}: ${failure}`);
      console.log(`${all.length === 0 ? 'passed' : 'FAILED'}  seed ${seed}, ${mode}; ${text}`);
      failed ||= all.length > 0;
    }
  }
  return failed ? 1 : 0;
}

main().then((code) => {
  process.exitCode = code;
});

// @ts-check
'use strict';

// Runs programs on ws and on oxws and reports what differs. README.md in this folder says how.
//
//   node __test__/differential/run.js [--programs N] [--seed N] [--modes a,b] [--concurrency N]
//     [--minutes N] [--transport tcp|unix|tls] [--findings FOLDER] [--show SEED] [--no-shrink]

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { kindOf, unexplained, withoutSteps } = require('./compare');
const confirm = require('./confirm');
const generate = require('./generate');
const { names } = require('./modes');
const Worker = require('./pool');
const { describeFinding } = require('./report');
const shrink = require('./shrink');

/** Programs of each mode when nothing is said: few, for every change. */
const PROGRAMS = 400;
/** Milliseconds without anything new that end a step of a program that is repeated. */
const QUIET_MS = 10;
/** Findings of one kind that are shrunk and reported; the others are counted. */
const OF_A_KIND = 1;

const { values } = parseArgs({
  options: {
    programs: { type: 'string', default: String(PROGRAMS) },
    seed: { type: 'string', default: '1' },
    modes: { type: 'string', default: names.join(',') },
    concurrency: { type: 'string', default: '48' },
    minutes: { type: 'string', default: '600' },
    findings: { type: 'string' },
    show: { type: 'string' },
    skip: { type: 'string' },
    transport: { type: 'string' },
    'no-shrink': { type: 'boolean', default: false },
    'no-cases': { type: 'boolean', default: false }
  }
});

/** The transport of all programs, if one was named. */
const over = values.transport;

/** Everything that a run needs to know. */
const settings = {
  programs: Number(values.programs),
  first: Number(values.seed),
  modes: /** @type {string} */ (values.modes).split(','),
  concurrency: Number(values.concurrency),
  deadline: performance.now() + Number(values.minutes) * 60_000
};

/** Programs that are kept because they once differed. */
function readCases() {
  const folder = path.join(__dirname, 'cases');
  const files = fs.readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files.map((file) => {
    return { file, program: JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')) };
  });
}

/** Counts what a mode came to. */
class Tally {
  constructor() {
    this.compared = 0;
    this.unsteady = 0;
    this.sometimes = 0;
    this.underLoad = 0;
    this.skipped = 0;
    this.held = 0;
    this.asPlain = 0;
    this.used = new Map();
    this.kinds = new Map();
  }

  get findings() {
    return [...this.kinds.values()].reduce((sum, { count }) => sum + count, 0);
  }
}

/**
 * Tells whether oxws over TLS is as ws over TCP, or as it is there itself, where it's compared with
 * ws: with the engine a write is done when the kernel has the bytes, and not a turn later.
 */
async function isAsPlain(program, actual, repeat, compare) {
  const other = { ...program, transport: 'tcp', isVague: true };
  const plain = await repeat({ seed: undefined, program: other });
  return plain.some((trace) => compare(trace, actual).length === 0);
}

/** Compares one program in one mode, and looks closer where it differs. */
async function judge(tally, mode, program, [expected, actual], repeat, checker, title) {
  tally.compared++;
  const compare = (left, right, used) => {
    return unexplained({ program, mode }, withoutSteps(left), withoutSteps(right), used);
  };
  const found = compare(expected, actual, tally.used);
  if (found.length === 0) return;
  // Once more among others, somewhat slower: most have only been disturbed.
  const [left, right] = await repeat();
  if (compare(left, right).length === 0) {
    tally.underLoad++;
    return;
  }
  if (program.transport === 'tls' && (await isAsPlain(program, right, repeat, compare))) {
    tally.asPlain++;
    return;
  }
  let verdict = await confirm(checker, program);
  // A process that was held up for long differs once.
  if (verdict.kind === 'difference') verdict = await confirm(checker, program);
  if (verdict.kind !== 'difference') {
    if (verdict.kind === 'unsteady') tally.unsteady++;
    else if (verdict.kind === 'sometimes') {
      tally.sometimes++;
      console.log(`${mode}: ${title} differs sometimes: ${kindOf(verdict.found)}`);
    } else if (verdict.kind === 'held') tally.held++;
    else {
      tally.underLoad++;
      console.log(`${mode}: ${title} differs under load only: ${kindOf(found)}`);
    }
    return;
  }
  if (values.skip && new RegExp(values.skip).test(JSON.stringify(verdict.expected))) {
    tally.skipped++;
    return;
  }
  const kind = kindOf(verdict.found);
  const known = tally.kinds.get(kind) ?? { count: 0 };
  known.count++;
  tally.kinds.set(kind, known);
  if (known.count > OF_A_KIND) return;
  const smallest = values['no-shrink']
    ? { program, verdict }
    : await shrink(checker, program, verdict);
  const text = describeFinding(mode, kind, title, smallest.program, smallest.verdict);
  console.log(text);
  if (values.findings) {
    fs.mkdirSync(values.findings, { recursive: true });
    const name = `${mode}-${kind.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 70)}-${program.seed ?? 'case'}.md`;
    fs.writeFileSync(path.join(values.findings, name), text);
  }
}

async function main() {
  const workers = Object.fromEntries(
    ['ws', ...settings.modes].map((mode) => [mode, new Worker(mode, settings.concurrency)])
  );
  const references = {
    ws: new Worker('ws', 8),
    tick: new Worker('ws-tick', 8),
    turn: new Worker('ws-turn', 8),
    long: new Worker('ws-long', 8)
  };
  const checkers = Object.fromEntries(
    settings.modes.map((mode) => [mode, { ...references, oxws: new Worker(mode, 8) }])
  );
  const tallies = Object.fromEntries(settings.modes.map((mode) => [mode, new Tally()]));
  const start = performance.now();

  const one = async (title, task, program) => {
    const all = await Promise.all(Object.values(workers).map((worker) => worker.run(task)));
    const [expected, ...others] = all;
    await Promise.all(
      settings.modes.map((mode, i) => {
        const repeat = (other) => {
          const again = { ...task, ...other, quietMs: QUIET_MS };
          return Promise.all([workers.ws.run(again), workers[mode].run(again)]);
        };
        const answers = [expected, others[i]];
        return judge(tallies[mode], mode, program, answers, repeat, checkers[mode], title);
      })
    );
  };

  const tasks = (function* () {
    if (!values['no-cases']) {
      for (const { file, program } of readCases())
        yield { title: `case ${file}`, task: { program }, program };
    }
    for (let i = 0; i < settings.programs && performance.now() < settings.deadline; i++) {
      const seed = settings.first + i;
      const program = generate(seed, over);
      yield { title: `seed ${seed}`, task: { seed, over }, program };
    }
  })();
  // Somewhat more than what runs, so that the workers never wait.
  const hand = async () => {
    for (const { title, task, program } of tasks) await one(title, task, program);
  };
  await Promise.all(Array.from({ length: settings.concurrency * 2 }, hand));
  for (const worker of Object.values(workers)) worker.end();
  for (const checker of Object.values(checkers)) {
    for (const worker of Object.values(checker)) worker.end();
  }
  return report(tallies, (performance.now() - start) / 1000);
}

/** Prints what it came to; gives the exit code. */
function report(tallies, seconds) {
  let total = 0;
  for (const [mode, tally] of Object.entries(tallies)) {
    total += tally.findings;
    console.log(
      `${mode}: ${tally.compared} programs, ${tally.findings} differences, ` +
        `${tally.unsteady} that ws doesn't repeat, ${tally.sometimes} that oxws doesn't repeat, ` +
        `${tally.held} as when ws writes once a tick, ${tally.asPlain} over TLS as over TCP, ` +
        `${tally.underLoad} under load only, ${tally.skipped} left out`
    );
    for (const [name, count] of tally.used) console.log(`  explained ${count} times: ${name}`);
    for (const [kind, { count }] of tally.kinds) console.log(`  ${count} x ${kind}`);
  }
  console.log(
    `seeds ${settings.first} to ${settings.first + settings.programs - 1}, ${seconds.toFixed(0)} s`
  );
  return total > 0 ? 1 : 0;
}

/** Shows one program and its traces. */
async function show(seed) {
  const program = fs.existsSync(seed)
    ? JSON.parse(fs.readFileSync(seed, 'utf8'))
    : generate(Number(seed), over);
  console.log(JSON.stringify(program, null, 1));
  for (const mode of ['ws', 'ws-tick', 'ws-turn', ...settings.modes]) {
    const worker = new Worker(mode, 1);
    const answer = await worker.run({ program, quietMs: 25 });
    console.log(mode, answer.failure ?? JSON.stringify(answer.trace, null, 1));
    worker.end();
  }
  return 0;
}

// Until it's known that all went well it did not.
process.exitCode = 2;
process.on('exit', (code) => {
  if (code === 2) console.log('ended early');
});

(values.show ? show(values.show) : main()).then((code) => {
  process.exitCode = code;
});

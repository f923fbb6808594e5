// `npm run attacks [-- --seconds N] [--rounds N] [--only IDS] [--save]`: what one attacker can make
// a server hold or burn, ws beside oxws.
//
// Each attack runs against each server in turn, while a client that does nothing wrong measures how
// long it waits for an echo. The exit code is 1 where oxws holds more, burns more for each byte, or
// lets others wait longer than ws does, beyond what two runs of the same differ by; not with
// `--rounds 1`, which shows whether all of it runs. With `--save` the table goes into
// doc/reliability.md.

import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { main, root, Stop } from '../../scripts/support/command.mjs';
import { prepare } from '../../scripts/support/prepare.mjs';
import { busyWarning, machineFacts } from '../machine.mjs';
import { residentMemory } from '../memory.mjs';
import { ATTACKS, Attacker } from './attacks.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const document = join(root, 'doc', 'reliability.md');

/** What is attacked. */
const SERVERS = { ws: 'ws', oxws: root };
/** Ticks of `/proc/PID/stat` in a second, on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;
/** When a server has not recovered by then, it's said so. */
const LONGEST_RECOVERY_MS = 20_000;
/** What two runs of the same server differ by, at most: a factor, and so much besides. */
const TOLERANCE = { memory: [1.2, 8], cpu: [1.3, 0.2], delay: [2, 20], recovery: [2, 500] };

/**
 * @typedef {object} Figures
 * @property {number} memory MiB that the server had more than before, at most
 * @property {number} cpu Milliseconds of its processor time for each MiB that was sent
 * @property {number} seconds The same as a whole, in seconds
 * @property {number} delay The 99th percentile of what the client waited, in milliseconds
 * @property {number} recovery Milliseconds until the connections of the attacker were gone and the
 *   client had its echo at once
 */

main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      save: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '3' }
    }
  });
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
  const ids = values.only.split(',').filter(Boolean);
  const unknown = ids.find((id) => ATTACKS.every((attack) => attack.id !== id));
  if (unknown !== undefined) {
    throw new Stop(`no attack ${unknown}; there are ${ATTACKS.map(({ id }) => id).join(', ')}`);
  }
  if (!(seconds > 0) || !(rounds >= 1)) {
    throw new Stop('usage: npm run attacks -- [--seconds N] [--rounds N] [--only IDS] [--save]');
  }
  if (values.save && ids.length > 0) throw new Stop('--save is for all attacks.');
  await prepare();
  const warning = busyWarning();
  if (warning !== undefined) console.log(warning);

  const rows = [];
  let isWorse = false;
  for (const attack of ATTACKS.filter(({ id }) => ids.length === 0 || ids.includes(id))) {
    /** @type {Record<string, Figures[]>} */
    const runs = { ws: [], oxws: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [name, path] of Object.entries(SERVERS)) {
        runs[name].push(await attackServer(path, attack, seconds));
      }
    }
    const [ws, oxws] = [medians(runs.ws), medians(runs.oxws)];
    const worse = compare(ws, oxws);
    isWorse ||= worse.length > 0 && rounds > 1;
    rows.push(formatRow(attack, ws, oxws));
    console.log(`${rows.at(-1)}${worse.length > 0 ? ` WORSE: ${worse.join(', ')}` : ''}`);
  }
  if (values.save) save(rows, seconds, rounds);
  return isWorse ? 1 : 0;
});

/**
 * Attacks a server.
 *
 * @param {string} path What it requires
 * @param {import('./attacks.mjs').Attack} attack The attack
 * @param {number} seconds How long
 * @return {Promise<Figures>} The result
 */
async function attackServer(path, attack, seconds) {
  const setting = JSON.stringify({ package: path, ...attack.setting });
  const child = spawn(process.execPath, [join(folder, 'server.js'), setting], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit']
  });
  const pid = /** @type {number} */ (child.pid);
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let witness;
  try {
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const port = Number(line);
    witness = fork(join(folder, 'witness.js'), [`ws://127.0.0.1:${port}`]);
    const ask = () => report(/** @type {any} */ (witness));
    await sleep(500);
    const before = { memory: residentMemory(pid), cpu: cpuSeconds(pid), trips: await ask() };

    const attacker = new Attacker(port, performance.now() + seconds * 1000);
    let most = before.memory;
    const sampling = setInterval(() => {
      most = Math.max(most, residentMemory(pid));
    }, 20);
    await attack.run(attacker);
    most = Math.max(most, residentMemory(pid));
    clearInterval(sampling);
    const spent = cpuSeconds(pid) - before.cpu;
    const { p99 } = await ask();

    const left = performance.now();
    attacker.leave();
    const isRecovered = async () => {
      if ((await countConnections(port)) > 1) return false;
      const { count, max } = await ask();
      return count > 0 && max < Math.max(2 * before.trips.max, 20);
    };
    while (!(await isRecovered()) && performance.now() - left < LONGEST_RECOVERY_MS)
      await sleep(50);
    return {
      memory: most - before.memory,
      cpu: (spent * 1000) / (attacker.sent / 2 ** 20),
      seconds: spent,
      delay: p99,
      recovery: performance.now() - left
    };
  } finally {
    child.stdin.end();
    witness?.disconnect();
    await once(child, 'close');
  }
}

/**
 * @param {import('node:child_process').ChildProcess} witness The client
 * @return {Promise<{ count: number, p99: number, max: number }>} What it has seen since the last
 *   time
 */
async function report(witness) {
  witness.send('report');
  const [figures] = await once(witness, 'message');
  return figures;
}

/**
 * @param {number} port Where a server listens
 * @return {Promise<number>} How many WebSockets it has
 */
async function countConnections(port) {
  const request = http.get({ port, host: '127.0.0.1', agent: false });
  const [response] = await once(request, 'response');
  let text = '';
  for await (const part of response) text += part;
  return Number(text);
}

/**
 * @param {number} pid A process
 * @return {number} Processor time that it has taken, in seconds
 */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may have spaces; `utime` and `stime` are the 14th and 15th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * @param {Figures[]} runs Several runs
 * @return {Figures} The median of each figure
 */
function medians(runs) {
  const middle = (/** @type {keyof Figures} */ key) =>
    runs.map((run) => run[key]).sort((a, b) => a - b)[runs.length >> 1];
  return /** @type {any} */ (
    Object.fromEntries(Object.keys(runs[0]).map((key) => [key, middle(/** @type {any} */ (key))]))
  );
}

/**
 * @param {Figures} ws What ws takes
 * @param {Figures} oxws What this package takes
 * @return {string[]} In which figures it takes more
 */
function compare(ws, oxws) {
  return Object.entries(TOLERANCE)
    .filter(([key, [factor, more]]) => {
      const [limit, value] = [ws, oxws].map((figures) => figures[/** @type {'cpu'} */ (key)]);
      // Where little is sent, a few milliseconds are much for each MiB.
      if (key === 'cpu' && oxws.seconds <= ws.seconds * factor + more) return false;
      return value > limit * factor + more;
    })
    .map(([key]) => key);
}

/**
 * @param {import('./attacks.mjs').Attack} attack The attack
 * @param {Figures} ws Figures
 * @param {Figures} oxws Figures
 * @return {string} A row of the table
 */
function formatRow(attack, ws, oxws) {
  const pair = (/** @type {(figures: Figures) => string} */ show) => `${show(ws)} / ${show(oxws)}`;
  const cells = [
    attack.title,
    `${attack.connections}`,
    pair(({ memory }) => ((memory * 1024) / attack.connections).toFixed(1)),
    pair(({ seconds }) => seconds.toFixed(2)),
    pair(({ cpu }) => (cpu >= 100 ? cpu.toFixed(0) : cpu.toPrecision(2))),
    pair(({ delay }) => delay.toFixed(1)),
    pair(({ recovery }) => recovery.toFixed(0))
  ];
  return `| ${cells.join(' | ')} |`;
}

/**
 * Puts the table into the document.
 *
 * @param {string[]} rows Its rows
 * @param {number} seconds How long each attack took
 * @param {number} rounds How often
 */
function save(rows, seconds, rounds) {
  const facts = machineFacts(process.execPath);
  const text = [
    `${facts.cpu}, ${facts.processors} processors, Node.js ${facts.node}, commit ${facts.commit};`,
    `${seconds} s for each attack, medians of ${rounds} rounds; ws / oxws:`,
    '',
    '| Attack | Connections | KiB held for each | CPU s | CPU ms a MiB sent | Others wait, p99 ms | Recovered in ms |',
    '|---|---|---|---|---|---|---|',
    ...rows
  ].join('\n');
  const old = readFileSync(document, 'utf8');
  const marked = /<!-- attacks -->\n[\s\S]*?\n<!-- \/attacks -->/;
  writeFileSync(
    document,
    old.replace(marked, () => `<!-- attacks -->\n${text}\n<!-- /attacks -->`)
  );
}

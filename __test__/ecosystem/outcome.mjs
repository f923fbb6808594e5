// Runs a scenario in a process of its own and says what came of it.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './install.mjs';
import { COMMANDS } from './programs.mjs';

const PRELOAD = join(dirname(fileURLToPath(import.meta.url)), 'loaded.cjs');

/** No scenario takes longer. */
const TIME_LIMIT = 60_000;

// What a terminal interrupts is this process only: scenarios have groups of their own.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

/**
 * What came of a scenario.
 *
 * @typedef {object} Outcome
 * @property {string} end The exit code or the signal; `time limit`
 * @property {Record<string, string[]>} tracks What it wrote down
 * @property {string[]} loaded The packages called ws or oxws that were loaded: name and version
 * @property {boolean} leftovers Whether processes that it had started outlived it
 * @property {string} output What it printed
 * @property {number} seconds How long it took
 */

/**
 * Finds a program that isn't from npm.
 *
 * @param {string} name A key of `COMMANDS`
 * @return {{ command: string, version: string } | undefined} Its path and version
 */
export function findCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  for (const command of COMMANDS[name].flatMap((file) => folders.map((dir) => join(dir, file)))) {
    if (!existsSync(command)) continue;
    const { stderr, stdout } = spawnSync(command, [name === 'nginx' ? '-v' : '--version'], {
      encoding: 'utf8'
    });
    return { command, version: /\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? 'of unknown version' };
  }
}

/**
 * Runs the scenario of an install.
 *
 * @param {string} folder The install
 * @param {Record<string, string>} env What to add to the environment
 * @return {Promise<Outcome>} What came of it
 */
export async function runScenario(folder, env) {
  const notes = mkdtempSync(join(tmpdir(), 'oxws-ecosystem-'));
  const log = join(notes, 'log.json');
  const loaded = join(notes, 'loaded');
  let child;
  const cleanUp = () => {
    if (child !== undefined) killGroup(child.pid);
    // What was just killed may still be writing.
    rmSync(notes, { force: true, maxRetries: 5, recursive: true });
  };
  process.on('exit', cleanUp);
  try {
    const start = performance.now();
    child = spawn(process.execPath, ['scenario.mjs'], {
      cwd: folder,
      detached: true, // a process group of its own, to end all of it
      env: { ...environment(log, loaded), TMPDIR: notes, ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    });
    const { end, output } = await ended(child);
    return {
      end,
      leftovers: killGroup(child.pid) && end !== 'time limit',
      loaded: loadedPackages(loaded),
      output,
      seconds: (performance.now() - start) / 1000,
      tracks: existsSync(log) ? JSON.parse(readFileSync(log, 'utf8')) : {}
    };
  } finally {
    process.off('exit', cleanUp);
    cleanUp();
  }
}

/**
 * Gives the environment of a scenario: this one, without what would change ws or oxws.
 *
 * @param {string} log Where to write what happened
 * @param {string} loaded Where to write which ws was loaded
 * @return {Record<string, string | undefined>} The variables
 */
function environment(log, loaded) {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(?:OXWS_|WS_NO_|NODE_OPTIONS$|npm_|(?:https?|all)_proxy$)/i.test(name)
  );
  return {
    ...Object.fromEntries(entries),
    ECOSYSTEM_LOADED: loaded,
    ECOSYSTEM_LOG: log,
    ECOSYSTEM_ROOT: root,
    NODE_OPTIONS: `--require ${JSON.stringify(PRELOAD)}`
  };
}

/**
 * Waits for the end of a scenario and collects what it prints.
 *
 * @param {import('node:child_process').ChildProcess} child Its process
 * @return {Promise<{ end: string, output: string }>} How it ended, what it printed
 */
function ended(child) {
  return new Promise((resolve, reject) => {
    let output = '';
    let late = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGTERM');
      setTimeout(killGroup, 1000, child.pid).unref();
    }, TIME_LIMIT);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      const end = late ? 'time limit' : (signal ?? `exit code ${code}`);
      // Not 'close': a process that is left over would keep the pipes open.
      setImmediate(() => resolve({ end, output }));
    });
  });
}

/**
 * Ends what is left of a process group.
 *
 * @param {number} pid Its number
 * @return {boolean} Whether anything was
 */
function killGroup(pid) {
  try {
    return process.kill(-pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/**
 * Reads which ws the processes and threads of a scenario had loaded.
 *
 * @param {string} folder Where `loaded.cjs` wrote it
 * @return {string[]} Names and versions, sorted, each once
 */
function loadedPackages(folder) {
  if (!existsSync(folder)) return [];
  const names = new Set();
  for (const file of readdirSync(folder)) {
    for (const path of JSON.parse(readFileSync(join(folder, file), 'utf8'))) {
      const manifest = join(realpathSync(path), 'package.json');
      if (!existsSync(manifest)) continue;
      const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
      if (name === 'ws' || name === 'oxws') names.add(`${name} ${version}`);
    }
  }
  return [...names].sort();
}

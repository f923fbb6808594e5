// Runs the conversations in each runtime, and prints a table of what carried them. Run by
// `npm test -- runtimes`, in a folder where the runtimes and the packed package are installed.

import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const here = import.meta.dirname ?? process.cwd();
const [table] = process.argv.slice(2);
const modules = join(here, 'node_modules');

/** The platform as packages of programs name it. */
const PLATFORM = `${process.platform}-${process.arch}`;
const BUN = join(modules, '@oven', `bun-${PLATFORM}`, 'bin', 'bun');
const DENO = join(modules, '@deno', `${PLATFORM}-glibc`, 'deno');
const TS_NODE = join(modules, 'ts-node', 'dist', 'bin.js');
const TSX = join(modules, 'tsx', 'dist', 'cli.mjs');
const VITEST = join(modules, 'vitest', 'vitest.mjs');

/**
 * @typedef {object} Runtime
 * @property {string} name What the row of the table is called
 * @property {string} settings What was set, in a few words
 * @property {string[]} command The program and its arguments
 * @property {string} [binding] What is to carry the connections, if it isn't the addon
 * @property {NodeJS.ProcessEnv} [env] Further environment
 * @property {string | false} [skip] Why it can't be tried here
 */

/**
 * Builds what has Node-API refuse memory of others.
 *
 * @return {string | undefined} The library, where there is a C compiler that can make one for this
 */
function buildRefusal() {
  const library = join(here, 'refuse.so');
  const args = ['-shared', '-fPIC', '-o', library, join(here, 'refuse.c')];
  const isLinux = process.platform === 'linux';
  return isLinux && spawnSync('cc', args).status === 0 ? library : undefined;
}

const refusal = buildRefusal();
const WASM = { OXWS_BINDING: 'wasm' };
const deno = [DENO, 'run', '--quiet', '--allow-all', '--node-modules-dir=manual'];

/** @type {Runtime[]} */
const RUNTIMES = [
  { name: 'Bun', settings: "`import 'oxws'`", command: [BUN, 'conversations.mjs'] },
  {
    name: 'Bun',
    settings: '`OXWS_BINDING=wasm`',
    command: [BUN, 'conversations.mjs'],
    binding: 'wasm',
    env: WASM
  },
  { name: 'Deno', settings: "`import 'oxws'`, `-A`", command: [...deno, 'conversations.mjs'] },
  {
    name: 'Deno',
    settings: '`OXWS_BINDING=wasm`',
    command: [...deno, 'conversations.mjs'],
    binding: 'wasm',
    env: WASM
  },
  {
    name: 'Deno',
    settings: "`import 'ws'`, which is oxws",
    command: [...deno, 'conversations.mjs', 'ws']
  },
  ...['native', 'stream'].map((transport) => ({
    name: 'Electron',
    settings: `simulated by Node.js, which refuses memory of others; ${transport} transport`,
    command: [process.execPath, '--require', join(here, 'electron.cjs'), 'conversations.mjs'],
    env: { LD_PRELOAD: refusal, ...(transport === 'stream' && { OXWS_TRANSPORT: transport }) },
    skip: refusal === undefined && 'needs Linux with glibc and a C compiler'
  })),
  {
    name: 'ts-node',
    settings: 'CommonJS',
    command: [process.execPath, TS_NODE, '--transpileOnly', 'echo.cts'],
    env: { TS_NODE_COMPILER_OPTIONS: '{"module":"commonjs","moduleResolution":"node10"}' }
  },
  {
    name: 'tsx',
    settings: 'CommonJS',
    command: [process.execPath, TSX, 'echo.cts']
  },
  {
    name: 'tsx',
    settings: 'ECMAScript modules',
    command: [process.execPath, TSX, 'conversations.mjs']
  },
  ...['threads', 'forks', 'vmThreads', 'vmForks'].map((pool) => ({
    name: 'vitest',
    settings: `\`pool: '${pool}'\``,
    command: [process.execPath, VITEST, 'run', '--pool', pool, '--reporter=verbose']
  }))
];

/**
 * Runs a runtime.
 *
 * @param {Runtime} runtime The runtime
 * @return {Promise<string>} What carried its conversations, or what went wrong
 */
async function check({ command: [program, ...args], env, skip }) {
  if (skip) return `not run: ${skip}`;
  if (!existsSync(program)) return 'not run: it is not there for this platform';
  const { NODE_PATH: _, ...rest } = process.env;
  const options = { cwd: here, env: { ...rest, ...env }, timeout: 120_000 };
  const { stdout } = await promisify(execFile)(program, args, options).catch((error) => error);
  const [line] = /\{"binding".*\}/.exec(stdout) ?? [];
  if (line === undefined) return `fails: ${stdout}`;
  const { binding, failures } = JSON.parse(line);
  return failures.length === 0 ? binding : `fails: ${failures.join('; ')}`;
}

/**
 * @param {Runtime} runtime The runtime
 * @return {Promise<string>} Its version
 */
async function versionOf({ command: [program, script], name }) {
  if (name === 'Electron') return '';
  const args = program === process.execPath ? [script, '--version'] : ['--version'];
  const { stdout } = await promisify(execFile)(program, args).catch(() => ({ stdout: '' }));
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? '';
}

const rows = [];
let failed = 0;
for (const runtime of RUNTIMES) {
  const { binding = 'native', name, settings } = runtime;
  const result = await check(runtime);
  const isExpected = result === binding || runtime.skip;
  if (!isExpected) failed++;
  console.log(`${isExpected ? 'ok    ' : 'FAILED'} ${name}, ${settings}: ${result}`);
  rows.push(
    `| ${`${name} ${await versionOf(runtime)}`.trim()} | ${settings} | ${result.split('\n')[0]} |`
  );
}
if (table !== undefined) {
  const head = ['| Runtime | Settings | `WebSocket.binding` |', '|---|---|---|'];
  await writeFile(table, `${[...head, ...rows].join('\n')}\n`);
}
console.log(`${RUNTIMES.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

// The test files of the JavaScript side, and how they are run.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './command.mjs';
import { reaches, versionNumbers } from './toolchain.mjs';

/** Writes down which files have failed. */
const REPORTER = fileURLToPath(new URL('failed-files.mjs', import.meta.url));
/** More files that fail are no matter of a busy machine. */
const MOST_AGAIN = 3;

/** What tests the repository, not the addon: files, and folders of them. */
const OF_THE_REPOSITORY = [
  'cli',
  'demo',
  'docs',
  'examples',
  'imports',
  'migrating',
  'package',
  'readme',
  'scripts'
];

/** What a transport, or a driver, can change. The others are run once. */
const OF_CONNECTIONS = [
  'async-context',
  'beyond/backpressure',
  'beyond/channels',
  'beyond/compression',
  'beyond/heartbeat',
  'beyond/limits',
  'beyond/model',
  'beyond/promises',
  'beyond/shutdown',
  'beyond/threads',
  'beyond/topics',
  'beyond/upgrade',
  'compression-bombs',
  'engine/connection',
  'engine/socket',
  'handshake/client',
  'stream',
  'websocket',
  'websocket-server'
];

/** What the WebAssembly build does beside connections. */
const OF_PROTOCOL = [
  'buffer-util',
  'compressed-size',
  'deflate',
  'extension',
  'frame-queue',
  'permessage-deflate',
  'receiver',
  'sender',
  'subprotocol',
  'validation'
];

/** What an encoder can change. */
const OF_COMPRESSION = [
  'compression-bombs',
  'conformance',
  'deflate',
  'engine/compression',
  'permessage-deflate'
];

/**
 * Lists the test files of a folder and of those in it. Node 20 takes no patterns.
 *
 * @param {string} [folder] The folder, by its path in `__test__`
 * @return {string[]} Their paths in `__test__`, without the ending
 */
function specNames(folder = '') {
  const entries = readdirSync(join(root, '__test__', folder), { withFileTypes: true });
  const names = entries.flatMap((entry) => {
    const name = posix.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : specNames(name);
    return name.endsWith('.spec.js') ? [name.slice(0, -'.spec.js'.length)] : [];
  });
  return names.sort();
}

/**
 * @param {string} name A test file
 * @param {string[]} list Test files, and folders of them
 * @return {boolean} Whether it is one of them
 */
function isAmong(name, list) {
  return list.some((each) => name === each || name.startsWith(`${each}/`));
}

/**
 * Has Node run as many files at a time as there are processors: most of the time of a file is its
 * own. Node leaves one processor free, which of two is half.
 *
 * @return {string[]} The argument, where the running Node knows it
 */
function concurrency() {
  const isKnown = reaches(versionNumbers(process.versions.node), [20, 10]);
  return isKnown ? [`--test-concurrency=${availableParallelism()}`] : [];
}

/**
 * Runs test files. A few that fail are run once more, each by itself: where a processor has other
 * work, what a test waits for may come too late. Which ones those were is printed.
 *
 * @param {string} node The program of Node
 * @param {string[]} args Its arguments before the files
 * @param {string[]} files The files
 * @param {object} options Options of `child_process.spawn`
 * @return {Promise<number>} The exit code
 */
async function runFiles(node, args, files, options) {
  const folder = mkdtempSync(join(tmpdir(), 'oxws-specs-'));
  try {
    const list = join(folder, 'failed');
    const reporters = ['spec', 'stdout', REPORTER, list].map((value, index) =>
      index % 2 === 0 ? `--test-reporter=${value}` : `--test-reporter-destination=${value}`
    );
    const code = await run(node, [...args, ...reporters, ...concurrency(), ...files], options);
    const failed = code === 0 ? [] : readFileSync(list, 'utf8').split('\n').filter(Boolean);
    if (failed.length === 0 || failed.length > MOST_AGAIN) return code;
    for (const file of failed) {
      console.log(`\n--- once more, by itself: ${file}`);
      const again = await run(node, [...args, '--test-reporter=spec', file], options);
      if (again !== 0) return again;
    }
    console.log(`\n--- passed only by itself: ${failed.join(', ')}`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Lists what is to be run: all tests, and those with connections on each transport and driver.
 *
 * @param {object} [options] How to run them
 * @param {string} [options.node] The program of Node, the running one when not given
 * @param {boolean} [options.addonOnly=false] Leave out what tests the repository, not the addon
 * @param {string[]} [options.without] Leave out these, too
 * @param {object} [options.env] The environment
 * @param {string} [options.cwd] The folder that the package is in
 * @param {number} [options.minutes=5] How long a file may take, a test of it from Node 26 on
 * @return {Record<string, () => Promise<number>>} Steps, by title, as `runSteps` takes them
 */
export function specSteps({
  node = process.execPath,
  addonOnly = false,
  without = [],
  env = process.env,
  cwd = root,
  minutes = 5
} = {}) {
  const step = (names, variables) => () => {
    const chosen = specNames().filter((name) => isAmong(name, names));
    const files = chosen.map((name) => join('__test__', `${name}.spec.js`));
    const limit = `--test-timeout=${minutes * 60_000}`;
    return runFiles(node, ['--test', limit], files, { cwd, env: { ...env, ...variables } });
  };
  const ofWasm = [...OF_CONNECTIONS, ...OF_PROTOCOL].filter((name) => !name.startsWith('engine/'));
  const left = addonOnly ? [...OF_THE_REPOSITORY, ...without] : without;
  const all = specNames().filter((name) => !isAmong(name, left));
  return {
    'node --test, connections on the stream transport': step(OF_CONNECTIONS, {
      OXWS_TRANSPORT: 'stream'
    }),
    'node --test, connections on the tokio driver': step(
      ['engine/index', 'engine/inbox', 'engine/compression', ...OF_CONNECTIONS],
      {
        OXWS_DRIVER: 'tokio'
      }
    ),
    'node --test, connections on two threads of the tokio driver': step(
      ['engine/index', 'engine/inbox', 'engine/compression', ...OF_CONNECTIONS],
      { OXWS_DRIVER: 'tokio', OXWS_THREADS: '2' }
    ),
    'node --test, compression by zlib-rs': step(OF_COMPRESSION, { OXWS_ENCODER: 'zlib' }),
    'node --test, the WebAssembly build': step(ofWasm, { OXWS_BINDING: 'wasm' }),
    'node --test': step(all)
  };
}

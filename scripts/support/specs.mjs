// The test files of the JavaScript side, and how they are run.

import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, posix } from 'node:path';
import { root, run } from './command.mjs';
import { reaches, versionNumbers } from './toolchain.mjs';

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
 * Lists what is to be run: all tests, and those with connections on each transport and driver.
 *
 * @param {object} [options] How to run them
 * @param {string} [options.node] The program of Node, the running one when not given
 * @param {boolean} [options.addonOnly=false] Leave out what tests the repository, not the addon
 * @param {string[]} [options.without] Leave out these, too
 * @param {object} [options.env] The environment
 * @param {string} [options.cwd] The folder that the package is in
 * @param {number} [options.minutes=10] How long a file may take, a test of it from Node 26 on
 * @return {Record<string, () => Promise<number>>} Steps, by title, as `runSteps` takes them
 */
export function specSteps({
  node = process.execPath,
  addonOnly = false,
  without = [],
  env = process.env,
  cwd = root,
  minutes = 10
} = {}) {
  const step = (names, variables) => () => {
    const chosen = specNames().filter((name) => isAmong(name, names));
    const files = chosen.map((name) => join('__test__', `${name}.spec.js`));
    const limit = `--test-timeout=${minutes * 60_000}`;
    const args = ['--test', '--test-reporter=spec', ...concurrency(), limit, ...files];
    return run(node, args, { cwd, env: { ...env, ...variables } });
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

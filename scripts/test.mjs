// `npm test [-- rust|js|types ...]`: builds what is needed and runs every test that asks for nothing
// but Node and Rust.

import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { requireAddon } from './addon.mjs';
import { main, root, run, runNode, Stop } from './command.mjs';
import { requireDependencies } from './dependencies.mjs';
import { requireNode, requireRust } from './toolchain.mjs';

/**
 * Lists the test files of the JavaScript side. Node 20 takes no patterns.
 *
 * @return {string[]} Paths below the root
 */
function specFiles() {
  const names = readdirSync(join(root, '__test__')).filter((name) => name.endsWith('.spec.js'));
  return names.sort().map((name) => `__test__/${name}`);
}

/** The configurations that the type tests are compiled under, by name. */
const TYPE_CONFIGURATIONS = [
  'reference',
  'node16',
  'programs-cjs',
  'programs-esm',
  'bundler',
  'node10'
];

/** What a transport, or a driver, can change. The others are run once. */
const CONNECTION_SPECS = [
  'async-context',
  'client-handshake',
  'compression-bombs',
  'stream',
  'websocket',
  'websocket-server'
].map((name) => `__test__/${name}.spec.js`);

/**
 * Runs the tests that have the engine panic, which only a build with debug assertions does.
 *
 * @return {Promise<number>} The exit code
 */
async function testPanics() {
  const status = await run('cargo', ['build', '--quiet']);
  const name = process.platform === 'darwin' ? 'liboxws.dylib' : 'liboxws.so';
  if (status !== 0 || process.platform === 'win32') return status;
  // Node.js loads an addon by the ending of its name.
  const addon = join(root, 'target/debug/oxws.node');
  copyFileSync(join(root, 'target/debug', name), addon);
  const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: addon };
  return runNode(['--test', '--test-reporter=spec', '__test__/engine-panic.spec.js'], { env });
}

/** What can be run, by the name to give on the command line. */
const SUITES = {
  rust: {
    'cargo test, default features': () => run('cargo', ['test', '--quiet']),
    'cargo test, the protocol alone': () =>
      run('cargo', ['test', '--quiet', '--no-default-features']),
    'node --test, panics of the engine, in a build for tests': testPanics
  },
  js: {
    'node --test, connections on the stream transport': () =>
      runNode(['--test', '--test-reporter=spec', ...CONNECTION_SPECS], {
        env: { ...process.env, OXWS_TRANSPORT: 'stream' }
      }),
    'node --test, connections on the tokio driver': () =>
      runNode(['--test', '--test-reporter=spec', '__test__/engine.spec.js', ...CONNECTION_SPECS], {
        env: { ...process.env, OXWS_DRIVER: 'tokio' }
      }),
    'node --test, connections on two threads of the tokio driver': () =>
      runNode(['--test', '--test-reporter=spec', '__test__/engine.spec.js', ...CONNECTION_SPECS], {
        env: { ...process.env, OXWS_DRIVER: 'tokio', OXWS_THREADS: '2' }
      }),
    'node --test': () => runNode(['--test', '--test-reporter=spec', ...specFiles()])
  },
  types: Object.fromEntries(
    TYPE_CONFIGURATIONS.map((name) => [
      `type tests, ${name}`,
      () => runNode(['node_modules/typescript/bin/tsc', '-p', `__test__/types/${name}.json`])
    ])
  )
};

/**
 * Runs one suite and measures it.
 *
 * @param {string} title What to call it
 * @param {() => Promise<number>} suite Gives the exit code
 * @return {Promise<{ line: string, passed: boolean }>} The result, as one line and as a boolean
 */
async function runSuite(title, suite) {
  console.log(`\n--- ${title}`);
  const start = performance.now();
  const passed = (await suite()) === 0;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  return { line: `${passed ? 'passed' : 'FAILED'}  ${title} (${seconds} s)`, passed };
}

main(async (args) => {
  const unknown = args.find((name) => !(name in SUITES));
  if (unknown !== undefined) {
    throw new Stop(`no suite "${unknown}"; there are: ${Object.keys(SUITES).join(', ')}`);
  }
  requireNode();
  requireRust();
  await requireDependencies();
  await requireAddon();

  const results = [];
  for (const name of args.length > 0 ? args : Object.keys(SUITES)) {
    for (const [title, suite] of Object.entries(SUITES[name])) {
      results.push(await runSuite(title, suite));
    }
  }
  console.log(`\n${results.map(({ line }) => line).join('\n')}`);
  return results.every(({ passed }) => passed) ? 0 : 1;
});

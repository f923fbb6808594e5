// `npm test [-- rust|protocol|js|models|types ...]`: builds what is needed and runs every test that asks for nothing
// but Node and Rust.

import { copyFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { requireAddon } from './support/addon.mjs';
import { capture, main, run, runNode, Stop } from './support/command.mjs';
import { requireDependencies } from './support/dependencies.mjs';
import { runSuites, specSuites } from './support/specs.mjs';
import { libraryName, requireNode, requireRust } from './support/toolchain.mjs';

/** The configurations that the type tests are compiled under, by name. */
const TYPE_CONFIGURATIONS = [
  'reference',
  'node16',
  'programs-cjs',
  'programs-esm',
  'bundler',
  'node10'
];

/**
 * Finds the library with debug assertions that `cargo test` has linked. `cargo build` would compile it once more: what
 * tests depend on adds features to what it depends on.
 *
 * @return {string} The path of the file
 */
function findTestLibrary() {
  const args = ['test', '--quiet', '--no-run', '--message-format=json'];
  const files = capture('cargo', args)
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => JSON.parse(line).filenames ?? []);
  const library = files.find((file) => basename(file) === libraryName());
  if (!library) throw new Stop(`cargo test did not link ${libraryName()}`);
  return library;
}

/**
 * Runs the tests that have the engine panic, which only a build with debug assertions does.
 *
 * @return {Promise<number>} The exit code
 */
async function testPanics() {
  if (process.platform === 'win32') return 0;
  const library = findTestLibrary();
  // Node.js loads an addon by the ending of its name.
  const addon = join(dirname(library), 'oxws.node');
  copyFileSync(library, addon);
  const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: addon };
  return runNode(['--test', '--test-reporter=spec', '__test__/engine/panic.spec.js'], { env });
}

/** The models are unit tests of the engine, compiled with primitives that try orders of steps. */
const MODEL_OPTIONS = ['--no-default-features', '--features', 'engine', '--lib', 'model'];

/** What can be run, by the name to give on the command line. */
const SUITES = {
  rust: {
    'cargo test, default features': () => run('cargo', ['test', '--quiet']),
    'node --test, panics of the engine, in a build for tests': testPanics
  },
  protocol: {
    'cargo test, the protocol alone': () =>
      run('cargo', ['test', '--quiet', '--no-default-features'])
  },
  js: specSuites(),
  models: {
    'cargo test, models of what threads share': () =>
      run('cargo', ['test', '--quiet', ...MODEL_OPTIONS], {
        env: { ...process.env, RUSTFLAGS: '--cfg shuttle', CARGO_TARGET_DIR: 'target/shuttle' }
      })
  },
  types: Object.fromEntries(
    TYPE_CONFIGURATIONS.map((name) => [
      `type tests, ${name}`,
      () => runNode(['node_modules/typescript/bin/tsc', '-p', `__test__/types/${name}.json`])
    ])
  )
};

/** The models compile everything once more, the protocol alone is a part of all features. */
const DEFAULT_SUITES = ['rust', 'js', 'types'];

main(async (args) => {
  const unknown = args.find((name) => !(name in SUITES));
  if (unknown !== undefined) {
    throw new Stop(`no suite "${unknown}"; there are: ${Object.keys(SUITES).join(', ')}`);
  }
  requireNode();
  requireRust();
  await requireDependencies();
  await requireAddon();

  const names = args.length > 0 ? args : DEFAULT_SUITES;
  return runSuites(names.flatMap((name) => Object.entries(SUITES[name])));
});

// `npm test -- rust`: the tests of the crates, and those that have the engine panic.

import { copyFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { capture, run, runNode, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';
import { libraryName, requireRust } from '../support/toolchain.mjs';

/**
 * Finds the library with debug assertions that `cargo test` has linked. `cargo build` would compile
 * it once more: what tests depend on adds features to what it depends on.
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
  const env = { ...process.env, OXWS_BINDING: addon };
  return runNode(['--test', '--test-reporter=spec', '__test__/engine/panic.spec.js'], { env });
}

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function rust() {
  requireRust();
  await prepare();
  return {
    'cargo test, default features': () => run('cargo', ['test', '--quiet']),
    'node --test, panics of the engine, in a build for tests': testPanics
  };
}

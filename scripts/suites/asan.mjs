// `npm test -- asan`: runs the tests of the addon with an AddressSanitizer build of it, on Linux.
//
// Needs a nightly Rust with its sources (`rustup toolchain install nightly -c rust-src`), since the
// standard library is built along, and the library of the sanitizer that GCC brings. It has to be
// in a process first, so it's preloaded. Leaks aren't looked for: Node frees little when it ends.

import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { firstLine, root, run, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';
import { specSteps } from '../support/specs.mjs';
import { libraryName } from '../support/toolchain.mjs';

/**
 * Finds the library of the sanitizer.
 *
 * @return {string} Its path
 */
function sanitizerLibrary() {
  const library = firstLine('gcc', ['-print-file-name=libasan.so']);
  if (library === undefined || !existsSync(library)) throw new Stop('GCC has no libasan.so');
  return library;
}

/**
 * Builds the addon with the sanitizer.
 *
 * @return {Promise<string>} The path of the binary
 */
async function build() {
  const host = firstLine('rustc', ['+nightly', '--print', 'host-tuple']);
  if (host === undefined) throw new Stop('there is no nightly Rust');
  const folder = join(root, 'target', 'asan');
  const args = ['+nightly', 'build', '--lib', '-Zbuild-std', '--target', host];
  const code = await run('cargo', args, {
    env: { ...process.env, CARGO_TARGET_DIR: folder, RUSTFLAGS: '-Zsanitizer=address' }
  });
  if (code !== 0) throw new Stop('the addon did not build; the compiler says why above');
  const binary = join(folder, 'oxws.node');
  copyFileSync(join(folder, host, 'debug', libraryName()), binary);
  return binary;
}

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function asan() {
  await prepare({ addon: false });
  const library = sanitizerLibrary();
  const env = {
    ...process.env,
    ASAN_OPTIONS: 'detect_leaks=0',
    LD_PRELOAD: library,
    OXWS_BINDING: await build()
  };
  // The variable that names the binary is what the tests of the loader set themselves.
  return specSteps({ addonOnly: true, without: ['native'], env, minutes: 60 });
}

// Runs when the package is installed. Where a prebuilt binary can be loaded, which is the rule, it does
// nothing. Elsewhere it builds one with cargo, or says what is missing and fails.

import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import platform from '../lib/platform.js';
import { main, root, run, runNode, Stop } from './support/command.mjs';
import { libraryName, linkerAdvice, requireRust } from './support/toolchain.mjs';

const require = createRequire(import.meta.url);

/**
 * Loads the native part.
 *
 * @return {Error | undefined} What was wrong, if anything
 */
function tryToLoad() {
  try {
    require('../lib/native.js');
    return undefined;
  } catch (error) {
    return error;
  }
}

/**
 * Tells whether the packages are for another machine, as with `npm install --cpu=arm64`.
 *
 * @return {boolean} Whether they are
 */
function isForAnotherPlatform() {
  const { npm_config_cpu: cpu, npm_config_libc: libc, npm_config_os: os } = process.env;
  return Boolean(cpu || libc || os);
}

/**
 * Builds the binary and puts it beside the package.
 *
 * @param {string} name The name of the platform
 */
async function build(name) {
  const target = join(root, 'target');
  const env = { ...process.env };
  // A library for musl has to be linked to it, as Node is; by default Rust would put it inside.
  if (name.includes('musl')) {
    env.RUSTFLAGS = `${env.RUSTFLAGS || ''} -C target-feature=-crt-static`.trim();
  }
  const args = ['build', '--release', '--locked', '--lib', '--target-dir', target];
  const code = await run('cargo', args, { env });
  if (code !== 0) {
    throw new Stop(`the addon did not build; cargo says why above.${linkerAdvice()}`);
  }
  const library = join(target, 'release', libraryName());
  copyFileSync(library, join(root, `binding.${name}.node`));
  rmSync(target, { recursive: true, force: true });
}

main(async () => {
  // A checkout is built by `npm run build`, when it is needed.
  if (existsSync(join(root, 'scripts', 'build.mjs'))) return;
  const error = tryToLoad();
  if (error === undefined || isForAnotherPlatform()) return;

  const name = platform.platformName();
  try {
    requireRust();
  } catch (missing) {
    if (!(missing instanceof Stop)) throw missing;
    throw new Stop(`${error.message}\n\nIt can't be built either: ${missing.message}`);
  }
  console.log(`oxws: there is no binary for ${name}; building one with cargo ...`);
  await build(name);
  const check = ['-e', `require(${JSON.stringify(join(root, 'lib', 'native.js'))})`];
  if ((await runNode(check)) !== 0) throw new Stop('the binary that was built cannot be loaded.');
});

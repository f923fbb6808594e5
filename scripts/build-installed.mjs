// `npx oxws build`: builds the addon of an installed package with cargo, from the sources in it,
// for platforms that no binary is published for.

import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import platform from '../lib/platform.js';
import { main, root, run, runNode, Stop } from './support/command.mjs';
import { libraryName, linkerAdvice, requireRust } from './support/toolchain.mjs';

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
  const name = platform.platformName();
  requireRust();
  console.log(`oxws: building the addon for ${name} with cargo ...`);
  await build(name);
  const env = { ...process.env, OXWS_BINDING: 'native' };
  const check = ['-e', `require(${JSON.stringify(join(root, 'lib', 'native.js'))})`];
  if ((await runNode(check, { env })) !== 0) {
    throw new Stop('the binary that was built cannot be loaded.');
  }
});

// `npm test -- target NAME [--node PROGRAM]`: runs the tests of the addon with the binary that
// `prebuilt/` has for a platform, such as `linux-arm64-gnu`. Nothing is compiled, no Rust is
// needed.
//
// PROGRAM is a Node of that platform, or a script that runs one under an emulator, such as `exec
// qemu-aarch64-static -L /usr/aarch64-linux-gnu .../bin/node "$@"`; the running Node when not
// given.

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root, Stop } from '../support/command.mjs';
import { specSteps } from '../support/specs.mjs';

/** What the tests need of the repository. */
const PARTS = [
  '__test__',
  'lib',
  'package.json',
  'index.js',
  'wrapper.mjs',
  'browser.js',
  'binding.wasm.js'
];

/**
 * Copies the package, with the binary in place.
 *
 * @param {string} name The platform
 * @return {string} The folder
 */
function copyPackage(name) {
  const binary = `binding.${name}.node`;
  const built = join(root, 'prebuilt', binary);
  if (!existsSync(built)) throw new Stop(`prebuilt/${binary} is not there: npm run build:targets`);
  const folder = join(root, '.cache', 'targets', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of PARTS) cpSync(join(root, part), join(folder, part), { recursive: true });
  copyFileSync(built, join(folder, binary));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  return folder;
}

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function target(args) {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { node: { type: 'string' } }
  });
  const [name] = positionals;
  if (name === undefined) throw new Stop('usage: npm test -- target NAME [--node PROGRAM]');
  if (!existsSync(join(root, 'node_modules'))) {
    throw new Stop('the development packages are not there: npm ci --ignore-scripts');
  }
  const node = values.node && resolve(process.env.INIT_CWD || '.', values.node);
  const cwd = copyPackage(name);

  const env = { ...process.env };
  if (node !== undefined) {
    // What tests start is to be run by the same program: the system may not know the format.
    const preload = join(cwd, 'exec-path.cjs');
    writeFileSync(preload, `process.execPath = ${JSON.stringify(node)};\n`);
    env.NODE_OPTIONS = `--require ${preload}`;
  }
  return specSteps({ node, addonOnly: true, env, cwd, minutes: 60 });
}

// `npm test -- package`: packs the package with the binary of this platform and checks what is
// packed: by publint and attw, and in the bundles of esbuild, webpack and Vite.
//
// The tools are those of `__test__/package/package-lock.json`, installed into `.cache/`: whoever
// only builds or tests needs none of them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNode, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';
import { installPackage, installTools, toolFolder } from '../support/tool-folder.mjs';

const FOLDER = toolFolder('package');

/**
 * Runs the command of a tool.
 *
 * @param {string} name The package
 * @param {string[]} args Its arguments
 */
async function runTool(name, args) {
  console.log(`\n--- ${name} ${args.join(' ')}`);
  const folder = join(FOLDER, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const [script] = Object.values(bin);
  const code = await runNode([join(folder, script), ...args], { cwd: FOLDER });
  if (code !== 0) throw new Stop(`${name} has found faults`);
}

/**
 * Packs the package and has the tools look at it.
 *
 * @return {Promise<number>} The exit code of the tests of bundles
 */
async function checkPackage() {
  await installTools('package');
  const tarballs = installPackage(FOLDER);
  for (const tarball of tarballs) {
    await runTool('publint', ['--strict', tarball]);
  }
  const whole = tarballs.find((name) => /oxws-\d/.test(name));
  await runTool('@arethetypeswrong/cli', [whole, '--no-color', '--format', 'ascii']);

  console.log('\n--- bundles');
  return runNode(['--test', '--test-reporter=spec', 'bundles.spec.mjs'], { cwd: FOLDER });
}

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function packed() {
  await prepare();
  return { 'publint, attw and bundles': checkPackage };
}

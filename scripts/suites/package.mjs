// `npm test -- package`: packs the package with the binary of this platform and checks what is packed: by
// publint and attw, and in the bundles of esbuild, webpack and Vite.
//
// The tools are those of `__test__/package/package-lock.json`, installed into `.cache/`: whoever only builds
// or tests needs none of them.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, npmCommand, root, run, runNode, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

const SOURCES = join(root, '__test__', 'package');
const FOLDER = join(root, '.cache', 'package');

/** Installs the tools, unless they are there as the lock file says. */
async function installTools() {
  const lock = join(FOLDER, 'package-lock.json');
  const wanted = readFileSync(join(SOURCES, 'package-lock.json'), 'utf8');
  const record = join(FOLDER, 'node_modules', '.package-lock.json');
  const fresh = existsSync(record) && readFileSync(lock, 'utf8') === wanted;
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(SOURCES)) copyFileSync(join(SOURCES, name), join(FOLDER, name));
  if (fresh) return;
  const [program, ...first] = npmCommand();
  const args = [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  if ((await run(program, args, { cwd: FOLDER })) !== 0) throw new Stop('npm ci failed');
}

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
  await installTools();

  const pack = [
    'scripts/pack.mjs',
    '--partial',
    '--binaries',
    '.',
    '--out',
    '.cache/package/packed'
  ];
  capture(process.execPath, pack);
  const tarballs = readdirSync(join(FOLDER, 'packed')).filter((name) => name.endsWith('.tgz'));
  for (const tarball of tarballs) {
    await runTool('publint', ['--strict', join('packed', tarball)]);
  }
  const packages = tarballs.map((name) => join('packed', name));
  const whole = packages.find((name) => /oxws-\d/.test(name));
  await runTool('@arethetypeswrong/cli', [whole, '--no-color', '--format', 'ascii']);

  const [program, ...first] = npmCommand();
  const files = packages.map((path) => `file:${path}`);
  const install = ['install', '--no-save', '--no-audit', '--no-fund'];
  capture(program, [...first, ...install, '--loglevel=error', '--offline', ...files], {
    cwd: FOLDER
  });
  console.log('\n--- bundles');
  return runNode(['--test', '--test-reporter=spec', 'bundles.spec.mjs'], { cwd: FOLDER });
}

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function packed() {
  await prepare();
  return { 'publint, attw and bundles': checkPackage };
}

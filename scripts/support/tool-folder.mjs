// Folders of tools that only a suite of tests needs, installed as their lock file says: into
// `.cache/`, or where the variable OXWS_TEST_CACHE says.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync
} from 'node:fs';
import { join, resolve } from 'node:path';
import { capture, npmCommand, root, run, Stop } from './command.mjs';

/** Where tools are installed. Some are hundreds of megabytes, which several checkouts can share. */
const CACHE = resolve(root, process.env.OXWS_TEST_CACHE || '.cache');

/**
 * @param {string} name The folder in `__test__`
 * @return {string} Where its tools are installed
 */
export function toolFolder(name) {
  return join(CACHE, name);
}

/**
 * Installs the tools of a folder, unless they are there already.
 *
 * @param {string} name The folder in `__test__`, with a `package.json` and a lock file
 * @param {string[]} [command] What npm does, where `ci` refuses: if a package names optional ones
 *   for other platforms that nobody has published
 * @return {Promise<string>} Where they and the other files of it are
 */
export async function installTools(name, command = ['ci']) {
  const sources = join(root, '__test__', name);
  const folder = toolFolder(name);
  const lock = join(folder, 'package-lock.json');
  const wanted = readFileSync(join(sources, 'package-lock.json'), 'utf8');
  const record = join(folder, 'node_modules', '.package-lock.json');
  const isInstalled = existsSync(record) && existsSync(lock);
  const fresh = isInstalled && readFileSync(lock, 'utf8') === wanted;
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(sources)) copyFileSync(join(sources, file), join(folder, file));
  if (fresh) return folder;
  const [program, ...first] = npmCommand();
  const args = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const code = await run(program, [...first, ...command, ...args], { cwd: folder });
  if (code !== 0) throw new Stop(`npm ${command[0]} failed`);
  return folder;
}

/**
 * Packs the package and the binaries into `packed/`.
 *
 * @param {string} folder Where the tools are
 * @param {string} [binaries] The folder with the binaries; that of this platform is in the root
 * @return {string[]} The tarballs, by their paths in the folder
 */
export function pack(folder, binaries = '.') {
  const out = join(folder, 'packed');
  const args = ['scripts/pack.mjs', '--partial', '--binaries', binaries, '--out', out];
  capture(process.execPath, args, { cwd: root });
  return readdirSync(out)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join('packed', name));
}

/**
 * Packs the package and the binaries of all platforms into `packed/`; those of other platforms are
 * no binaries.
 *
 * @param {string} folder Where the tools are
 */
export async function packForAll(folder) {
  const { publishedTargets } = await import('./targets.mjs');
  const binaries = join(folder, 'binaries');
  mkdirSync(binaries, { recursive: true });
  for (const { name } of publishedTargets()) {
    const binary = `binding.${name}.node`;
    const own = join(root, binary);
    if (existsSync(own)) copyFileSync(own, join(binaries, binary));
    else writeFileSync(join(binaries, binary), `the binary for ${name}`);
  }
  pack(folder, binaries);
}

/**
 * Packs the package with the binary of this platform and installs both beside the tools.
 *
 * @param {string} folder Where the tools are
 * @param {string} [alias] The name under which the package is installed, too
 * @return {string[]} The tarballs, by their paths in the folder
 */
export function installPackage(folder, alias) {
  const tarballs = pack(folder);
  const whole = tarballs.find((name) => /oxws-\d/.test(name));
  const [program, ...first] = npmCommand();
  const files = tarballs.map((path) => `file:${path}`);
  if (alias !== undefined) files.push(`${alias}@file:${whole}`);
  const install = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  capture(program, [...first, ...install, '--offline', ...files], { cwd: folder });
  return tarballs;
}

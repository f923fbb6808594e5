// Installs a program twice: once with ws, once with oxws in its place.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAMS } from './programs.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** The root of the repository. */
export const root = dirname(dirname(here));

/** Where everything is installed: outside of the repository's own node_modules, ignored by git. */
export const cache = join(root, '.cache', 'ecosystem');

/** The version of ws that oxws is compared with, whatever version a program asks for. */
export const WS_VERSION = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  .devDependencies.ws;

/** npm could not install a program. */
export class InstallError extends Error {}

/** What `ws` is, by the name of the side. npm makes a link to a folder. */
const SPECIFIERS = { ws: WS_VERSION, oxws: `file:${root}` };

/**
 * Writes the package.json of an install: every package that depends on ws gets that of the side.
 *
 * @param {Record<string, string>} packages The packages of the program
 * @param {string} side `ws` or `oxws`
 * @return {string} The text of the file
 */
function manifest(packages, side) {
  const dependencies = { ...packages, ws: SPECIFIERS[side] };
  return `${JSON.stringify({ private: true, dependencies, overrides: { ws: '$ws' } }, null, 2)}\n`;
}

/**
 * Makes sure that a program is installed as it should be, and that its scenario is beside it.
 *
 * @param {string} name The program
 * @param {string} side `ws` or `oxws`
 * @return {string} The folder
 */
export function install(name, side) {
  const folder = join(cache, side, name);
  const wanted = manifest(PROGRAMS[name].packages, side);
  // npm writes this file last.
  const installed = existsSync(join(folder, 'node_modules', '.package-lock.json'));
  const file = join(folder, 'package.json');
  if (!installed || readFileSync(file, 'utf8') !== wanted) {
    rmSync(folder, { force: true, recursive: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, wanted);
    npmInstall(folder);
  }
  // Copied, so that `import 'ws'` finds that of the install.
  for (const shared of ['fake-timers.mjs', 'kit.mjs', 'page.mjs', 'traced.mjs']) {
    copyFileSync(join(here, shared), join(cache, side, shared));
  }
  if (PROGRAMS[name].copied && side === 'oxws') copyPackage(join(folder, 'node_modules', 'ws'));
  copyFileSync(join(here, name, 'scenario.mjs'), join(folder, 'scenario.mjs'));
  return folder;
}

/**
 * Copies what is needed of this checkout to where npm has made a link to it.
 *
 * @param {string} folder Where to
 */
function copyPackage(folder) {
  rmSync(folder, { force: true, recursive: true });
  const files = readdirSync(root).filter((name) => /^(?:index|wrapper|binding)\./.test(name));
  for (const name of [...files, 'lib', 'package.json']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
}

/**
 * Installs what the package.json of a folder names. Scripts of packages aren't run: none is needed.
 *
 * @param {string} folder The folder
 */
function npmInstall(folder) {
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  // Without a network it takes seconds, not minutes, to say so.
  const network = ['--prefer-offline', '--fetch-retries=1', '--fetch-retry-mintimeout=2000'];
  const { error, status, stderr } = spawnSync('npm', [...args, ...network], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    timeout: 300_000
  });
  if (error || status !== 0) {
    rmSync(folder, { force: true, recursive: true });
    throw new InstallError(
      `npm install failed: ${error ? error.message : stderr.trim().split('\n')[0]}`
    );
  }
}

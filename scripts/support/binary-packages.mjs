// The packages of the binaries, one for each target: `npm/` has all of them but the binary.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './command.mjs';
import { publishedTargets } from './targets.mjs';

const SYSTEMS = { darwin: 'macOS', linux: 'Linux', win32: 'Windows' };
const LIBRARIES = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl' };

/** Where they are. */
export const folder = join(root, 'npm');

/**
 * Gives what belongs into `npm/`, by what `package.json` says: its targets, version and
 * description.
 *
 * @return {Record<string, string>} Texts by path in the folder
 */
export function expectedFiles() {
  const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const files = {};
  for (const target of publishedTargets()) {
    files[`${target.name}/index.js`] = entry(target, main);
    files[`${target.name}/README.md`] = readme(target, main);
    files[`${target.name}/package.json`] = `${JSON.stringify(manifest(target, main), null, 2)}\n`;
  }
  return files;
}

/**
 * Lists what is in `npm/`.
 *
 * @return {Record<string, string>} Texts by path in the folder
 */
export function presentFiles() {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return Object.fromEntries(
    files.map((file) => [
      file.slice(folder.length + 1).replaceAll('\\', '/'),
      readFileSync(file, 'utf8')
    ])
  );
}

/**
 * @param {import('./targets.mjs').Target} target A target
 * @param {any} main The `package.json` of the package
 * @return {any} The `package.json` of its binary
 */
function manifest({ name, platform, arch, abi }, main) {
  const { author, bugs, engines, homepage, license, repository, version } = main;
  const libc = platform === 'linux' ? { libc: [LIBRARIES[abi]] } : {};
  return {
    name: `${main.napi.packageName}-${name}`,
    version,
    description: `The native part of ${main.name} for ${describe({ platform, arch, abi })}`,
    homepage,
    bugs,
    repository: repository && { ...repository, directory: `npm/${name}` },
    license,
    author,
    type: 'commonjs',
    main: 'index.js',
    files: [binaryName({ name }, main), 'index.js'],
    os: [platform],
    cpu: [arch],
    ...libc,
    engines
  };
}

/**
 * @param {Pick<import('./targets.mjs').Target, 'name'>} target A target
 * @param {any} main The `package.json` of the package
 * @return {string} The name of its binary
 */
export function binaryName({ name }, main) {
  return `${main.napi.binaryName}.${name}.node`;
}

/**
 * @param {import('./targets.mjs').Target} target A target
 * @param {any} main The `package.json` of the package
 * @return {string} What loads its binary
 */
function entry(target, main) {
  return `'use strict';

// Bundlers that know no native files don't see this one, and those that trace files do.
const { createRequire } = require('node:module');
const { join } = require('node:path');

module.exports = createRequire(__filename)(join(__dirname, '${binaryName(target, main)}'));
`;
}

/**
 * @param {import('./targets.mjs').Target} target A target
 * @param {any} main The `package.json` of the package
 * @return {string} The README of its binary
 */
function readme({ name, platform, arch, abi }, main) {
  return (
    `# ${main.napi.packageName}-${name}\n\n` +
    `The native part of [${main.name}](https://www.npmjs.com/package/${main.name}) for ` +
    `${describe({ platform, arch, abi })}.\n\n` +
    `It's installed with ${main.name}, where it is needed. There is nothing in it to use by itself.\n`
  );
}

/**
 * @param {Pick<import('./targets.mjs').Target, 'platform' | 'arch' | 'abi'>} target A target
 * @return {string} What people call it
 */
function describe({ platform, arch, abi }) {
  const library = platform === 'linux' ? `, ${LIBRARIES[abi]}` : '';
  return `${SYSTEMS[platform]} ${arch}${library}`;
}

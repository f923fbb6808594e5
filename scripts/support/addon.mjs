// Builds the addon when its sources have changed since the last build.
//
// A stamp beside the binary holds a hash of everything that the binary depends on and of the binary
// itself. Contents decide, not dates: a checkout or a rebase that touches files builds nothing.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runNode, Stop } from './command.mjs';
import { linkerAdvice, requireRust } from './toolchain.mjs';

const SOURCES = [
  'build.rs',
  'Cargo.lock',
  'Cargo.toml',
  'rust-toolchain.toml',
  '.cargo/config.toml'
];

/**
 * Lists the files whose contents make the binary.
 *
 * @return {string[]} Paths below the root, in a fixed order
 */
function sourceFiles() {
  const below = ['src', 'crates'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith('.rs') || name.endsWith('Cargo.toml'))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
  );
  return [...SOURCES, ...below.sort()].filter((name) => existsSync(join(root, name)));
}

/**
 * Hashes the sources, the profile and the settings that napi reads.
 *
 * @param {boolean} debug Whether the build is one for debugging
 * @return {string} The hash
 */
function hashSources(debug) {
  const hash = createHash('sha256');
  const { napi, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  hash.update(
    JSON.stringify({ arch: process.arch, debug, napi, platform: process.platform, version })
  );
  for (const name of sourceFiles()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  }
  return hash.digest('hex');
}

/**
 * Finds the binary that a build for this platform left in the root.
 *
 * @return {string | undefined} Its name
 */
function findBinary() {
  const prefix = `binding.${process.platform}-${process.arch}`;
  return readdirSync(root).find((name) => name.startsWith(prefix) && name.endsWith('.node'));
}

/**
 * Writes what the stamp of a binary says.
 *
 * @param {string} binary The name of the binary
 * @param {string} sources The hash of its sources
 * @return {string} The text of the stamp
 */
function stampText(binary, sources) {
  const contents = createHash('sha256')
    .update(readFileSync(join(root, binary)))
    .digest('hex');
  return `sources ${sources}\nbinary ${contents}\n`;
}

/**
 * Tells whether the binary in the root was built from these sources.
 *
 * @param {string} sources The hash of the sources
 * @return {boolean} Whether it was
 */
function addonIsFresh(sources) {
  const binary = findBinary();
  if (binary === undefined || !existsSync(join(root, `${binary}.stamp`))) return false;
  return readFileSync(join(root, `${binary}.stamp`), 'utf8') === stampText(binary, sources);
}

/**
 * Makes sure that the addon is built from the sources as they are.
 *
 * @param {object} [options] How to build
 * @param {boolean} [options.debug=false] Build fast and with debug information
 * @param {boolean} [options.force=false] Build also when nothing changed
 */
export async function requireAddon({ debug = false, force = false } = {}) {
  const sources = hashSources(debug);
  if (!force && addonIsFresh(sources)) {
    console.log('The addon is up to date.');
    return;
  }
  requireRust();
  console.log(`Building the addon (${debug ? 'debug' : 'release'}) ...`);
  const stale = findBinary();
  if (stale !== undefined) rmSync(join(root, `${stale}.stamp`), { force: true });
  const code = await runNode([
    'node_modules/@napi-rs/cli/dist/cli.js',
    'build',
    '--platform',
    ...(debug ? [] : ['--release']),
    '--no-js',
    '--dts',
    'binding.d.ts'
  ]);
  const binary = findBinary();
  if (code !== 0 || binary === undefined) {
    throw new Stop(`the addon did not build; the compiler says why above.${linkerAdvice()}`);
  }
  writeFileSync(join(root, `${binary}.stamp`), stampText(binary, sources));
}

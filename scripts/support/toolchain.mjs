// Says whether this machine has what a build needs, and what to do where it has not.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstLine, root, Stop } from './command.mjs';

// The napi command line, which builds the addon, runs on these; the package itself on every Node
// 20.
const NODE_LINES = [
  [20, 17],
  [22, 13],
  [23, 5]
];

/**
 * Compares two versions part by part.
 *
 * @param {number[]} version A version
 * @param {number[]} minimum The version that it must reach
 * @return {boolean} Whether it does
 */
export function reaches(version, minimum) {
  for (let i = 0; i < minimum.length; i++) {
    if (version[i] !== minimum[i]) return (version[i] || 0) > minimum[i];
  }
  return true;
}

/**
 * Takes the numbers out of a version such as `v20.20.2` or `rustc 1.95.0 (...)`.
 *
 * @param {string} text The text
 * @return {number[]} Major, minor and patch
 */
export function versionNumbers(text) {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? match.slice(1).map((part) => Number(part || 0)) : [];
}

/**
 * Checks the version of Node, which runs everything else.
 *
 * @param {string} [text] The version, that of the running Node when not given
 */
export function requireNode(text = process.versions.node) {
  const version = versionNumbers(text);
  const line = NODE_LINES.find(([major]) => major === version[0]);
  if (reaches(version, line || NODE_LINES[NODE_LINES.length - 1])) return;
  throw new Stop(
    `Node.js ${text} cannot build this repository.\n` +
      `  Needed: ${NODE_LINES.map((numbers) => numbers.join('.')).join(', ')} or newer.\n` +
      '  Get it from https://nodejs.org or with your version manager.'
  );
}

/** Checks that a Rust toolchain is installed and new enough for `Cargo.toml`. */
export function requireRust() {
  const manifest = readFileSync(join(root, 'Cargo.toml'), 'utf8');
  const minimum = /^rust-version = "(.*)"/m.exec(manifest)[1];
  const cargo = firstLine('cargo', ['--version']);
  const rustc = firstLine('rustc', ['--version']);
  if (cargo === undefined || rustc === undefined) {
    throw new Stop(
      `no Rust toolchain: ${cargo === undefined ? 'cargo' : 'rustc'} is missing or does not run.\n` +
        `  Needed: Rust ${minimum} or newer, to build the native part.\n` +
        '  Install it from https://rustup.rs, open a new terminal and run the command again.'
    );
  }
  if (!reaches(versionNumbers(rustc), versionNumbers(minimum))) {
    throw new Stop(
      `${rustc} is too old.\n  Needed: Rust ${minimum} or newer. Update it: rustup update stable`
    );
  }
}

/**
 * Gives the file that cargo builds.
 *
 * @param {string} [platform] The system that it is for, this one when not given
 * @return {string} Its name
 */
export function libraryName(platform = process.platform) {
  return { darwin: 'liboxws.dylib', win32: 'oxws.dll' }[platform] ?? 'liboxws.so';
}

/**
 * Says how to get a linker, where a failed build may have lacked one.
 *
 * @return {string} A line of advice, empty when a linker is there
 */
export function linkerAdvice() {
  if (process.platform === 'win32' || firstLine('cc', ['--version']) !== undefined) return '';
  return process.platform === 'darwin'
    ? '\n  Rust needs a linker, and cc is missing: xcode-select --install'
    : '\n  Rust needs a linker, and cc is missing. On Debian or Ubuntu: apt-get install gcc libc6-dev';
}

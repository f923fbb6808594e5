// Paths in binaries: what is published has none of the machine that it was built on, so that it is
// the same, byte for byte, wherever a commit is built by the same compiler.

import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Flags by which the compiler writes other paths down than those of this machine.
 *
 * @param {string} folder Where the sources are
 * @param {object} [env] The environment of the compiler
 * @return {string[]} Arguments of `rustc`
 */
export function pathFlags(folder, env = process.env) {
  const cargo = env.CARGO_HOME || join(homedir(), '.cargo');
  return [
    `--remap-path-prefix=${join(cargo, 'registry', 'src')}=/crates`,
    `--remap-path-prefix=${folder}=/oxws`
  ];
}

/**
 * @param {string[]} flags Arguments of `rustc`, which may have spaces
 * @return {string} The value of `CARGO_ENCODED_RUSTFLAGS`
 */
export function encodeFlags(flags) {
  return flags.join('\x1f');
}

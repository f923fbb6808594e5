// The targets that binaries are built for: those that `package.json` lists for napi.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTriple } from '@napi-rs/cli';
import { root } from './command.mjs';

/**
 * @typedef {object} Target
 * @property {string} triple What Rust calls it
 * @property {string} name What packages and binaries call it, for example `linux-x64-gnu`
 * @property {string} platform As `process.platform`
 * @property {string} arch As `process.arch`
 * @property {string | null} abi The C library or ABI
 */

/**
 * Describes a target.
 *
 * @param {string} triple What Rust calls it
 * @return {Target} The target
 */
export function targetOf(triple) {
  const { platformArchABI: name, platform, arch, abi } = parseTriple(triple);
  return { triple, name, platform, arch, abi };
}

/**
 * Lists the targets that are published.
 *
 * @return {Target[]} The targets
 */
export function publishedTargets() {
  const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return napi.targets.map(targetOf);
}

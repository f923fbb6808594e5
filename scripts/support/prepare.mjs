// Makes a checkout ready for what runs the package.

import { requireAddon } from './addon.mjs';
import { requireDependencies } from './dependencies.mjs';
import { requireNode } from './toolchain.mjs';
import { requireWasm } from './wasm.mjs';

/**
 * Checks the version of Node, and makes sure that the development packages, the addon and its
 * WebAssembly build are there.
 *
 * @param {object} [options] What is needed
 * @param {boolean} [options.addon=true] Whether the addon is, and that build
 * @param {boolean} [options.debug=false] Build the addon fast and with debug information
 * @param {boolean} [options.force=false] Build them also when nothing changed
 */
export async function prepare({ addon = true, ...options } = {}) {
  requireNode();
  await requireDependencies();
  if (!addon) return;
  await requireAddon(options);
  await requireWasm(options);
}

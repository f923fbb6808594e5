// Makes a checkout ready for what runs the package.

import { requireAddon } from './addon.mjs';
import { requireDependencies } from './dependencies.mjs';
import { requireNode } from './toolchain.mjs';

/**
 * Checks the version of Node, and makes sure that the development packages and the addon are there.
 *
 * @param {object} [options] What is needed
 * @param {boolean} [options.addon=true] Whether the addon is
 * @param {boolean} [options.debug=false] Build it fast and with debug information
 * @param {boolean} [options.force=false] Build it also when nothing changed
 */
export async function prepare({ addon = true, ...options } = {}) {
  requireNode();
  await requireDependencies();
  if (addon) await requireAddon(options);
}

// The servers that are compared.

import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstLine, root, Stop } from '../scripts/support/command.mjs';

const servers = join(dirname(fileURLToPath(import.meta.url)), 'servers');
const client = join(dirname(fileURLToPath(import.meta.url)), 'clients', 'node.js');

/** The contender that every ratio refers to. */
export const BASELINE = 'ws+bufferutil';

/**
 * @typedef {object} Contender
 * @property {string} id What `--only` takes, and the key in the recorded figures
 * @property {string} name What people read
 * @property {string} command The program
 * @property {string[]} args Its arguments but the last, which is the server's options
 * @property {string[]} [clientArgs] The same of a client
 * @property {string} [package] What the server requires
 * @property {Record<string, string>} [env] Environment variables besides those of this process
 */

/**
 * Lists the contenders that can run here, and says on the console which cannot.
 *
 * @param {object} options The choices of the command line
 * @param {string} options.node The Node binary that servers run on
 * @param {string[]} options.only The ids wanted, all when empty
 * @param {string} [options.against] Another checkout of this package
 * @return {Contender[]} In the order in which they take turns
 */
export function findContenders({ node, only, against }) {
  const script = join(servers, 'node.js');
  const onNode = { command: node, args: ['--expose-gc', script], clientArgs: [client] };
  /** @type {Contender[]} */
  const all = [
    { id: 'ws', name: 'ws', ...onNode, package: 'ws', env: { WS_NO_BUFFER_UTIL: '1' } },
    { id: BASELINE, name: 'ws + bufferutil', ...onNode, package: 'ws' },
    { id: 'oxws', name: 'oxws', ...onNode, package: root }
  ];
  for (const driver of ['loop', 'tokio']) {
    const env = { OXWS_DRIVER: driver };
    all.push({ id: `oxws-${driver}`, name: `oxws (${driver})`, ...onNode, package: root, env });
  }
  if (against !== undefined) {
    all.push({ id: 'against', name: 'oxws (other)', ...onNode, package: resolve(against) });
  }
  const bun = process.env.BUN || 'bun';
  all.push({ id: 'bun', name: 'Bun.serve', command: bun, args: [join(servers, 'bun.js')] });
  // Bun has a `ws` of its own, whatever is installed.
  const onBun = { command: bun, args: [script], clientArgs: [client] };
  all.push({ id: 'bun-ws', name: "Bun's ws", ...onBun, package: 'ws' });

  const unknown = only.find((id) => all.every((contender) => contender.id !== id));
  if (unknown !== undefined) {
    const ids = all.map((contender) => contender.id).join(', ');
    throw new Stop(`there is no contender ${unknown}; there are ${ids}.`);
  }
  return all.filter(({ id }) => (only.length === 0 || only.includes(id)) && canRun(id, { bun }));
}

/**
 * Tells whether what a contender needs is installed.
 *
 * @param {string} id The contender
 * @param {object} programs What to look for
 * @param {string} programs.bun The Bun binary
 * @return {boolean} Whether it can run
 */
function canRun(id, { bun }) {
  if (id === BASELINE && !existsSync(join(root, 'node_modules', 'bufferutil'))) {
    throw new Stop('bufferutil, which every ratio refers to, is not installed: run npm ci.');
  }
  if (id.startsWith('bun') && firstLine(bun, ['--version']) === undefined) {
    console.log(
      process.env.BUN
        ? `${id} is left out: ${bun}, which the variable BUN names, does not run.`
        : `${id} is left out: there is no bun on the PATH, and the variable BUN names none.`
    );
    return false;
  }
  return true;
}

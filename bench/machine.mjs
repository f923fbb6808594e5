// What figures depend on besides the code: the machine and the versions.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { firstLine, root } from '../scripts/support/command.mjs';

const require = createRequire(import.meta.url);

/**
 * Collects the facts that are recorded beside the figures.
 *
 * @param {string} node The Node binary that servers run on
 * @return {Record<string, string | number | null>} The facts
 */
export function machineFacts(node) {
  const commit = firstLine('git', ['rev-parse', '--short', 'HEAD']);
  const changed = firstLine('git', ['status', '--porcelain']);
  return {
    cpu: os.cpus()[0]?.model ?? null,
    processors: os.cpus().length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: firstLine(node, ['--version']) ?? null,
    bun: firstLine(process.env.BUN || 'bun', ['--version']) ?? null,
    rustc: firstLine('rustc', ['--version']) ?? null,
    ws: packageVersion('ws'),
    bufferutil: packageVersion('bufferutil'),
    commit: commit ? `${commit}${changed ? ' with changes' : ''}` : null
  };
}

/**
 * Says when the machine has other things to do.
 *
 * @return {string | undefined} A warning
 */
export function busyWarning() {
  const [load] = os.loadavg();
  if (load < 0.7) return undefined;
  return `The machine is busy (load average ${load.toFixed(1)}): the figures will be noisy.`;
}

/**
 * Reads the version of an installed package.
 *
 * @param {string} name The package
 * @return {string | null} Its version
 */
function packageVersion(name) {
  try {
    const file = require.resolve(`${name}/package.json`, { paths: [root] });
    return JSON.parse(readFileSync(join(file), 'utf8')).version;
  } catch {
    return null;
  }
}

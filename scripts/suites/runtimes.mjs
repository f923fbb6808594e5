// `npm test -- runtimes [--write]`: conversations by the packed package on Bun and Deno, and under
// the tools that load programs in their own way. `--write` puts the table into
// doc/compatibility.md.

import { join } from 'node:path';
import { runNode } from '../support/command.mjs';
import { writeTable } from '../support/compatibility.mjs';
import { prepare } from '../support/prepare.mjs';
import { installPackage, installTools } from '../support/tool-folder.mjs';

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function runtimes(args) {
  await prepare();
  return {
    runtimes: async () => {
      const folder = await installTools('runtimes');
      installPackage(folder, 'ws');
      const table = join(folder, 'table.md');
      const code = await runNode(['run.mjs', table], { cwd: folder });
      if (args.includes('--write')) writeTable('runtimes', table);
      return code;
    }
  };
}

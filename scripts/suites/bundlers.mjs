// `npm test -- bundlers [--write]`: bundles a program that uses the packed package with each
// bundler and runs it without packages beside it. `--write` puts the table into
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
export default async function bundlers(args) {
  await prepare();
  return {
    bundlers: async () => {
      const folder = await installTools('bundlers');
      installPackage(folder, 'ws');
      const table = join(folder, 'table.md');
      const code = await runNode(['run.mjs', table], { cwd: folder });
      if (args.includes('--write')) writeTable('bundlers', table);
      return code;
    }
  };
}

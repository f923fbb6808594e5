// `npm test -- managers [--write]`: package managers install oxws in the place of ws, from a
// registry on loopback that has the packed package and no ws. `--write` puts the table into
// doc/compatibility.md.

import { join } from 'node:path';
import { root, runNode } from '../support/command.mjs';
import { writeTable } from '../support/compatibility.mjs';
import { prepare } from '../support/prepare.mjs';
import { installTools, packForAll } from '../support/tool-folder.mjs';

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function managers(args) {
  await prepare();
  return {
    'package managers': async () => {
      const folder = await installTools('managers', ['install', '--no-save']);
      await packForAll(folder);
      const table = join(folder, 'table.md');
      const env = { ...process.env, ROOT: root, TABLE: table };
      const code = await runNode(['--test', '--test-reporter=spec', 'managers.spec.mjs'], {
        cwd: folder,
        env
      });
      if (args.includes('--write')) writeTable('managers', table);
      return code;
    }
  };
}

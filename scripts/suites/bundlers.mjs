// `npm test -- bundlers [--long] [--write]`: bundles a program that uses the packed package with
// each bundler and runs it without packages beside it. `--long` adds those that are hundreds of
// megabytes, such as Next.js; `--write` puts the table into doc/compatibility.md.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runNode } from '../support/command.mjs';
import { writeTable } from '../support/compatibility.mjs';
import { prepare } from '../support/prepare.mjs';
import { installPackage, installTools } from '../support/tool-folder.mjs';

const SOURCES = join(root, '__test__', 'bundlers');
/** Lines of a table before its rows. */
const HEAD_LINES = 2;

/**
 * Bundles and runs the program with the tools of a folder.
 *
 * @param {string} name The folder
 * @return {Promise<{ code: number, table: string }>} The exit code, and the table
 */
async function runTools(name) {
  const folder = await installTools(name);
  for (const file of ['echo.cjs', 'echo.mjs'])
    copyFileSync(join(SOURCES, file), join(folder, file));
  installPackage(folder, 'ws');
  const table = join(folder, 'table.md');
  const args = [join(SOURCES, 'run.mjs'), join(folder, 'tools.mjs'), table];
  const code = await runNode(args, { cwd: folder });
  return { code, table };
}

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function bundlers(args) {
  await prepare();
  return {
    bundlers: async () => {
      const { code, table } = await runTools('bundlers');
      let worst = code;
      if (args.includes('--long')) {
        const large = await runTools('frameworks');
        worst ||= large.code;
        const rows = readFileSync(large.table, 'utf8').split('\n').slice(HEAD_LINES);
        writeFileSync(table, `${readFileSync(table, 'utf8')}${rows.join('\n')}`);
      }
      if (args.includes('--write')) writeTable('bundlers', table);
      return worst;
    }
  };
}

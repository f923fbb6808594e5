// `npm test -- bundlers [--write]`: bundles a program that uses the packed package with each
// bundler and runs it without packages beside it. `--write` puts the table into
// doc/compatibility.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runNode } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';
import { installPackage, installTools } from '../support/tool-folder.mjs';

const DOCUMENT = join(root, 'doc', 'compatibility.md');
const [BEGIN, END] = ['<!-- bundlers -->\n', '<!-- /bundlers -->\n'];

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
      if (args.includes('--write')) write(readFileSync(table, 'utf8'));
      return code;
    }
  };
}

/**
 * Puts the table into the document.
 *
 * @param {string} table The table
 */
function write(table) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [before, after] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
  writeFileSync(DOCUMENT, `${text.slice(0, before)}\n${table}\n${text.slice(after)}`);
}

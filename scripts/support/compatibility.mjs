// doc/compatibility.md, which suites of tests write: the programs of the ecosystem first, then a
// table of each of the others, between comments with its name.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './command.mjs';

const DOCUMENT = join(root, 'doc', 'compatibility.md');

/**
 * Writes what stands before the first heading of the second level.
 *
 * @param {string} text The text
 */
export function writePrograms(text) {
  const old = readFileSync(DOCUMENT, 'utf8');
  writeFileSync(DOCUMENT, `${text}\n${old.slice(old.indexOf('\n## ') + 1)}`);
}

/**
 * Writes the table of a suite.
 *
 * @param {string} name The suite
 * @param {string} file The file that has the table
 */
export function writeTable(name, file) {
  const old = readFileSync(DOCUMENT, 'utf8');
  const begin = `<!-- ${name} -->\n`;
  const from = old.indexOf(begin) + begin.length;
  const to = old.indexOf(`<!-- /${name} -->`);
  const table = readFileSync(file, 'utf8');
  writeFileSync(DOCUMENT, `${old.slice(0, from)}\n${table}\n${old.slice(to)}`);
}

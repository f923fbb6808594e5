// Finds comments and paragraphs that are wider than 100 columns. Code is for biome and rustfmt.
// A part of `npm run lint`.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, main, root } from './support/command.mjs';

const COLUMNS = 100;
const SOURCE = /\.(?:rs|[cm]?[jt]s)$/;
/** What scripts write. */
const GENERATED = new Set(['binding.d.ts', 'doc/compatibility.md']);

/**
 * Tells which lines of a document are its text: code and tables can't be wrapped.
 *
 * @param {string[]} lines The document
 * @return {boolean[]} For each line, whether it is
 */
function textOf(lines) {
  let isCode = false;
  return lines.map((line) => {
    const isFence = /^\s*```/.test(line);
    if (isFence) isCode = !isCode;
    return !isFence && !isCode && !/^\s*\|/.test(line);
  });
}

/**
 * Finds the lines that are too wide and could be wrapped: those with a space before the limit.
 *
 * @param {string} name The file
 * @return {string[]} Where they are
 */
function wideLines(name) {
  const lines = readFileSync(join(root, name), 'utf8').split('\n');
  const counts = name.endsWith('.md')
    ? textOf(lines)
    : lines.map((line) => /^\s*(?:\/\/|\/?\*)/.test(line));
  return lines.flatMap((line, index) => {
    if (!counts[index] || [...line].length <= COLUMNS) return [];
    const [start] = /^\s*(?:\/\/[/!]?|\/?\*+|-|\d+\.)?\s*/.exec(line);
    const canBeWrapped = line.slice(start.length, COLUMNS + 1).includes(' ');
    return canBeWrapped ? [`${name}:${index + 1}`] : [];
  });
}

main(() => {
  const names = capture('git', ['ls-files', '--cached', '--others', '--exclude-standard'])
    .split('\n')
    .filter((name) => (SOURCE.test(name) || name.endsWith('.md')) && !GENERATED.has(name));
  const wide = names.flatMap(wideLines);
  for (const place of wide) console.error(`${place}: more than ${COLUMNS} columns`);
  return wide.length === 0 ? 0 : 1;
});

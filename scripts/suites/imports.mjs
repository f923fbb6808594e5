// `npm test -- imports`: looks for files that need each other in a circle, in `lib/`, `src/` and
// `crates/`.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/command.mjs';
import { circlesOf, javascriptImports, rustImports } from '../support/imports.mjs';

/**
 * Prints the circles of some files.
 *
 * @param {import('../support/imports.mjs').Graph} graph The files
 * @return {Promise<number>} The exit code
 */
async function check(graph) {
  const circles = circlesOf(graph);
  const edges = [...graph.values()].reduce((sum, { size }) => sum + size, 0);
  console.log(`${graph.size} files, ${edges} imports, ${circles.length} circles`);
  for (const circle of circles) console.log(`  ${circle.join('\n    -> ')}`);
  return circles.length === 0 ? 0 : 1;
}

/** @return {import('../support/steps.mjs').Steps} The steps of the suite */
export default function imports() {
  const crates = readdirSync(join(root, 'crates')).map((name) => `crates/${name}/src`);
  const sources = ['src', ...crates].filter((folder) => existsSync(join(root, folder, 'lib.rs')));
  return {
    'circles of imports, lib': () => check(javascriptImports('lib')),
    ...Object.fromEntries(
      sources.map((folder) => [`circles of imports, ${folder}`, () => check(rustImports(folder))])
    )
  };
}

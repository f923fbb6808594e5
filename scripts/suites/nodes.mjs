// `npm run test:nodes [-- MAJOR ...]`: runs the JavaScript tests on several versions of Node, all of them with
// the one binary that is in the root. The newest release of each line comes from the npm registry, into
// `.cache/`.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireAddon } from '../support/addon.mjs';
import { capture, firstLine, main, npmCommand, root, Stop } from '../support/command.mjs';
import { requireDependencies } from '../support/dependencies.mjs';
import { runSuites, specSuites } from '../support/specs.mjs';
import { requireNode } from '../support/toolchain.mjs';

/** The lines that are supported. */
const MAJORS = ['20', '22', '24', '26'];

/**
 * Makes sure that a Node is there.
 *
 * @param {string} major Its line
 * @return {string} The program
 */
function installNode(major) {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = join(root, '.cache', 'nodes', major);
  const end = process.platform === 'win32' ? '.exe' : '';
  const program = join(folder, 'node_modules', name, 'bin', `node${end}`);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const [npm, ...first] = npmCommand();
    const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${major}`];
    capture(npm, [...first, ...args], { cwd: folder });
  }
  return program;
}

main(async (args) => {
  const majors = args.length > 0 ? args : MAJORS;
  const unknown = majors.find((major) => !MAJORS.includes(major));
  if (unknown !== undefined) throw new Stop(`no Node ${unknown}; there are: ${MAJORS.join(', ')}`);
  requireNode();
  await requireDependencies();
  await requireAddon();
  return runSuites(
    majors.flatMap((major) => {
      const node = installNode(major);
      const version = firstLine(node, ['--version']);
      return Object.entries(specSuites({ node })).map(([title, suite]) => [
        `Node ${version}, ${title}`,
        suite
      ]);
    })
  );
});

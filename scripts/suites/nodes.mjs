// `npm test -- nodes [MAJOR ...]`: runs the JavaScript tests on several versions of Node, all of
// them with the one binary that is in the root. The newest release of each line comes from the npm
// registry, into `.cache/`.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, firstLine, npmCommand, root, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';
import { specSteps } from '../support/specs.mjs';

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

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function nodes(args) {
  const majors = args.length > 0 ? args : MAJORS;
  const unknown = majors.find((major) => !MAJORS.includes(major));
  if (unknown !== undefined) throw new Stop(`no Node ${unknown}; there are: ${MAJORS.join(', ')}`);
  await prepare();
  const steps = majors.flatMap((major) => {
    const node = installNode(major);
    const version = firstLine(node, ['--version']);
    return Object.entries(specSteps({ node })).map(([title, step]) => [
      `Node ${version}, ${title}`,
      step
    ]);
  });
  return Object.fromEntries(steps);
}

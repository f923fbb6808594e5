// `npm test -- managers`: the recipes of the README, by which packages that depend on ws get oxws,
// with each package manager, from a registry on loopback that has the packed package and no ws.

import { runNode } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';
import { installTools, pack } from '../support/tool-folder.mjs';

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function managers() {
  await prepare();
  return {
    'package managers': async () => {
      const folder = await installTools('managers', ['install', '--no-save']);
      pack(folder);
      return runNode(['--test', '--test-reporter=spec', 'managers.spec.mjs'], { cwd: folder });
    }
  };
}

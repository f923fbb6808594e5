// `npm test -- chaos`: what must hold whatever happens, in every mode. Options: see
// `__test__/chaos/README.md`.

import { runNode } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function chaos(args) {
  await prepare();
  return { 'connections under chaos': () => runNode(['__test__/chaos/run.js', ...args]) };
}

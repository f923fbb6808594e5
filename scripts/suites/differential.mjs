// `npm test -- differential`: programs of seeds, run on ws and on oxws, whose traces are compared.
// Options: see `__test__/differential/README.md`.

import { runNode } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function differential(args) {
  await prepare();
  return {
    'programs on ws and on oxws': () => runNode(['__test__/differential/run.js', ...args])
  };
}

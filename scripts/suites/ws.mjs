// `npm test -- ws PATH_TO_A_WS_CHECKOUT`: runs the tests of ws on oxws. Options: see
// `__test__/ws-suite/run.js`.

import { runNode } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function ws(args) {
  await prepare({ addon: !args.includes('--target') });
  const command = ['--throw-deprecation', '__test__/ws-suite/run.js', ...args];
  return { "ws's mocha suite": () => runNode(command) };
}

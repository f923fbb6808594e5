// `npm test -- ecosystem [NAME ...]`: runs programs that use ws on ws and on oxws and compares what
// happened. Run on all of them it writes doc/compatibility.md. `--quick` runs the small ones,
// `--verbose` prints what happened.

import { prepare } from '../support/prepare.mjs';

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function ecosystem(args) {
  await prepare();
  const { runEcosystem } = await import('../../__test__/ecosystem/run.mjs');
  return { 'programs that use ws': () => runEcosystem(args) };
}

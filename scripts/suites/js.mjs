// `npm test -- js`: the test files of `__test__/`, those with connections on each transport and
// driver.

import { prepare } from '../support/prepare.mjs';
import { specSteps } from '../support/specs.mjs';

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function js() {
  await prepare();
  return specSteps();
}

// `npm test -- protocol`: the tests of the protocol, compiled without the engine and the binding.

import { run } from '../support/command.mjs';
import { requireRust } from '../support/toolchain.mjs';

/** @return {import('../support/steps.mjs').Steps} The steps of the suite */
export default function protocol() {
  requireRust();
  return {
    'cargo test, the protocol alone': () =>
      run('cargo', ['test', '--quiet', '--no-default-features'])
  };
}

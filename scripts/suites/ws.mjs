// `npm run test:ws-suite -- PATH_TO_A_WS_CHECKOUT`: runs the tests of ws on oxws. Options: see
// `__test__/ws-suite/run.js`.

import { requireAddon } from '../support/addon.mjs';
import { main, runNode } from '../support/command.mjs';
import { requireDependencies } from '../support/dependencies.mjs';
import { requireNode } from '../support/toolchain.mjs';

main(async (args) => {
  requireNode();
  await requireDependencies();
  if (!args.includes('--target')) await requireAddon();
  return runNode(['--throw-deprecation', '__test__/ws-suite/run.js', ...args]);
});

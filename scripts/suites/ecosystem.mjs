// `npm run test:ecosystem [-- NAME...]`: runs programs that use ws on ws and on oxws and compares
// what happened. Run on all of them it writes doc/compatibility.md. `--quick` runs the small ones,
// `--verbose` prints what happened.

import { requireAddon } from '../support/addon.mjs';
import { main } from '../support/command.mjs';
import { requireDependencies } from '../support/dependencies.mjs';
import { requireNode } from '../support/toolchain.mjs';

main(async (args) => {
  requireNode();
  await requireDependencies();
  await requireAddon();
  const { runEcosystem } = await import('../../__test__/ecosystem/run.mjs');
  return runEcosystem(args);
});

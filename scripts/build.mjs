// `npm run build [-- --debug] [-- --force]`: builds the addon when its sources have changed.

import { requireAddon } from './support/addon.mjs';
import { main } from './support/command.mjs';
import { requireDependencies } from './support/dependencies.mjs';
import { requireNode } from './support/toolchain.mjs';

main(async (args) => {
  requireNode();
  await requireDependencies();
  await requireAddon({ debug: args.includes('--debug'), force: args.includes('--force') });
});

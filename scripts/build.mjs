// `npm run build [-- --debug] [-- --force]`: builds the addon when its sources have changed.

import { requireAddon } from './addon.mjs';
import { main } from './command.mjs';
import { requireDependencies } from './dependencies.mjs';
import { requireNode } from './toolchain.mjs';

main(async (args) => {
  requireNode();
  await requireDependencies();
  await requireAddon({ debug: args.includes('--debug'), force: args.includes('--force') });
});

// `npm start`: builds what is needed and serves the demo.

import { requireAddon } from './addon.mjs';
import { main } from './command.mjs';
import { requireDependencies } from './dependencies.mjs';
import { requireNode } from './toolchain.mjs';

main(async () => {
  requireNode();
  await requireDependencies();
  await requireAddon();
  await import('../examples/demo/main.js');
});

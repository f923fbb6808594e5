// `npm run build [-- --debug] [-- --force]`: builds the addon when its sources have changed.

import { main } from './support/command.mjs';
import { prepare } from './support/prepare.mjs';

main(async (args) => {
  await prepare({ debug: args.includes('--debug'), force: args.includes('--force') });
});

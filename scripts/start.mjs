// `npm start`: builds what is needed and serves the demo.

import { main } from './support/command.mjs';
import { prepare } from './support/prepare.mjs';

/**
 * Ends this process when the one that started it has gone. A SIGTERM to npm ends npm and its shell,
 * which passes no signal on: the server would stay behind and hold its port.
 */
function followParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}

main(async () => {
  await prepare();
  if (process.env.npm_lifecycle_event !== undefined) followParent();
  await import('../examples/demo/main.js');
});

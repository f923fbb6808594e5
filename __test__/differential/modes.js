// @ts-check
'use strict';

// What is compared: oxws as it is by default, and in each way that its environment offers.

/** The variables of each mode, by its name. */
const MODES = {
  default: {},
  loop: { OXWS_DRIVER: 'loop' },
  auto: { OXWS_DRIVER: 'auto' },
  tokio: { OXWS_DRIVER: 'tokio' },
  threads: { OXWS_DRIVER: 'tokio', OXWS_THREADS: '2' },
  tls: { OXWS_TLS: 'node' },
  stream: { OXWS_TRANSPORT: 'stream' },
  wasm: { OXWS_BINDING: 'wasm' }
};

/**
 * Gives the environment of a worker, without what the caller's says about oxws.
 *
 * @param {string} mode The name of the mode, `ws`, `ws-tick` and `ws-turn` for ws itself
 * @return {NodeJS.ProcessEnv} The environment
 */
function environmentOf(mode) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (name.startsWith('OXWS_')) delete env[name];
  return { ...env, ...(mode.startsWith('ws') ? {} : MODES[mode]), NODE_NO_WARNINGS: '1' };
}

module.exports = { environmentOf, names: Object.keys(MODES) };

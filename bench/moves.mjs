// `node bench/moves.mjs [ROUNDS]`: how the choice of the driver follows the load. A server with
// `OXWS_DRIVER=auto`, and one pinned to each driver, get little to do, then much, then little
// again; what counts is the second that begins one second after each change.

import { parseArgs } from 'node:util';
import { main, Stop } from '../scripts/support/command.mjs';
import { prepare } from '../scripts/support/prepare.mjs';
import { findContenders } from './contenders.mjs';
import { buildGenerator, runLoad, startServer } from './processes.mjs';

const DRIVERS = ['loop', 'tokio', 'auto'];
const LITTLE = { connections: 1, size: 20, 'in-flight': 1 };
const MUCH = { connections: 64, size: 20, 'in-flight': 32 };
/** The warm-up is the second in which a move may happen. */
const TIMING = { warmUp: 1, seconds: 1 };

const echo = (/** @type {any} */ load) => /** @type {any} */ ({ mode: 'echo', load });

/**
 * Has one server go through the changes.
 *
 * @param {any} contender The server
 * @return {Promise<Record<string, any>>} The reports behind the changes
 */
async function follow(contender) {
  const server = await startServer(contender, echo(LITTLE), '');
  try {
    await runLoad(server, echo(LITTLE), { warmUp: 0, seconds: 0.5 }, '');
    const up = await runLoad(server, echo(MUCH), TIMING, '');
    const down = await runLoad(server, echo(LITTLE), TIMING, '');
    return { up, down };
  } finally {
    await server.end();
  }
}

const median = (/** @type {number[]} */ values) =>
  values.toSorted((a, b) => a - b)[values.length >> 1];

main(async (args) => {
  const { positionals } = parseArgs({ args, allowPositionals: true });
  const rounds = Number(positionals[0] ?? 5);
  if (!(rounds >= 1)) throw new Stop('usage: node bench/moves.mjs [ROUNDS]');
  await prepare();
  await buildGenerator();
  const [oxws] = findContenders({ node: process.execPath, only: ['oxws'] });
  /** @type {any[]} */
  const reports = [];
  for (let round = 0; round < rounds; round++) {
    for (const driver of DRIVERS) {
      const env = { OXWS_DRIVER: driver };
      reports.push({ driver, ...(await follow({ ...oxws, env })) });
    }
  }
  for (const change of ['up', 'down']) {
    console.log(change === 'up' ? 'From little to much to do' : 'From much to little to do');
    for (const driver of DRIVERS) {
      const own = reports.filter((report) => report.driver === driver).map((of) => of[change]);
      const of = (/** @type {string} */ key) => median(own.map((report) => report[key]));
      const cpu = of('server_cpu_us_per_message').toFixed(2);
      const thread = of('server_main_thread_us_per_message').toFixed(2);
      console.log(
        `  ${driver.padEnd(5)} p50 ${of('p50_us').toFixed(0)} us, p99 ${of('p99_us').toFixed(0)} us, ` +
          `${of('messages_per_second').toFixed(0)} /s, ${cpu} us of CPU time a message, ` +
          `${thread} us of the JavaScript thread`
      );
    }
  }
});

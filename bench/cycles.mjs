// `npm run soak:cycles [-- --cycles N]`: opens a connection, sends a message back and forth and
// closes, N times (200 000), 50 at a time, on each driver of the engine. A third is ended by a
// closing handshake, a third by `terminate()`, a third by a reset.
//
// The exit code is 1 when descriptors or memory have grown: behind the first fifth both must be
// flat.

import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import until from '../__test__/support/until.js';
import { main, run, Stop } from '../scripts/support/command.mjs';
import { prepare } from '../scripts/support/prepare.mjs';

const AT_A_TIME = 50;
const SAMPLES = 5;
/** By how much resident memory may be larger at the end than behind the first fifth. */
const LARGEST_GROWTH = 1.15;

const ENDS = [(ws) => ws.close(), (ws) => ws.terminate(), (ws) => ws._socket.resetAndDestroy()];

/**
 * Counts what the process holds.
 *
 * @return {{ descriptors: number, rss: number }} Descriptors, and resident memory in MiB
 */
function measure() {
  globalThis.gc();
  const rss = Math.round(process.memoryUsage.rss() / 2 ** 20);
  return { descriptors: readdirSync('/proc/self/fd').length, rss };
}

/**
 * Opens, uses and closes one connection.
 *
 * @param {any} WebSocket The class
 * @param {number} port The port of an echo server
 * @param {(ws: any) => void} end Ends it
 * @return {Promise<void>} Settled when it's closed
 */
function cycle(WebSocket, port, end) {
  return new Promise((resolve) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}`);
    ws.on('open', () => ws.send('x'));
    ws.on('message', () => end(ws));
    ws.on('error', () => {});
    ws.on('close', () => resolve());
  });
}

/**
 * Runs all cycles in this process.
 *
 * @param {number} cycles How many
 * @return {Promise<boolean>} Whether descriptors and memory stayed flat
 */
async function runCycles(cycles) {
  const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('..');
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  wss.on('connection', (ws) => {
    ws.on('error', () => {});
    ws.on('message', (data, binary) => ws.send(data, { binary }));
  });
  await new Promise((resolve) => wss.on('listening', resolve));
  const { port } = wss.address();
  const samples = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    let next = 0;
    const work = async () => {
      while (next < cycles / SAMPLES) await cycle(WebSocket, port, ENDS[next++ % ENDS.length]);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
    await until(
      () => wss.clients.size === 0,
      () => `the end of ${wss.clients.size} connections of the server`
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    samples.push(measure());
    const { descriptors, rss } = samples[sample];
    console.log(`${next * (sample + 1)} cycles: ${descriptors} descriptors, ${rss} MiB`);
  }
  wss.close();
  const [first, last] = [samples[0], samples.at(-1)];
  return last.descriptors <= first.descriptors && last.rss <= first.rss * LARGEST_GROWTH;
}

main(async (args) => {
  const options = { cycles: { type: 'string', default: '200000' }, here: { type: 'boolean' } };
  const { values } = parseArgs({ args, options });
  const cycles = Number(values.cycles);
  if (!(cycles >= SAMPLES)) throw new Stop(`--cycles must be a number from ${SAMPLES} on`);
  if (values.here) return (await runCycles(cycles)) ? 0 : 1;
  await prepare();
  let code = 0;
  for (const driver of ['loop', 'tokio']) {
    console.log(`--- ${driver} driver`);
    const self = [fileURLToPath(import.meta.url), '--here', '--cycles', String(cycles)];
    const env = { ...process.env, OXWS_DRIVER: driver };
    code = (await run(process.execPath, ['--expose-gc', ...self], { env })) || code;
  }
  return code;
});

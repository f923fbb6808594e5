// `npm run soak [-- --minutes N]`: mixed compressed load for a long time, to see whether memory
// grows.
//
// An echo server of each contender with permessage-deflate gets the same load: messages of 64 B to
// 1 MiB of JSON, connections that come, exchange some, and go. Resident memory is noted every ten
// seconds. The exit code is 1 when that of oxws still grows in the second half, or a message comes
// back changed.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { main, Stop } from '../scripts/support/command.mjs';
import { prepare } from '../scripts/support/prepare.mjs';
import { findContenders } from './contenders.mjs';
import { LARGEST_GROWTH, residentMemory, summarize } from './memory.mjs';
import { startServer } from './processes.mjs';

const CONNECTIONS = 24;
const SAMPLE_INTERVAL_MS = 10_000;
/** Between two messages of a connection: the servers are loaded, not drowned. */
const PAUSE_MS = 60;

/** JSON that every message is a part of. */
const text = JSON.stringify(
  Array.from({ length: 30_000 }, (_, id) => ({
    id: (id * 7919) % 10_000_019,
    symbol: ['ACME', 'GLOBEX', 'HOOLI'][id % 3],
    price: ((id * id) % 99_991) / 100,
    user: `u-${((id * 2_654_435_761) % 2 ** 32).toString(16)}`
  }))
);

/**
 * A message: lengths from 64 B to 1 MiB, short ones as often as long ones.
 *
 * @return {string} A part of the text
 */
function nextMessage() {
  const length = Math.floor(64 * 2 ** (Math.random() * 14));
  const start = Math.floor(Math.random() * (text.length - length));
  return text.slice(start, start + length);
}

/**
 * Keeps one connection after the other busy until the end.
 *
 * @param {any} WebSocket The client
 * @param {number} port Where the server listens
 * @param {number} end When to stop
 * @param {{messages: number, connections: number}} counts What was done
 */
async function keepBusy(WebSocket, port, end, counts) {
  while (performance.now() < end) {
    const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: { threshold: 0 } });
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    counts.connections++;
    const count = 1 + Math.floor(Math.random() * 60);
    for (let i = 0; i < count && performance.now() < end; i++) {
      const message = nextMessage();
      const echo = new Promise((resolve, reject) => {
        ws.once('message', resolve).once('close', reject);
      });
      ws.send(message);
      if (`${await echo}` !== message) throw new Error('a message came back changed');
      counts.messages++;
      ws.removeAllListeners('close');
      await sleep(Math.random() * 2 * PAUSE_MS);
    }
    // Some leave without a word.
    if (Math.random() < 0.2) ws.terminate();
    else ws.close();
    await new Promise((resolve) => ws.once('close', resolve));
  }
}

main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '30' },
      takeover: { type: 'boolean', default: false }
    }
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Stop('usage: npm run soak -- [--minutes N] [--takeover]');
  await prepare();

  const deflate = { level: 6, takeover: values.takeover };
  const which = { id: 'soak', title: '', mode: 'echo', load: {}, unit: '', deflate };
  const { default: WebSocket } = await import('ws');
  const end = performance.now() + minutes * 60_000;
  const runs = await Promise.all(
    findContenders({ node: process.execPath, only: ['ws+bufferutil', 'oxws'] }).map(
      async (contender) => {
        const server = await startServer(contender, /** @type {any} */ (which), '');
        const counts = { messages: 0, connections: 0 };
        const busy = Array.from({ length: CONNECTIONS }, () =>
          keepBusy(WebSocket, server.port, end, counts)
        );
        return { contender, server, counts, busy, samples: /** @type {number[]} */ ([]) };
      }
    )
  );

  const sampling = setInterval(() => {
    const seconds = Math.round(minutes * 60 - (end - performance.now()) / 1000);
    const figures = runs.map(({ contender, server, samples, counts }) => {
      samples.push(residentMemory(server.pid));
      return `${contender.name} ${samples.at(-1)?.toFixed(1)} MiB, ${counts.messages} messages`;
    });
    console.log(`${seconds} s: ${figures.join('; ')}`);
  }, SAMPLE_INTERVAL_MS);
  await Promise.all(runs.flatMap(({ busy }) => busy));
  clearInterval(sampling);

  let grows = false;
  for (const { contender, server, samples, counts } of runs) {
    await server.end();
    const { line, growth } = summarize(samples);
    console.log(
      `${contender.name}: ${counts.messages} messages on ${counts.connections} connections, ${line}`
    );
    if (contender.id === 'oxws') grows = growth > LARGEST_GROWTH;
  }
  return grows ? 1 : 0;
});

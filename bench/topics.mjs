// `npm run soak:topics [-- --minutes N]`: topics under a load that changes, for a long time, to see
// whether memory grows.
//
// A server on each driver publishes, as does a worker thread of its process, which ends every few
// seconds while another one begins. Clients come, subscribe to a few topics of many, change that,
// read or don't, and go. Each message has a number: a client that gets one twice, or two in the
// wrong order, ends the run, as does a topic that is left over. Resident memory is noted every ten
// seconds; the exit code is 1 when it still grows in the second half.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { main, Stop } from '../scripts/support/command.mjs';
import { prepare } from '../scripts/support/prepare.mjs';
import { LARGEST_GROWTH, residentMemory, summarize } from './memory.mjs';

const self = fileURLToPath(import.meta.url);
const require = createRequire(import.meta.url);

const CLIENTS = 60;
const SAMPLE_INTERVAL_MS = 10_000;
/** Topics that all know, and how many others there may be at a time. */
const HOT = 5;
const COLD = 50_000;
const PUBLISH_INTERVAL_MS = 40;
/** For how long a worker thread publishes. */
const WORKER_MS = 5000;
/** A client that doesn't read for this long isn't published to for some time. */
const LONGEST_PAUSE_MS = 500;

/** @param {number} count How many numbers there are @return {number} One of them */
const random = (count) => Math.floor(Math.random() * count);

const pickTopic = () => (random(3) > 0 ? `hot ${random(HOT)}` : `cold ${random(COLD)}`);

/**
 * Publishes for as long as the thread runs.
 *
 * @param {any} wss The server
 * @param {string} origin What its messages begin with
 * @return {NodeJS.Timeout} The timer by which it does
 */
function keepPublishing(wss, origin) {
  let number = 0;
  return setInterval(() => {
    for (let count = random(6); count > 0; count--) {
      const text = `${origin} ${number++} `.padEnd(2 ** (5 + random(8)), 'payload ');
      wss.publish(pickTopic(), random(5) > 0 ? text : Buffer.from(text));
    }
    wss.publish(`hot ${random(HOT)}`, wss.prepare(`${origin} ${number++}`));
    if (random(10) === 0) wss.broadcast(`${origin} ${number++}`);
  }, PUBLISH_INTERVAL_MS);
}

/** A server with the broker of threads, on any thread. */
function createServer() {
  const { WebSocketServer } = require('..');
  const { createThreadBroker } = require('../lib/beyond/threads');
  const options = isMainThread ? { host: '127.0.0.1', port: 0 } : { noServer: true };
  return new WebSocketServer({ broker: createThreadBroker({ name: 'soak' }), ...options });
}

/** Does what a worker thread does. */
function work() {
  const wss = createServer();
  keepPublishing(wss, workerData.origin);
  parentPort?.on('message', () => process.exit());
}

/** Serves, as a process of its own. */
async function serve() {
  const { threadTopics } = require('../lib/native');
  const wss = createServer();
  wss.on('connection', (/** @type {any} */ ws) => {
    ws.on('error', () => {});
    const change = () => {
      for (let count = random(20); count > 0; count--) ws.subscribe(pickTopic());
      for (const topic of ws.topics) if (random(2) === 0) ws.unsubscribe(topic);
      for (let count = 0; count < HOT; count++) ws.subscribe(`hot ${count}`);
      if (random(4) === 0) ws.subscribe(`once ${Date.now()} ${random(COLD)}`);
    };
    change();
    const changing = setInterval(change, 100 + random(400));
    ws.on('close', () => clearInterval(changing));
  });
  await new Promise((resolve) => wss.on('listening', resolve));
  const publishing = keepPublishing(wss, 'main');
  let isEnding = false;
  process.on('message', () => {
    isEnding = true;
  });
  process.send?.({ port: wss.address().port });
  for (let workers = 0; !isEnding; workers++) {
    const worker = new Worker(self, { workerData: { origin: `worker${workers}` } });
    for (let waited = 0; waited < WORKER_MS && !isEnding; waited += 100) await sleep(100);
    if (random(2) === 0) worker.terminate();
    else worker.postMessage('end');
    await new Promise((resolve) => worker.on('exit', resolve));
  }
  clearInterval(publishing);
  while (wss.clients.size > 0) await sleep(10);
  process.send?.({ left: threadTopics?.() ?? 0 });
  process.disconnect();
  wss.close();
}

/**
 * Connects one client after the other until the end.
 *
 * @param {any} WebSocket The class
 * @param {number} port Where the server listens
 * @param {number} end When to stop
 * @param {{messages: number, connections: number}} counts What has happened
 */
async function keepComing(WebSocket, port, end, counts) {
  while (performance.now() < end) {
    const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    /** @type {Map<string, number>} */
    const latest = new Map();
    ws.on('message', (/** @type {Buffer} */ data) => {
      const [origin, number] = data.toString().split(' ', 2);
      if (Number(number) <= (latest.get(origin) ?? -1)) {
        console.error(`${number} of ${origin} after ${latest.get(origin)}`);
        process.exit(1);
      }
      latest.set(origin, Number(number));
      counts.messages++;
    });
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    counts.connections++;
    for (let left = 1 + random(20); left > 0 && performance.now() < end; left--) {
      await sleep(random(400));
      if (random(5) > 0) continue;
      ws.pause();
      await sleep(random(LONGEST_PAUSE_MS));
      ws.resume();
    }
    if (random(3) === 0) ws.terminate();
    else ws.close();
    await new Promise((resolve) => ws.once('close', resolve));
  }
}

/**
 * Starts a server on a driver, and clients for it.
 *
 * @param {string} driver The driver
 * @param {any} WebSocket What clients are of
 * @param {number} end When to stop
 */
async function start(driver, WebSocket, end) {
  const server = fork(self, ['--serve'], { env: { ...process.env, OXWS_DRIVER: driver } });
  const [{ port }] = await once(server, 'message');
  const counts = { messages: 0, connections: 0 };
  const comers = Array.from({ length: CLIENTS }, () => keepComing(WebSocket, port, end, counts));
  server.on('exit', (code) => {
    if (performance.now() < end) throw new Error(`the server has ended with ${code}`);
  });
  return { driver, server, counts, comers, samples: /** @type {number[]} */ ([]) };
}

/**
 * Runs the whole of it.
 *
 * @param {number} minutes For how long
 * @return {Promise<boolean>} Whether all went well
 */
async function soak(minutes) {
  const { default: WebSocket } = await import('ws');
  const end = performance.now() + minutes * 60_000;
  const runs = [];
  for (const driver of ['loop', 'tokio']) runs.push(await start(driver, WebSocket, end));
  const sampling = setInterval(() => {
    const seconds = Math.round(minutes * 60 - (end - performance.now()) / 1000);
    const figures = runs.map(({ driver, server, samples, counts }) => {
      samples.push(residentMemory(/** @type {number} */ (server.pid)));
      return `${driver} ${samples.at(-1)?.toFixed(1)} MiB, ${counts.messages} messages`;
    });
    console.log(`${seconds} s: ${figures.join('; ')}`);
  }, SAMPLE_INTERVAL_MS);
  await Promise.all(runs.flatMap(({ comers }) => comers));
  clearInterval(sampling);
  let isWell = true;
  for (const { driver, server, samples, counts } of runs) {
    server.send('end');
    const [{ left }] = await once(server, 'message');
    const { line, growth } = summarize(samples);
    const { connections, messages } = counts;
    console.log(`${driver}: ${messages} messages to ${connections} connections, ${line}`);
    if (left > 0) console.log(`${left} topics are left over`);
    isWell = isWell && growth <= LARGEST_GROWTH && left === 0;
  }
  return isWell;
}

if (!isMainThread) work();
else {
  main(async (args) => {
    const { values } = parseArgs({
      args,
      options: { minutes: { type: 'string', default: '30' }, serve: { type: 'boolean' } }
    });
    if (values.serve) {
      await serve();
      return 0;
    }
    const minutes = Number(values.minutes);
    if (!(minutes > 0)) throw new Stop('usage: npm run soak:topics -- [--minutes N]');
    await prepare();
    return (await soak(minutes)) ? 0 : 1;
  });
}

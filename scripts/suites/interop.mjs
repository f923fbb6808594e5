// `npm test -- interop [--peer ws,python,bun,chromium] [--role client,server] [--step N]`:
// exchanges compressed messages with other implementations under every combination of parameters,
// or every N-th.
//
// Where a client says what it offers, and the server follows, the combinations are those of offers;
// browsers and Bun offer always the same, so there they are those of the server's options. What
// fails is tried once more with ws in the place of oxws: what fails with it as well is the peer's.
//
// Needs, for the peers of these names: Python with the package `websockets` (PYTHON names the
// program), Bun (BUN), Chromium (CHROMIUM). Peers that aren't there are left out.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { firstLine, root, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

const require = createRequire(import.meta.url);
const folder = join(root, '__test__', 'interop');

const SIZES = [0, 1, 125, 126, 1024, 65535, 65536, 2 ** 20];
/** Longer than the engine waits before it takes a compressed connection over. */
const PAUSE_MS = 250;
const WINDOW_BITS = [8, 9, 10, 11, 12, 13, 14, 15];

/**
 * @typedef {object} Parameters
 * @property {boolean | undefined} serverNoContextTakeover
 * @property {boolean | undefined} clientNoContextTakeover
 * @property {number | undefined} serverMaxWindowBits
 * @property {number | boolean | undefined} clientMaxWindowBits
 *
 * @typedef {{error: string | null, extensions: string}} Outcome
 */

/**
 * Every combination.
 *
 * @param {(number | boolean | undefined)[]} clientMaxWindowBits What this one may be
 * @return {Parameters[]} All of them
 */
function combinations(clientMaxWindowBits) {
  return [undefined, true].flatMap((serverNoContextTakeover) =>
    [undefined, true].flatMap((clientNoContextTakeover) =>
      [undefined, ...WINDOW_BITS].flatMap((serverBits) =>
        clientMaxWindowBits.map((clientBits) => ({
          serverNoContextTakeover,
          clientNoContextTakeover,
          serverMaxWindowBits: serverBits,
          clientMaxWindowBits: clientBits
        }))
      )
    )
  );
}

/** What a client may offer: `client_max_window_bits` not at all, without a value, or with one. */
const OFFERS = combinations([false, true, ...WINDOW_BITS]);
/** What a server may have been told. */
const OPTIONS = combinations([undefined, ...WINDOW_BITS]);

/**
 * A peer in another process, or in a browser.
 *
 * @typedef {object} Peer
 * @property {number} [port] Where it echoes
 * @property {(job: object) => Promise<Outcome>} [exchange] Has it do a client's part
 * @property {() => unknown} end Ends it
 */

/**
 * Starts a peer that is a program.
 *
 * @param {string} command The program
 * @param {string} script What it runs
 * @param {'client' | 'server'} role What it is
 * @return {Promise<Peer>} The peer
 */
async function startProgram(command, script, role) {
  const child = spawn(command, [join(folder, script), role], {
    stdio: ['pipe', 'pipe', 'inherit']
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => {
    const { done, value } = await lines.next();
    if (done) throw new Stop(`${command} ${script} has ended before it answered`);
    return JSON.parse(value);
  };
  const end = () => child.kill();
  if (role === 'server') return { port: (await read()).port, end };
  const exchange = (/** @type {object} */ job) => {
    child.stdin.write(`${JSON.stringify(job)}\n`);
    return read();
  };
  return { exchange, end };
}

/**
 * Starts a browser.
 *
 * @return {Promise<Peer>} The peer
 */
async function startBrowser() {
  const { findChromium, launch } = require('../../__test__/support/browser.js');
  const exchange = require('../../__test__/interop/exchange.js');
  const browser = await launch(findChromium());
  const page = await browser.newPage();
  const program = (/** @type {any} */ { url, sizes, startsWithText, pauseMs }) => {
    const open = `() => new WebSocket(${JSON.stringify(url)})`;
    return `(${exchange})(${open}, ${JSON.stringify(sizes)}, ${startsWithText}, false, ${pauseMs})`;
  };
  return {
    exchange: (job) => page.evaluate(program(job)),
    end: () => browser.close()
  };
}

/**
 * An echo server with the API of ws, that takes what it is offered, or what its options say.
 *
 * @param {any} implementation ws or oxws
 * @return {Promise<Peer & {use: (parameters: object) => void}>} The server
 */
async function serve({ WebSocketServer }) {
  const wss = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    maxPayload: 0,
    perMessageDeflate: { threshold: 0 }
  });
  await once(wss, 'listening');
  wss.on('connection', (/** @type {any} */ ws) => {
    let index = 0;
    ws.on('error', () => {});
    ws.on('message', (/** @type {Buffer} */ data, /** @type {boolean} */ binary) => {
      index++;
      if (index % 3 !== 0) return ws.send(data, { binary });
      const third = Math.ceil(data.length / 3);
      ws.send(data.subarray(0, third), { binary, fin: false });
      ws.send(data.subarray(third, 2 * third), { binary, fin: false });
      ws.send(data.subarray(2 * third), { binary, fin: true });
    });
  });
  return {
    port: wss.address().port,
    use: (parameters) => {
      wss.options.perMessageDeflate = { threshold: 0, ...parameters };
    },
    end: () => {
      for (const client of wss.clients) client.terminate();
      wss.close();
    }
  };
}

/**
 * Does a client's part with the API of ws.
 *
 * @param {any} implementation ws or oxws
 * @param {number} port Where the server is
 * @param {any} job What to do
 * @return {Promise<Outcome>} The outcome
 */
function exchangeHere(implementation, port, job) {
  const { sizes, startsWithText, pauseMs, ...parameters } = job;
  const exchange = require('../../__test__/interop/exchange.js');
  const options = { maxPayload: 0, perMessageDeflate: { threshold: 0, ...parameters } };
  const open = () => new implementation.WebSocket(`ws://127.0.0.1:${port}`, options);
  return exchange(open, sizes, startsWithText, true, pauseMs);
}

/**
 * The peers: how they are started, in which role, and whether they choose what is offered.
 *
 * @type {Record<string, {roles: string[], chooses: boolean, find: () => unknown,
 *   start: (role: 'client' | 'server') => Promise<Peer>}>}
 */
const PEERS = {
  ws: {
    roles: ['client', 'server'],
    chooses: true,
    find: () => true,
    start: async (role) => {
      const ws = require('ws');
      if (role === 'server') return serve(ws);
      return {
        exchange: (/** @type {any} */ { url, ...job }) =>
          exchangeHere(ws, Number(new URL(url).port), job),
        end: () => {}
      };
    }
  },
  python: {
    roles: ['client', 'server'],
    chooses: true,
    find: () => firstLine(python(), ['-c', 'import websockets; print(websockets.__version__)']),
    start: (role) => startProgram(python(), 'peer.py', role)
  },
  bun: {
    roles: ['client', 'server'],
    chooses: false,
    find: () => firstLine(bun(), ['--version']),
    start: (role) => startProgram(bun(), 'peer-bun.js', role)
  },
  chromium: {
    roles: ['client'],
    chooses: false,
    find: () => require('../../__test__/support/browser.js').findChromium(),
    start: startBrowser
  }
};

const python = () => process.env.PYTHON || 'python3';
const bun = () => process.env.BUN || 'bun';

/**
 * Exchanges messages under every combination.
 *
 * @param {string} name The peer
 * @param {'client' | 'server'} role That of oxws
 * @param {number} step 1 for every combination, n for every n-th
 * @return {Promise<string[]>} The cells of a line of the table; the last one counts the faults
 */
async function runPair(name, role, step) {
  const { chooses, start } = PEERS[name];
  const implementations = { oxws: require('..'), ws: require('ws') };
  const peer = await start(role === 'client' ? 'server' : 'client');
  const offers = role === 'client' || chooses;
  const all = (offers ? OFFERS : OPTIONS).filter((_, index) => index % step === 0);
  const counts = { compressed: 0, plain: 0, peer: 0, fault: 0 };

  /** @type {(implementation: any, job: any) => Promise<Outcome>} */
  const attempt = async (implementation, job) => {
    if (role === 'client') {
      return exchangeHere(implementation, /** @type {number} */ (peer.port), job);
    }
    const server = await serve(implementation);
    const { sizes, startsWithText, pauseMs, ...parameters } = job;
    if (!offers) server.use(parameters);
    // JSON knows no `undefined`.
    const offered = Object.fromEntries(
      Object.entries(offers ? parameters : {}).map(([key, value]) => [key, value ?? null])
    );
    const named = { ...offered };
    if (named.clientMaxWindowBits === false && name === 'python') named.clientMaxWindowBits = null;
    for (const key of ['serverNoContextTakeover', 'clientNoContextTakeover']) named[key] ??= false;
    const url = `ws://127.0.0.1:${server.port}`;
    const request = name === 'ws' ? { ...parameters } : named;
    const outcome = await peer.exchange?.({ url, sizes, startsWithText, pauseMs, ...request });
    server.end();
    return /** @type {Outcome} */ (outcome);
  };

  try {
    for (const [index, parameters] of all.entries()) {
      const turns = { sizes: SIZES, startsWithText: index % 2 === 0, pauseMs: PAUSE_MS };
      const job = { ...turns, ...parameters };
      const { error, extensions } = await attempt(implementations.oxws, job);
      if (error === null) {
        counts[`${extensions}`.includes('permessage-deflate') ? 'compressed' : 'plain']++;
        continue;
      }
      const reference = await attempt(implementations.ws, job);
      counts[reference.error === null ? 'fault' : 'peer']++;
      const others = reference.error === null ? 'ws does it' : `ws: ${reference.error}`;
      console.log(
        `  ${name}, oxws as ${role}, ${JSON.stringify(parameters)}: ${error} (${others})`
      );
    }
  } finally {
    await peer.end();
  }
  const { compressed, plain, peer: ofPeer, fault } = counts;
  return [name, role, all.length, compressed, plain, ofPeer, fault].map(String);
}

/**
 * Runs pairs of implementations, and prints what came of them.
 *
 * @param {string[]} names The peers
 * @param {string[]} roles What oxws is
 * @param {number} step Take every combination for 1, every second for 2
 * @return {Promise<number>} The exit code
 */
async function runAll(names, roles, step) {
  /** @type {Promise<string[]>[]} */
  const pairs = [];
  for (const name of names) {
    if (!PEERS[name].find()) {
      console.log(`${name} is left out: it isn't there.`);
      continue;
    }
    for (const role of /** @type {const} */ (['client', 'server'])) {
      const ofPeer = role === 'client' ? 'server' : 'client';
      if (!roles.includes(role) || !PEERS[name].roles.includes(ofPeer)) continue;
      pairs.push(runPair(name, role, step));
    }
  }
  // They wait more than they work.
  const lines = await Promise.all(pairs);
  console.log(
    '\n| Peer | oxws as | Combinations | Compressed | Uncompressed | Not with ws either | Faults |'
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const line of lines) console.log(`| ${line.join(' | ')} |`);
  return lines.every((line) => line.at(-1) === '0') ? 0 : 1;
}

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function interop(args) {
  const { values } = parseArgs({
    args,
    options: {
      peer: { type: 'string', default: Object.keys(PEERS).join(',') },
      role: { type: 'string', default: 'client,server' },
      step: { type: 'string', default: '1' }
    }
  });
  const names = values.peer.split(',');
  const unknown = names.find((name) => !(name in PEERS));
  if (unknown !== undefined) {
    throw new Stop(`no peer "${unknown}"; there are: ${Object.keys(PEERS).join(', ')}`);
  }
  const roles = values.role.split(',');
  if (!roles.every((role) => ['client', 'server'].includes(role))) {
    throw new Stop('--role takes client, server, or both with a comma between them');
  }
  const step = Number(values.step);
  if (!(step >= 1)) throw new Stop('--step takes a number from 1 on');
  await prepare();
  return { 'compressed messages with other implementations': () => runAll(names, roles, step) };
}

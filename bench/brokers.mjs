// `node bench/brokers.mjs [--rounds N] [--seconds S] [--subscribers N] [--processes N]`: what a
// delivery takes where topics go through a broker.
//
// One server process publishes, and each of several has subscribers; beside it one process with as
// many subscribers that needs no broker. CPU time is that of the server processes, by deliveries.
// Each subscriber has to get each message once, in order; otherwise the exit code is 1.

import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import ports from '../__test__/support/ports.js';
import findProgram from '../__test__/support/programs.js';
import until from '../__test__/support/until.js';
import { main, Stop } from '../scripts/support/command.mjs';
import { prepare } from '../scripts/support/prepare.mjs';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);

/** Messages of this many bytes, with their number in front, so many of them in each interval. */
const LENGTH = 100;
const DIGITS = 10;
const PER_INTERVAL = 2;
const INTERVAL_MS = 50;
const HEADER_LENGTH = 2;
const FRAME_LENGTH = HEADER_LENGTH + LENGTH;

const PROGRAMS = {
  redis: {
    name: 'redis-server',
    args: (/** @type {number} */ port) => ['--port', `${port}`, '--save', '']
  },
  nats: { name: 'nats-server', args: (/** @type {number} */ port) => ['-p', `${port}`] }
};

/**
 * @param {string} kind A broker, or `none`
 * @param {number} port Where that listens
 * @return {Promise<any>} It, for a server
 */
async function connectBroker(kind, port) {
  if (kind === 'redis') {
    const client = require('redis').createClient({ url: `redis://127.0.0.1:${port}` });
    await client.connect();
    return require('../lib/beyond/redis').createRedisBroker(client);
  }
  if (kind === 'nats') {
    const connection = await require('@nats-io/transport-node').connect({
      servers: `127.0.0.1:${port}`
    });
    return require('../lib/beyond/nats').createNatsBroker(connection);
  }
  return undefined;
}

/**
 * A server process: says where it listens; publishes from `'start'` to `'stop'` if it's the first.
 *
 * @param {string} kind The broker
 * @param {number} port Where that listens
 */
async function serve(kind, port) {
  const { WebSocketServer } = require('..');
  const broker = await connectBroker(kind, port);
  const options = { broker, host: '127.0.0.1', perMessageDeflate: false, port: 0 };
  const wss = new WebSocketServer(options);
  wss.on('brokerError', (/** @type {Error} */ error) => {
    throw error;
  });
  wss.on('connection', (/** @type {any} */ ws) => ws.subscribe('news'));
  await once(wss, 'listening');
  let number = 0;
  const publish = (/** @type {number} */ count) => {
    for (let index = 0; index < count; index++) {
      wss.publish('news', `${number++}`.padStart(DIGITS, '0').padEnd(LENGTH, 'x'));
    }
  };
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  let before = process.cpuUsage();
  process.on('message', (/** @type {any} */ { publishes, type }) => {
    if (type === 'probe') publish(1);
    if (type === 'start') {
      before = process.cpuUsage();
      if (publishes) timer = setInterval(publish, INTERVAL_MS, PER_INTERVAL);
    }
    if (type === 'stop') clearInterval(timer);
    const { system, user } = process.cpuUsage(before);
    process.send?.({ cpu: user + system, number });
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ port: wss.address().port });
}

/** A subscriber by a socket of its own: it reads no more of frames than it has to. */
class Subscriber {
  /**
   * @param {number} port Where the server listens
   */
  constructor(port) {
    this.received = 0;
    /** The number of the next message; any for the first. */
    this.next = -1;
    this.fault = '';
    this._rest = Buffer.alloc(0);
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    );
    this.opened = once(this.socket, 'data').then(() => {
      this.socket.on('data', (data) => this._read(data));
    });
  }

  /**
   * @param {Buffer} data What has come
   * @private
   */
  _read(data) {
    const bytes = this._rest.length > 0 ? Buffer.concat([this._rest, data]) : data;
    let at = 0;
    for (; at + FRAME_LENGTH <= bytes.length; at += FRAME_LENGTH) {
      const number = Number(bytes.latin1Slice(at + HEADER_LENGTH, at + HEADER_LENGTH + DIGITS));
      if (this.next >= 0 && number !== this.next) this.fault ||= `${number}, not ${this.next}`;
      this.next = number + 1;
      this.received++;
    }
    this._rest = bytes.subarray(at);
  }
}

/**
 * @param {any} child A server process
 * @return {Promise<any[]>} What it says next
 */
async function nextMessage(child) {
  const done = new AbortController();
  const { signal } = done;
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Stop('a server has ended.');
  });
  try {
    return await Promise.race([once(child, 'message', { signal }), ended]);
  } finally {
    done.abort();
  }
}

/**
 * @param {any} child A server process
 * @param {object} message What it is told
 * @return {Promise<any>} What it answers
 */
async function ask(child, message) {
  const answer = nextMessage(child);
  child.send(message);
  return (await answer)[0];
}

/**
 * Measures once.
 *
 * @param {string} kind The broker
 * @param {number} port Where that listens
 * @param {{processes: number, subscribers: number, seconds: number}} how How
 * @return {Promise<{cpu: number, deliveries: number}>} Microseconds, and how many deliveries
 */
async function measure(kind, port, { processes, subscribers, seconds }) {
  const children = [];
  const all = /** @type {Subscriber[]} */ ([]);
  try {
    for (let count = 0; count < processes; count++) {
      const child = fork(self, ['--serve', kind, '--port', `${port}`]);
      children.push(child);
      const [{ port: own }] = await nextMessage(child);
      for (let index = 0; index < subscribers; index++) {
        const subscriber = new Subscriber(own);
        all.push(subscriber);
        await subscriber.opened;
      }
    }
    const [first] = children;
    let { number } = await ask(first, { type: 'probe' });
    const haveAll = () => all.every(({ next }) => next === number);
    await until(
      async () => {
        if (!haveAll()) ({ number } = await ask(first, { type: 'probe' }));
        return haveAll();
      },
      'all to be subscribed',
      50
    );
    for (const subscriber of all) subscriber.received = 0;
    const start = number;
    for (const child of children) await ask(child, { publishes: child === first, type: 'start' });
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    ({ number } = await ask(first, { type: 'stop' }));
    await until(haveAll, 'all messages');
    let cpu = 0;
    for (const child of children) ({ cpu } = { cpu: cpu + (await ask(child, { type: '' })).cpu });
    const wrong = all.find(({ fault, received }) => fault || received !== number - start);
    if (wrong) throw new Stop(`${wrong.received} of ${number - start} messages: ${wrong.fault}`);
    return { cpu, deliveries: all.length * (number - start) };
  } finally {
    for (const { socket } of all) socket.destroy();
    for (const child of children) child.kill();
  }
}

main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string' },
      processes: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      serve: { type: 'string' },
      subscribers: { type: 'string', default: '1000' }
    }
  });
  if (values.serve) {
    await serve(values.serve, Number(values.port));
    return new Promise(() => {});
  }
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const [processes, subscribers] = [Number(values.processes), Number(values.subscribers)];
  if (!(rounds > 0 && seconds > 0 && processes > 0 && subscribers > 0)) {
    throw new Stop('usage: node bench/brokers.mjs [--rounds N] [--seconds S] [--processes N] ..');
  }
  await prepare();
  const brokers = [{ kind: 'none', port: 0, processes: 1, figures: /** @type {number[]} */ ([]) }];
  const programs = [];
  for (const [kind, program] of Object.entries(PROGRAMS)) {
    const file = findProgram(program.name);
    if (file === undefined) {
      console.log(`no ${program.name} found`);
      continue;
    }
    const port = await ports.freePort();
    programs.push(spawn(file, program.args(port), { stdio: 'ignore' }));
    await until(() => ports.isReachable(port), program.name);
    brokers.push({ kind, port, processes, figures: [] });
  }
  try {
    for (let round = 0; round < rounds; round++) {
      for (const { figures, kind, port, processes: count } of brokers) {
        const how = { processes: count, seconds, subscribers };
        const { cpu, deliveries } = await measure(kind, port, how);
        figures.push(cpu / deliveries);
      }
    }
  } finally {
    for (const program of programs) program.kill();
  }
  const [base] = brokers;
  const median = (/** @type {number[]} */ list) =>
    [...list].sort((a, b) => a - b)[list.length >> 1];
  for (const { figures, kind, processes: count } of brokers) {
    const ratio = median(figures.map((figure, round) => base.figures[round] / figure));
    const name = kind === 'none' ? 'one process' : `${count} processes, ${kind}`;
    const figure = `${median(figures).toFixed(2)} µs of CPU a delivery`;
    console.log(`${name}, ${subscribers} subscribers each: ${figure} (${ratio.toFixed(2)})`);
  }
  return 0;
});

'use strict';

// Topics of several processes, under `node:cluster`: what is published reaches each subscriber
// once, and goes on to do so when the broker has crashed and come back.

const assert = require('node:assert');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const WebSocket = require('ws');

const { freePort } = require('../support/ports');
const until = require('../support/until');
const { BROKERS, BrokerServer, reasonToSkip } = require('./brokers');

const CLIENTS_PER_PROCESS = 3;
const MESSAGES = 300;

/** Processes and a broker; all end with the test. */
async function start(t, name, processes) {
  const server = new BrokerServer(BROKERS[name], await freePort());
  await server.start();
  t.after(() => server.end());
  const args = [name, `${server.port}`, `${processes}`];
  const primary = fork(path.join(__dirname, 'cluster.js'), args);
  t.after(async () => {
    if (primary.connected) primary.disconnect();
    if (primary.exitCode === null) await once(primary, 'exit');
  });
  const failing = new Set();
  let port;
  let isReady = false;
  primary.on('message', (message) => {
    if (message.type === 'ready') isReady = true;
    if (message.type === 'port') port = message.port;
    if (message.type === 'brokerError') failing.add(message.id);
  });
  await until(() => isReady && port !== undefined, 'the processes');
  const clients = [];
  // The primary process gives connections to the others in turns.
  for (let index = 0; index < processes * CLIENTS_PER_PROCESS; index++) {
    clients.push(await Client.connect(t, port));
  }
  const ids = new Set(clients.map(({ process }) => process));
  assert.strictEqual(ids.size, processes);
  await settle(clients);
  return { clients, failing, server };
}

/** Has each process publish until all clients hear it. */
async function settle(clients) {
  for (const client of clients) {
    let count = 0;
    const name = `settle ${Math.random()}`;
    await until(
      () => {
        client.ws.send(`${name} ${count++}`);
        return clients.every(({ received }) => received.some((text) => text.startsWith(name)));
      },
      () => `all to hear ${client.process}: ${clients.map(({ received }) => received.length)}`,
      20
    );
    // And what was sent to find that out.
    const last = `${name} ${count - 1}`;
    await until(() => clients.every(({ received }) => received.includes(last)), last);
  }
  for (const { received } of clients) received.length = 0;
}

class Client {
  static async connect(t, port) {
    const client = new Client();
    client.ws = new WebSocket(`ws://127.0.0.1:${port}`);
    client.received = [];
    client.ws.on('message', (data) => client.received.push(data.toString()));
    t.after(() => client.ws.terminate());
    await until(() => client.received.length > 0, 'the first message');
    client.process = client.received.shift();
    return client;
  }

  /** What was received of a client, by its index: the numbers of its messages. */
  numbersOf(index) {
    const own = this.received.filter((text) => text.startsWith(`${index}:`));
    return own.map((text) => Number(text.slice(`${index}:`.length)));
  }
}

for (const [name, kind] of Object.entries(BROKERS)) {
  describe(`Processes with ${name}`, { skip: reasonToSkip(kind) }, () => {
    for (const processes of kind.keeps ? [3] : [2, 3]) {
      it(`get each message once: ${processes}`, async (t) => {
        const { clients, failing } = await start(t, name, processes);
        for (let number = 0; number < MESSAGES; number++) {
          for (const [index, { ws }] of clients.entries()) ws.send(`${index}:${number}`);
          if (number % 20 === 0) await sleep(1);
        }
        await until(
          () => clients.every(({ received }) => received.length >= MESSAGES * clients.length),
          () => `all messages: ${clients.map(({ received }) => received.length)}`
        );
        await sleep(50);
        const all = Array.from({ length: MESSAGES }, (_, number) => number);
        for (const client of clients) {
          assert.strictEqual(client.received.length, MESSAGES * clients.length);
          for (const index of clients.keys()) {
            assert.deepStrictEqual(client.numbersOf(index), all);
          }
        }
        assert.strictEqual(failing.size, 0);
      });
    }

    it('go on when the broker crashes under load and comes back', async (t) => {
      const { clients, failing, server } = await start(t, name, 3);
      let number = 0;
      const load = setInterval(() => {
        for (const [index, { ws }] of clients.entries()) ws.send(`${index}:${number}`);
        number++;
      }, 2);
      t.after(() => clearInterval(load));
      const crash = async () => {
        await until(() => number > 100, 'some load');
        await server.stop();
        const down = number;
        await until(
          () => failing.size === 3,
          () => `errors: ${[...failing]}`
        );
        await until(() => number > down + 100, 'some load');
        await server.start();
      };
      await crash();
      await until(
        () => {
          // All hear all others of now.
          const since = number - 100;
          return clients.every((client) =>
            [...clients.keys()].every((index) => client.numbersOf(index).at(-1) > since)
          );
        },
        'all to hear all again',
        50
      );
      const back = number + 50;
      await until(() => number > back + 100, 'some load');
      clearInterval(load);
      await until(
        () =>
          clients.every((client) =>
            [...clients.keys()].every((index) => client.numbersOf(index).at(-1) === number - 1)
          ),
        'the last message'
      );
      for (const client of clients) {
        for (const [index, sender] of clients.entries()) {
          const numbers = client.numbersOf(index);
          // In order, none twice.
          for (let at = 1; at < numbers.length; at++) assert.ok(numbers[at] > numbers[at - 1]);
          // All of the own process, and all while the broker is there.
          if (client.process === sender.process) assert.strictEqual(numbers.length, number);
          else {
            const late = numbers.filter((each) => each >= back);
            assert.strictEqual(late.length, number - back);
          }
        }
      }
    });
  });
}

'use strict';

// Topics between worker threads.

const assert = require('node:assert');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');

const { testBroker } = require('../../lib/beyond/broker-kit');
const { createThreadBroker } = require('../../lib/beyond/threads');
const native = require('../../lib/native');
const until = require('../support/until');
const { openRoom, receiveAll } = require('./room');

const root = path.join(__dirname, '..', '..');
/** The same at the beginning of each worker. */
const PRELUDE = `
  const { parentPort } = require('node:worker_threads');
  const WebSocket = require(${JSON.stringify(root)});
  const { createThreadBroker } = require(${JSON.stringify(`${root}/lib/beyond/threads`)});
`;

let rooms = 0;

/** Runs a program in a worker thread, which ends with the test; and what it says. */
function startWorker(t, program) {
  const worker = new Worker(PRELUDE + program, { eval: true });
  t.after(() => worker.terminate());
  const heard = [];
  worker.on('message', (message) => heard.push(message));
  return { heard, worker };
}

testBroker('of threads', async () => {
  const name = `kit ${rooms++}`;
  return { create: async () => createThreadBroker({ name }) };
});

describe('A broker of threads', () => {
  it('carries messages between the servers of worker threads', async (t) => {
    const { members, wss } = await openRoom(t, 2, { broker: createThreadBroker({ name: 'spec' }) });
    for (const { ws } of members) ws.subscribe('news');
    const { heard } = startWorker(
      t,
      `
        const broker = createThreadBroker({ name: 'spec' });
        const wss = new WebSocket.WebSocketServer({ broker, host: '127.0.0.1', port: 0 });
        wss.on('connection', (ws) => ws.subscribe('news'));
        wss.on('listening', () => {
          const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
          ws.on('message', (data) => {
            parentPort.postMessage(data.toString());
            if (data.toString() === 'to all') wss.publish('news', 'from the worker');
          });
        });
      `
    );
    await until(() => {
      wss.publish('news', 'to all');
      return heard.includes('to all');
    }, 'the worker to hear it');
    await until(
      () => members.every(({ received }) => received.includes('from the worker')),
      'all to hear the worker'
    );
  });

  it('has names: others share nothing', async (t) => {
    const one = await openRoom(t, 1, { broker: createThreadBroker({ name: 'one' }) });
    const two = await openRoom(t, 1, { broker: createThreadBroker({ name: 'two' }) });
    for (const { members } of [one, two]) members[0].ws.subscribe('news');
    one.wss.publish('news', 'a');
    two.wss.publish('news', 'b');
    await receiveAll([...one.members, ...two.members], 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepStrictEqual([one.members[0].received, two.members[0].received], [['a'], ['b']]);
    assert.throws(() => createThreadBroker({ name: 1 }), TypeError);
  });

  it('keeps the order of each thread, however much another one is behind', async (t) => {
    const { members } = await openRoom(t, 2, { broker: createThreadBroker({ name: 'order' }) });
    for (const { ws } of members) ws.subscribe('news');
    const count = 3000;
    const workers = ['a', 'b'].map((name) =>
      startWorker(
        t,
        `
          const broker = createThreadBroker({ name: 'order' });
          const wss = new WebSocket.WebSocketServer({ broker, noServer: true });
          for (let index = 0; index < ${count}; index++) {
            wss.publish('news', '${name}' + index + '.'.repeat(index % 300));
          }
          parentPort.postMessage('done');
          setInterval(() => {}, 1000);
        `
      )
    );
    await until(() => workers.every(({ heard }) => heard.length > 0), 'the workers');
    await receiveAll(members, 2 * count);
    for (const { received } of members) {
      for (const name of ['a', 'b']) {
        const own = received.filter((text) => text.startsWith(name));
        const numbers = own.map((text) => Number.parseInt(text.slice(1), 10));
        assert.deepStrictEqual(
          numbers,
          Array.from({ length: count }, (_, index) => index)
        );
      }
    }
  });

  it('forgets a thread that ends', { skip: !native.threadTopics }, async (t) => {
    const before = native.threadTopics();
    const { members, wss } = await openRoom(t, 1, { broker: createThreadBroker({ name: 'end' }) });
    members[0].ws.subscribe('0');
    const program = `
      const wss = new WebSocket.WebSocketServer({
        broker: createThreadBroker({ name: 'end' }),
        host: '127.0.0.1',
        port: 0
      });
      wss.on('connection', (ws) => {
        for (let index = 0; index < 10; index++) ws.subscribe(String(index));
        parentPort.postMessage('subscribed');
        if (IS_BUSY) for (;;);
      });
      wss.on('listening', () => new WebSocket('ws://127.0.0.1:' + wss.address().port));
    `;
    // Some while messages for them are on the way.
    for (const isBusy of [false, true, false, true]) {
      const { heard, worker } = startWorker(t, program.replace('IS_BUSY', isBusy));
      await until(() => heard.length > 0, 'the worker to subscribe');
      assert.strictEqual(native.threadTopics(), before + 10);
      for (let index = 0; index < 100; index++) wss.publish('1', 'x'.repeat(1000));
      await worker.terminate();
      assert.strictEqual(native.threadTopics(), before + 1);
      assert.strictEqual(wss.publish('1', 'to nobody'), 0);
    }
    members[0].ws.unsubscribe('0');
    assert.strictEqual(native.threadTopics(), before);
  });

  it('keeps no thread alive', async (t) => {
    const { worker } = startWorker(
      t,
      `
        const broker = createThreadBroker();
        broker.listen({ message() {}, error() {} });
        broker.subscribe('news');
        for (let i = 0; i < 200; i++) broker.publish('topic ' + i, Buffer.from('a'));
      `
    );
    const [code] = await once(worker, 'exit');
    assert.strictEqual(code, 0);
  });
});

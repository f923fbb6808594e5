'use strict';

// Topics between worker threads.

const assert = require('node:assert');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');

const { testBroker } = require('../../lib/beyond/broker-kit');
const { createThreadBroker } = require('../../lib/beyond/threads');
const until = require('../support/until');
const { openRoom, receiveAll } = require('./room');

let rooms = 0;

testBroker('of threads', async () => {
  const name = `kit ${rooms++}`;
  return { create: async () => createThreadBroker({ name }) };
});

describe('A broker of threads', () => {
  it('carries messages between the servers of worker threads', async (t) => {
    const { members, wss } = await openRoom(t, 2, { broker: createThreadBroker({ name: 'spec' }) });
    for (const { ws } of members) ws.subscribe('news');
    const root = path.join(__dirname, '..', '..');
    const worker = new Worker(
      `
        const { parentPort } = require('node:worker_threads');
        const WebSocket = require(${JSON.stringify(root)});
        const { createThreadBroker } = require(${JSON.stringify(`${root}/lib/beyond/threads`)});
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
      `,
      { eval: true }
    );
    t.after(() => worker.terminate());
    const heard = [];
    worker.on('message', (text) => heard.push(text));
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

  it('keeps no thread alive', async () => {
    const worker = new Worker(
      `
        const { createThreadBroker } = require(${JSON.stringify(
          path.join(__dirname, '..', '..', 'lib', 'beyond', 'threads')
        )});
        const broker = createThreadBroker();
        broker.listen({ message() {}, error() {} });
        broker.subscribe('news');
        for (let i = 0; i < 200; i++) broker.publish('topic ' + i, Buffer.from('a'));
      `,
      { eval: true }
    );
    const [code] = await once(worker, 'exit');
    assert.strictEqual(code, 0);
  });
});

'use strict';

// Runs the tests of brokers on those of the package, by a Redis and a NATS of their own.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { EventEmitter, once } = require('node:events');
const { after, before, describe, it } = require('node:test');

const nats = require('@nats-io/transport-node');
const Ioredis = require('ioredis');
const redis = require('redis');

const { WebSocketServer } = require('../..');
const { testBroker } = require('../../lib/beyond/broker-kit');
const { createNatsBroker } = require('../../lib/beyond/nats');
const { createRedisBroker } = require('../../lib/beyond/redis');
const { freePort, isReachable } = require('../support/ports');
const findProgram = require('../support/programs');
const until = require('../support/until');
const { openRoom, receiveAll } = require('./room');

/** Brokers of one process that know each other. */
class MemoryBroker {
  constructor(bus) {
    this._bus = bus;
    this._topics = new Set();
  }

  listen({ message }) {
    this._listener = (topic, payload) => {
      if (this._topics.has(topic)) message(topic, payload);
    };
    this._bus.on('message', this._listener);
  }

  publish(topic, payload) {
    setImmediate(() => this._bus.emit('message', topic, payload));
  }

  subscribe(topic) {
    this._topics.add(topic);
  }

  unsubscribe(topic) {
    this._topics.delete(topic);
  }

  close() {
    this._bus.off('message', this._listener);
  }
}

testBroker('in memory', async () => {
  const bus = new EventEmitter().setMaxListeners(100);
  return { create: async () => new MemoryBroker(bus) };
});

/** What starts a server program, and clients of it. */
const PROGRAMS = {
  redis: {
    program: 'redis-server',
    args: (port) => ['--port', `${port}`, '--save', '', '--appendonly', 'no'],
    async connect(port) {
      const client = redis.createClient({ url: `redis://127.0.0.1:${port}` });
      client.on('error', () => {});
      await client.connect();
      return { broker: createRedisBroker(client), end: () => client.destroy() };
    }
  },
  ioredis: {
    program: 'redis-server',
    args: (port) => ['--port', `${port}`, '--save', '', '--appendonly', 'no'],
    async connect(port) {
      const client = new Ioredis(port, '127.0.0.1', { keyPrefix: 'oxws:' });
      client.on('error', () => {});
      await once(client, 'ready');
      return {
        broker: createRedisBroker(client, { prefix: 'room:' }),
        end: () => client.disconnect()
      };
    }
  },
  nats: {
    program: 'nats-server',
    args: (port) => ['-a', '127.0.0.1', '-p', `${port}`],
    async connect(port) {
      const options = { maxReconnectAttempts: -1, reconnectTimeWait: 50 };
      const connection = await nats.connect({ servers: `127.0.0.1:${port}`, ...options });
      return {
        broker: createNatsBroker(connection, { prefix: 'oxws.' }),
        end: () => connection.close()
      };
    }
  }
};

for (const [name, { program, args, connect }] of Object.entries(PROGRAMS)) {
  const file = findProgram(program);
  const skip = file === undefined && `no ${program} found`;

  describe(name, { skip }, () => {
    let port;
    let child;
    const start = async () => {
      child = spawn(file, args(port), { stdio: 'ignore' });
      await until(() => isReachable(port), program);
    };
    const stop = async () => {
      child.kill();
      await once(child, 'exit');
    };
    before(async () => {
      port = await freePort();
      await start();
    });
    after(stop);

    testBroker(name, async () => {
      const ends = [];
      return {
        async create() {
          const { broker, end } = await connect(port);
          ends.push(end);
          return broker;
        },
        async end() {
          for (const end of ends) await end();
        }
      };
    });

    it('delivers locally while the broker is down, says so, and goes on behind that', async (t) => {
      const [near, far] = [await connect(port), await connect(port)];
      t.after(() => Promise.all([near.end(), far.end()]));
      const here = await openRoom(t, 1, { broker: near.broker });
      const there = await openRoom(t, 1, { broker: far.broker });
      const errors = [];
      here.wss.on('brokerError', (error) => errors.push(error));
      for (const { members } of [here, there]) members[0].ws.subscribe('news');
      const reach = async (text) => {
        const [{ received }] = there.members;
        await until(() => {
          here.wss.publish('news', text);
          return received.includes(text);
        }, text);
      };
      await reach('a');

      await stop();
      await until(() => {
        here.wss.publish('news', 'lost');
        return errors.length > 0;
      }, 'an error');
      assert.ok(errors.every((error) => error instanceof Error));
      const count = here.members[0].received.length;
      assert.strictEqual(here.wss.publish('news', 'b'), 1);
      await receiveAll(here.members, [count + 1]);

      await start();
      await reach('c');
      // Nothing was kept for the broker to come back.
      assert.ok(!there.members[0].received.includes('lost'));
      assert.ok(!there.members[0].received.includes('b'));
    });
  });
}

describe('The option broker', () => {
  it('has to be a broker', () => {
    for (const broker of [{}, 'redis', { listen() {}, publish() {}, subscribe() {} }]) {
      assert.throws(() => new WebSocketServer({ broker, noServer: true }), {
        message: /^The option "broker" must be a broker: it has no method \w+\(\)$/,
        name: 'TypeError'
      });
    }
  });

  it('has no error where nobody subscribes or listens to errors', async (t) => {
    const broker = {
      listen() {},
      publish: () => Promise.reject(new Error('from the broker')),
      subscribe() {
        throw new Error('from the broker');
      },
      unsubscribe() {}
    };
    const { members, wss } = await openRoom(t, 1, { broker });
    members[0].ws.subscribe('news');
    assert.strictEqual(wss.publish('news', 'a'), 1);
    await receiveAll(members, 1);
  });

  it('takes what other programs publish for text, if it is', async (t) => {
    let handlers;
    const broker = {
      listen(given) {
        handlers = given;
      },
      publish() {},
      subscribe() {},
      unsubscribe() {}
    };
    const { members } = await openRoom(t, 1, { broker });
    members[0].ws.subscribe('news');
    handlers.message('news', Buffer.from('text'));
    handlers.message('news', Buffer.from([255, 1]));
    handlers.message('others', Buffer.from('text'));
    // The mark of the package, cut off, or with text that is none.
    handlers.message('news', Buffer.from('\0oxws\x01'));
    handlers.message('news', Buffer.from(`\0oxws\x01\0${'o'.repeat(8)}\xff`, 'latin1'));
    await receiveAll(members, 4);
    assert.deepStrictEqual(members[0].received, ['text', [255, 1], '\0oxws\x01', [255]]);
  });

  it('reports the failures of a second once, with their number', async (t) => {
    const broker = {
      listen() {},
      publish: () => Promise.reject(new Error('down')),
      subscribe() {},
      unsubscribe() {}
    };
    const { wss } = await openRoom(t, 1, { broker });
    const errors = [];
    wss.on('brokerError', (error) => errors.push(error));
    for (let count = 0; count < 100; count++) wss.publish('news', 'a');
    await until(() => errors.length > 0, 'an error');
    assert.deepStrictEqual(
      errors.map(({ lost, message }) => [lost, message]),
      [[1, 'down']]
    );
  });

  it('is closed with its last server, whatever is under way', async (t) => {
    const calls = [];
    const broker = {
      listen: () => calls.push('listen'),
      publish() {},
      subscribe: (topic) => calls.push(`subscribe ${topic}`),
      unsubscribe: (topic) => {
        calls.push(`unsubscribe ${topic}`);
        // As a client does that waits for its server to come back.
        return new Promise(() => {});
      },
      close: () => calls.push('close')
    };
    for (let round = 0; round < 2; round++) {
      const { members, wss } = await openRoom(t, 1, { broker });
      members[0].ws.subscribe('news');
      members[0].ws.terminate();
      wss.close();
      await until(() => calls.includes('close'), 'the end');
      assert.deepStrictEqual(calls.splice(0), [
        'listen',
        'subscribe news',
        'unsubscribe news',
        'close'
      ]);
    }
  });

  it('carries a Blob', async (t) => {
    const bus = new EventEmitter();
    const near = new WebSocketServer({ broker: new MemoryBroker(bus), noServer: true });
    const { members } = await openRoom(t, 1, { broker: new MemoryBroker(bus) });
    members[0].ws.subscribe('news');
    near.publish('news', new Blob(['text']));
    await receiveAll(members, 1);
    assert.deepStrictEqual(members[0].received, [[...Buffer.from('text')]]);
    near.close();
  });
});

'use strict';

// Runs the tests of brokers on those of the package, by a Redis and a NATS of their own.

const assert = require('node:assert');
const { EventEmitter, once } = require('node:events');
const net = require('node:net');
const { after, before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocketServer } = require('../..');
const { testBroker } = require('../../lib/beyond/broker-kit');
const { createNatsBroker } = require('../../lib/beyond/nats');
const { createRedisBroker } = require('../../lib/beyond/redis');
const { freePort } = require('../support/ports');
const until = require('../support/until');
const { BROKERS, BrokerServer, reasonToSkip } = require('./brokers');
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

/** Something between clients and a broker, which ends with the test. */
async function openProxy(t, port) {
  const sockets = new Set();
  let isWithheld = false;
  let isClosed = false;
  const server = net.createServer((client) => {
    if (isClosed) {
      client.destroy();
      return;
    }
    const broker = net.connect(port, '127.0.0.1');
    client.pipe(broker);
    broker.on('data', (data) => {
      if (!isWithheld) client.write(data);
    });
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
  });
  const cut = () => {
    isWithheld = false;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    close() {
      isClosed = true;
      cut();
    },
    cut,
    open() {
      isClosed = false;
    },
    port: server.address().port,
    withholdAnswers() {
      isWithheld = true;
    }
  };
}

for (const [name, kind] of Object.entries(BROKERS)) {
  const { connect } = kind;
  const skip = reasonToSkip(kind);

  describe(name, { skip }, () => {
    let port;
    let server;
    before(async () => {
      server = new BrokerServer(kind, await freePort());
      port = server.port;
      await server.start();
    });
    after(() => server.end());

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

    it('publishes once what was on the way when the connection was lost', async (t) => {
      const proxy = await openProxy(t, port);
      const [near, far] = [await connect(proxy.port), await connect(port)];
      t.after(() => Promise.all([near.end(), far.end()]));
      const here = await openRoom(t, 1, { broker: near.broker });
      const there = await openRoom(t, 1, { broker: far.broker });
      there.members[0].ws.subscribe('news');
      const [{ received }] = there.members;
      const reach = (text) =>
        until(() => {
          here.wss.publish('news', text);
          return received.includes(text);
        }, text);
      await reach('a');
      proxy.withholdAnswers();
      here.wss.publish('news', 'once');
      await until(() => received.includes('once'), 'the message');
      proxy.cut();
      await reach('b');
      await sleep(100);
      assert.strictEqual(received.filter((text) => text === 'once').length, 1);
    });

    it('delivers what came while there was no connection', { skip: !kind.keeps }, async (t) => {
      const proxy = await openProxy(t, port);
      const [near, far] = [await connect(port), await connect(proxy.port)];
      t.after(() => Promise.all([near.end(), far.end()]));
      const here = await openRoom(t, 1, { broker: near.broker });
      const there = await openRoom(t, 1, { broker: far.broker });
      there.members[0].ws.subscribe('news');
      const [{ received }] = there.members;
      await until(() => {
        here.wss.publish('news', 'first');
        return received.includes('first');
      }, 'the first message');
      const expected = [];
      for (let round = 0; round < 3; round++) {
        proxy.close();
        for (let number = 0; number < 50; number++) {
          expected.push(`${round} ${number}`);
          here.wss.publish('news', expected.at(-1));
        }
        await sleep(100);
        proxy.open();
        await until(() => received.includes(expected.at(-1)), `message ${expected.at(-1)}`);
      }
      await sleep(100);
      assert.deepStrictEqual(
        received.filter((text) => text !== 'first'),
        expected
      );
    });

    it('keeps what it has taken when it crashes', { skip: !kind.keeps }, async (t) => {
      const [near, far] = [await connect(port), await connect(port)];
      t.after(() => Promise.all([near.end(), far.end()]));
      const taken = [];
      // Beside the server: it says what the broker has taken.
      const { broker } = near;
      const publish = broker.publish.bind(broker);
      broker.publish = (topic, payload, isBinary) => {
        const result = publish(topic, payload, isBinary);
        result.then(
          () => taken.push(payload.subarray(15).toString()),
          () => {}
        );
        return result;
      };
      const here = await openRoom(t, 1, { broker });
      const there = await openRoom(t, 1, { broker: far.broker });
      there.members[0].ws.subscribe('news');
      const [{ received }] = there.members;
      await until(() => {
        here.wss.publish('news', 'first');
        return received.includes('first');
      }, 'the first message');
      let number = 0;
      const load = setInterval(() => here.wss.publish('news', `${number++}`), 1);
      t.after(() => clearInterval(load));
      for (let round = 0; round < 2; round++) {
        const before = taken.length;
        await until(() => taken.length > before + 50, 'some load');
        await server.stop();
        await sleep(50);
        await server.start();
      }
      const before = taken.length;
      await until(() => taken.length > before + 50, 'some load');
      clearInterval(load);
      await sleep(100);
      await until(() => taken.every((text) => received.includes(text)), 'all that was taken');
      const numbers = received.filter((text) => text !== 'first').map(Number);
      for (let at = 1; at < numbers.length; at++) assert.ok(numbers[at] > numbers[at - 1]);
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

      await server.stop();
      await until(() => {
        here.wss.publish('news', 'lost');
        return errors.length > 0;
      }, 'an error');
      assert.ok(errors.every((error) => error instanceof Error));
      const count = here.members[0].received.length;
      assert.strictEqual(here.wss.publish('news', 'b'), 1);
      await receiveAll(here.members, [count + 1]);

      await server.start();
      await reach('c');
      // Nothing was kept for the broker to come back.
      assert.ok(!there.members[0].received.includes('lost'));
      assert.ok(!there.members[0].received.includes('b'));
    });
  });
}

describe('Options of brokers', () => {
  const redisClient = { duplicate() {}, isReady: true, publish() {} };
  const connection = Object.fromEntries(
    ['publish', 'subscribe', 'status', 'isClosed', 'flush'].map((name) => [name, () => []])
  );

  it('are checked', () => {
    for (const [options, name, text] of [
      [{ prefix: 1 }, 'TypeError', 'The option "prefix" must be a string'],
      [{ stream: 1 }, 'TypeError', 'The option "stream" must be a string'],
      [
        { stream: 'a', maxLength: 0 },
        'RangeError',
        'The option "maxLength" must be a positive integer'
      ],
      [
        { stream: 'a', maxLength: 1.5 },
        'RangeError',
        'The option "maxLength" must be a positive integer'
      ]
    ]) {
      assert.throws(() => createRedisBroker(redisClient, options), { message: text, name });
    }
    const jetstream = { consumers: { get() {} } };
    for (const [options, text] of [
      [{ prefix: 1 }, 'The option "prefix" must be a string'],
      [{ stream: 'a' }, 'The option "jetstream" must be a client of "@nats-io/jetstream"'],
      [
        { jetstream: {}, stream: 'a' },
        'The option "jetstream" must be a client of "@nats-io/jetstream"'
      ],
      [{ jetstream }, 'The option "stream" must be a string']
    ]) {
      assert.throws(() => createNatsBroker(connection, options), {
        message: text,
        name: 'TypeError'
      });
    }
  });

  it('take no other clients', () => {
    for (const client of [undefined, {}, { duplicate() {}, publish() {} }]) {
      assert.throws(() => createRedisBroker(client), {
        message: 'The client must be one of "redis" or "ioredis"'
      });
      assert.throws(() => createNatsBroker(client), {
        message: 'The connection must be one of "@nats-io/transport-node"'
      });
    }
  });
});

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

// @ts-check
'use strict';

// `oxws/broker-kit`: tests that every broker for `WebSocketServer` has to pass.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const WebSocket = require('../websocket');
const WebSocketServer = require('../websocket-server');

/** A test fails when what it waits for doesn't come within this time. */
const TIMEOUT_MS = 10_000;
/** Nothing else came, where nothing did within this time. */
const QUIET_MS = 100;

/** Names of topics that the rules of brokers could stumble over. */
const TOPICS = [
  'a',
  'a.b',
  '.a..b.',
  'a b',
  '*',
  '>',
  'a.*',
  '%2a',
  'ä',
  '日本語',
  '',
  'x'.repeat(200)
];

/** @type {[string, string | Buffer][]} */
const MESSAGES = [
  ['text', 'text'],
  ['text beyond ASCII', 'ä日🎉'],
  ['empty text', ''],
  ['all bytes', Buffer.from(Array.from({ length: 256 }, (_, index) => index))],
  ['no bytes', Buffer.alloc(0)],
  ['bytes that could be text', Buffer.from('text')],
  ['100 KiB', Buffer.alloc(100 * 1024, 7)]
];

/**
 * @typedef {object} Subject
 * @property {() => Promise<import('./broker').Broker>} create Makes a broker; all that it makes are
 *   connected with each other, as those of several processes are
 * @property {() => Promise<void>} [end] Ends what was made, after the servers are closed
 */

/**
 * Declares the tests of a broker, for `node --test`.
 *
 * @param {string} name What the broker is
 * @param {() => Promise<Subject>} prepare Called for each test
 */
function testBroker(name, prepare) {
  describe(`The broker ${name}`, () => {
    /**
     * @param {string} title What it does
     * @param {(room: Room) => Promise<void>} test The test
     */
    const test = (title, test) =>
      it(title, { timeout: 6 * TIMEOUT_MS }, async () => {
        const room = new Room(await prepare());
        try {
          await test(room);
        } finally {
          await room.end();
        }
      });

    test('carries messages to the subscribers of other servers', async (room) => {
      const [near, far] = [await room.open(), await room.open()];
      const client = await room.join(far, 'news');
      for (const [title, message] of MESSAGES) {
        assert.equal(near.publish('news', message), 0, title);
        assert.deepEqual(await client.next(), asReceived(message), title);
      }
    });

    test('gives no server its own messages', async (room) => {
      const [near, far] = [await room.open(), await room.open()];
      const [local, remote] = [await room.join(near, 'news'), await room.join(far, 'news')];
      await room.calm();
      assert.equal(near.publish('news', 'a'), 1);
      assert.deepEqual([await local.next(), await remote.next()], ['a', 'a']);
      await sleep(QUIET_MS);
      assert.deepEqual([local.received, remote.received], [[], []]);
    });

    test('keeps the order of who publishes', async (room) => {
      const [near, far] = [await room.open(), await room.open()];
      const client = await room.join(far, 'news');
      for (let index = 0; index < 1000; index++) near.publish('news', `${index}`);
      for (let index = 0; index < 1000; index++) assert.equal(await client.next(), `${index}`);
    });

    test('knows topics of all names, and takes none for another', async (room) => {
      const [near, far] = [await room.open(), await room.open()];
      const clients = [];
      for (const topic of TOPICS) clients.push(await room.join(far, topic));
      for (const topic of TOPICS) near.publish(topic, topic);
      for (const [index, client] of clients.entries())
        assert.equal(await client.next(), TOPICS[index]);
      await sleep(QUIET_MS);
      for (const { received } of clients) assert.deepEqual(received, []);
    });

    test('stops when the last subscriber has gone, and begins again', async (room) => {
      const [near, far] = [await room.open(), await room.open()];
      const client = await room.join(far, 'news');
      for (let count = 0; count < 20; count++) {
        client.peer.unsubscribe('news');
        client.peer.subscribe('news');
      }
      await room.reach(near, 'news', client);
      client.peer.unsubscribe('news');
      await room.join(far, 'other');
      near.publish('news', 'lost');
      await sleep(QUIET_MS);
      client.peer.subscribe('news');
      await room.reach(near, 'news', client);
      assert.deepEqual(client.received, []);
    });

    test('serves several servers of a process', async (room) => {
      const broker = await room.create();
      const [first, second, far] = [
        await room.open(broker),
        await room.open(broker),
        await room.open()
      ];
      const clients = [];
      for (const server of [first, second, far]) clients.push(await room.join(server, 'news'));
      await room.calm();
      assert.equal(first.publish('news', 'a'), 1);
      assert.deepEqual(await Promise.all(clients.map((client) => client.next())), ['a', 'a', 'a']);
      far.publish('news', 'b');
      assert.deepEqual(await Promise.all(clients.map((client) => client.next())), ['b', 'b', 'b']);
      await sleep(QUIET_MS);
      for (const { received } of clients) assert.deepEqual(received, []);
    });

    test('serves another server after the last one was closed', async (room) => {
      const broker = await room.create();
      const far = await room.open();
      for (let count = 0; count < 2; count++) {
        const server = await room.open(broker);
        const client = await room.join(server, 'news');
        far.publish('news', `${count}`);
        assert.equal(await client.next(), `${count}`);
        await room.close(server);
      }
    });
  });
}

/**
 * Servers, and clients of theirs.
 */
class Room {
  /**
   * @param {Subject} subject What is tested
   */
  constructor(subject) {
    this._subject = subject;
    /** @type {Set<any>} */
    this._servers = new Set();
    /** @type {Client[]} */
    this._clients = [];
    /** What went wrong with a broker. @type {Error[]} */
    this.errors = [];
  }

  create() {
    return this._subject.create();
  }

  /**
   * @param {import('./broker').Broker} [broker] A broker; if not given, one of its own
   * @return {Promise<any>} A server
   */
  async open(broker) {
    const options = { broker: broker ?? (await this.create()), host: '127.0.0.1', port: 0 };
    const server = new WebSocketServer(options);
    server.on('brokerError', (error) => this.errors.push(error));
    this._servers.add(server);
    await once(server, 'listening');
    return server;
  }

  /**
   * Connects a client and subscribes it, until what another server publishes arrives.
   *
   * @param {any} server The server
   * @param {string} topic The topic
   * @return {Promise<Client>} The client
   */
  async join(server, topic) {
    const accepted = once(server, 'connection');
    const websocket = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
    const [[peer]] = await Promise.all([accepted, once(websocket, 'open')]);
    const client = new Client(websocket, peer);
    peer.subscribe(topic);
    const probe = await this.open();
    await this.reach(probe, topic, client);
    await this.close(probe);
    this._clients.push(client);
    return client;
  }

  /**
   * Forgets what has been received so far.
   */
  async calm() {
    await sleep(QUIET_MS);
    for (const { received } of this._clients) received.length = 0;
  }

  /**
   * Publishes until something arrives: from then on the broker sends the topic.
   *
   * @param {any} server The one that publishes
   * @param {string} topic The topic
   * @param {Client} client The one that gets it
   */
  async reach(server, topic, client) {
    const limit = Date.now() + TIMEOUT_MS;
    for (let count = 0; ; count++) {
      server.publish(topic, `probe ${count}`);
      await sleep(10);
      if (client.received.length > 0) break;
      if (Date.now() > limit) throw new Error(`nothing arrives at ${JSON.stringify(topic)}`);
    }
    const last = `last ${Math.random()}`;
    server.publish(topic, last);
    while ((await client.next()) !== last);
  }

  /**
   * @param {any} server A server that is to end
   */
  async close(server) {
    this._servers.delete(server);
    for (const websocket of server.clients) websocket.terminate();
    await new Promise((resolve) => server.close(resolve));
  }

  async end() {
    for (const server of [...this._servers]) await this.close(server);
    await this._subject.end?.();
    assert.deepEqual(this.errors, []);
  }
}

/**
 * A client, and what it has received.
 */
class Client {
  /**
   * @param {any} websocket Its end
   * @param {any} peer The server's end
   */
  constructor(websocket, peer) {
    this.peer = peer;
    /** @type {(string | Buffer)[]} */
    this.received = [];
    /** @type {(() => void) | null} */
    this._wake = null;
    websocket.on('message', (/** @type {Buffer} */ data, /** @type {boolean} */ isBinary) => {
      this.received.push(isBinary ? data : data.toString());
      this._wake?.();
    });
  }

  /**
   * @return {Promise<string | Buffer>} The next message
   */
  async next() {
    const limit = Date.now() + TIMEOUT_MS;
    while (this.received.length === 0) {
      if (Date.now() > limit) throw new Error('no message arrives');
      await Promise.race([
        new Promise((resolve) => {
          this._wake = () => resolve(undefined);
        }),
        sleep(QUIET_MS)
      ]);
    }
    return /** @type {string | Buffer} */ (this.received.shift());
  }
}

/**
 * @param {string | Buffer} message A message that is sent
 * @return {string | Buffer} What it is received as
 */
function asReceived(message) {
  return typeof message === 'string' ? message : Buffer.from(message);
}

module.exports = { testBroker };

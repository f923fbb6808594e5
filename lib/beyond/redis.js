// @ts-check
'use strict';

// `oxws/redis`: topics of several processes and hosts through Redis, by a client of `redis` or
// `ioredis` that the user has made: through Pub/Sub, or through a stream, which keeps messages for
// a process that has lost its connection.
//
// A connection that subscribes, or waits for a stream, can do nothing else, so there is a second
// one, a duplicate of the client. It's opened with the first subscription and closed with the
// servers.

const { setTimeout } = require('../host');
const { disconnected } = require('./broker-error');

/** How many messages a stream keeps, by default. */
const MAX_LENGTH = 10_000;
/** How many are read at once. */
const READ_COUNT = 1000;
/** For how long Redis waits for one before it answers that there is none. */
const READ_TIMEOUT_MS = 5000;
/** A stream that could not be read is read again after this time. */
const RETRY_INTERVAL_MS = 200;

/** The fields of an entry of a stream. */
const TOPIC = 'topic';
const PAYLOAD = 'payload';

/**
 * Makes a broker of a client of Redis.
 *
 * @param {any} client A client of `redis` (4 or newer) or `ioredis` (5 or newer). It stays the
 *   caller's: to be connected, and to be closed after the servers
 * @param {{prefix?: string, stream?: string, maxLength?: number}} [options] `prefix`, by default
 *   `''`: what comes before a topic in the name of its channel; or `stream`: the key of a stream
 *   that messages go through, of which about the latest `maxLength`, by default 10 000, are kept
 * @return {RedisBroker | RedisStreamBroker} The value for the option `broker` of `WebSocketServer`
 * @throws {TypeError} If the client is neither, or an option is of the wrong type
 * @throws {RangeError} If `maxLength` is no positive integer
 */
function createRedisBroker(client, options = {}) {
  const { maxLength = MAX_LENGTH, prefix = '', stream } = options ?? {};
  if (typeof prefix !== 'string') throw new TypeError('The option "prefix" must be a string');
  const library = libraryOf(client);
  if (stream === undefined) return new RedisBroker(client, prefix, library);
  if (typeof stream !== 'string') throw new TypeError('The option "stream" must be a string');
  if (!Number.isSafeInteger(maxLength) || maxLength < 1) {
    throw new RangeError('The option "maxLength" must be a positive integer');
  }
  return new RedisStreamBroker(client, stream, maxLength, library);
}

/**
 * @param {any} client A client
 * @return {typeof NODE_REDIS | typeof IOREDIS} What is done by such a client
 * @throws {TypeError} If it's none that is known
 */
function libraryOf(client) {
  if (typeof client?.duplicate === 'function' && typeof client.publish === 'function') {
    if (typeof client.isReady === 'boolean') return NODE_REDIS;
    if (typeof client.status === 'string') return IOREDIS;
  }
  throw new TypeError('The client must be one of "redis" or "ioredis"');
}

/**
 * Carries messages through Pub/Sub.
 */
class RedisBroker {
  /**
   * @param {any} client The client
   * @param {string} prefix What comes before a topic in the name of its channel
   * @param {typeof NODE_REDIS | typeof IOREDIS} library What is done by such a client
   */
  constructor(client, prefix, library) {
    this._client = client;
    this._prefix = prefix;
    this._library = library;
    /** @type {import('./broker').Handlers | null} */
    this._handlers = null;
    /** @type {NodeRedisPublisher | IoredisPublisher | null} */
    this._publisher = null;
    /** @type {NodeRedisSubscriber | IoredisSubscriber | null} */
    this._subscriber = null;
  }

  /**
   * @param {import('./broker').Handlers} handlers What arrives, and what goes wrong
   */
  listen(handlers) {
    this._handlers = handlers;
    this._publisher = new this._library.Publisher(this._client, handlers.error);
  }

  /**
   * @param {string} topic The topic
   * @param {Buffer} payload What to carry
   * @return {Promise<unknown>} Rejected where there is no connection: nothing waits for one
   */
  async publish(topic, payload) {
    // The clients would keep it in memory until there is a connection, however much that becomes.
    if (!this._publisher?.isReady) throw disconnected('Redis');
    return this._publisher.client.publish(this._prefix + topic, payload);
  }

  /**
   * @param {string} topic The topic
   * @return {Promise<unknown>} Fulfilled when Redis sends what is published there
   */
  subscribe(topic) {
    this._subscriber ??= this._open();
    return this._subscriber.subscribe(this._prefix + topic);
  }

  /**
   * @param {string} topic The topic
   * @return {Promise<unknown>} Fulfilled when Redis doesn't any more
   */
  async unsubscribe(topic) {
    return this._subscriber?.unsubscribe(this._prefix + topic);
  }

  /**
   * Closes its connections.
   */
  close() {
    this._publisher?.close();
    this._subscriber?.close();
    this._publisher = null;
    this._subscriber = null;
    this._handlers = null;
  }

  /**
   * Opens the connection that subscribes.
   *
   * @return {NodeRedisSubscriber | IoredisSubscriber} It
   * @private
   */
  _open() {
    const handlers = /** @type {import('./broker').Handlers} */ (this._handlers);
    const { length } = this._prefix;
    return new this._library.Subscriber(this._client, {
      message: (channel, payload) => handlers.message(channel.slice(length), payload),
      error: handlers.error
    });
  }
}

/**
 * Carries messages through a stream, all topics through the same one: each process reads all, and
 * after a time without a connection goes on where it has stopped.
 */
class RedisStreamBroker {
  /**
   * @param {any} client The client
   * @param {string} key The key of the stream
   * @param {number} maxLength About how many messages it keeps
   * @param {typeof NODE_REDIS | typeof IOREDIS} library What is done by such a client
   */
  constructor(client, key, maxLength, library) {
    this._client = client;
    this._key = key;
    this._maxLength = `${maxLength}`;
    this._library = library;
    /** @type {import('./broker').Handlers | null} */
    this._handlers = null;
    /** @type {NodeRedisPublisher | IoredisPublisher | null} */
    this._publisher = null;
    /** @type {StreamReader | null} */
    this._reader = null;
  }

  /**
   * @param {import('./broker').Handlers} handlers What arrives, and what goes wrong
   */
  listen(handlers) {
    this._handlers = handlers;
    this._publisher = new this._library.Publisher(this._client, handlers.error);
  }

  /**
   * @param {string} topic The topic
   * @param {Buffer} payload What to carry
   * @return {Promise<unknown>} Rejected where there is no connection: nothing waits for one
   */
  async publish(topic, payload) {
    if (!this._publisher?.isReady) throw disconnected('Redis');
    const limit = ['MAXLEN', '~', this._maxLength];
    const args = ['XADD', this._key, ...limit, '*', TOPIC, topic, PAYLOAD, payload];
    return this._library.call(this._publisher.client, args);
  }

  /**
   * @return {Promise<unknown>} Fulfilled when the stream is read
   */
  subscribe() {
    const handlers = /** @type {import('./broker').Handlers} */ (this._handlers);
    this._reader ??= new StreamReader(this._library, this._client, this._key, handlers);
    return this._reader.start();
  }

  unsubscribe() {
    // All is read anyway.
  }

  /**
   * Closes its connections.
   */
  close() {
    this._publisher?.close();
    this._reader?.close();
    this._publisher = null;
    this._reader = null;
    this._handlers = null;
  }
}

/**
 * Reads a stream, from the time on when it was started.
 */
class StreamReader {
  /**
   * @param {typeof NODE_REDIS | typeof IOREDIS} library What is done by such a client
   * @param {any} client The client that is duplicated
   * @param {string} key The key of the stream
   * @param {import('./broker').Handlers} handlers What arrives by topic, and what goes wrong
   */
  constructor(library, client, key, handlers) {
    this._library = library;
    this._client = library.duplicate(client);
    this._client.on('error', handlers.error);
    this._key = key;
    this._handlers = handlers;
    /** The latest entry that was read. @type {string | Buffer} */
    this._latest = '0-0';
    /** Fulfilled when it reads. @type {Promise<void> | null} */
    this._started = null;
    this._isClosed = false;
  }

  /**
   * @return {Promise<void>} Fulfilled when it reads what is added from now on
   */
  start() {
    this._started ??= this._start().catch((error) => {
      this._started = null;
      throw error;
    });
    return this._started;
  }

  /**
   * @private
   */
  async _start() {
    await this._library.connect(this._client);
    const last = await this._call(['XREVRANGE', this._key, '+', '-', 'COUNT', '1']);
    if (last.length > 0) this._latest = last[0][0];
    this._run();
  }

  close() {
    this._isClosed = true;
    this._library.close(this._client);
  }

  /**
   * Reads until it's closed.
   *
   * @private
   */
  async _run() {
    const args = ['COUNT', `${READ_COUNT}`, 'BLOCK', `${READ_TIMEOUT_MS}`, 'STREAMS', this._key];
    while (!this._isClosed) {
      try {
        const reply = await this._call(['XREAD', ...args, this._latest]);
        if (reply !== null) this._handOut(entriesOf(reply));
      } catch (error) {
        if (this._isClosed) return;
        this._handlers.error(/** @type {Error} */ (error));
        await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS).unref());
      }
    }
  }

  /**
   * @param {[Buffer, Buffer[]][]} entries What was read: names, each with fields and their values
   * @private
   */
  _handOut(entries) {
    for (const [name, fields] of entries) {
      if (this._isClosed) return;
      this._latest = name;
      const values = new Map();
      for (let at = 0; at + 1 < fields.length; at += 2) {
        values.set(fields[at].toString(), fields[at + 1]);
      }
      const [topic, payload] = [values.get(TOPIC), values.get(PAYLOAD)];
      // What another program has added may be anything.
      if (topic && payload) this._handlers.message(topic.toString(), payload);
    }
  }

  /**
   * @param {(string | Buffer)[]} args A command
   * @return {Promise<any>} The reply
   * @private
   */
  _call(args) {
    return this._library.call(this._client, args);
  }
}

/**
 * @param {any} reply What `XREAD` of one stream gave: a list of names and entries in RESP2, a map
 *   in RESP3, which clients give in several forms
 * @return {any[]} The entries
 */
function entriesOf(reply) {
  if (!Array.isArray(reply)) {
    return reply instanceof Map ? [...reply.values()][0] : Object.values(reply)[0];
  }
  return Array.isArray(reply[0]) ? reply[0][1] : reply[1];
}

/**
 * Publishes by a client of `redis`: the user's own. What was on the way when the connection was
 * lost is rejected.
 */
class NodeRedisPublisher {
  /**
   * @param {any} client The client
   */
  constructor(client) {
    this.client = client;
  }

  get isReady() {
    return this.client.isReady;
  }

  close() {
    // It stays the user's.
  }
}

/**
 * Subscribes by a client of `redis`.
 */
class NodeRedisSubscriber {
  /**
   * @param {any} client The client that is duplicated
   * @param {import('./broker').Handlers} handlers What arrives by channel, and what goes wrong
   */
  constructor(client, { message, error }) {
    this._client = client.duplicate();
    this._client.on('error', error);
    this._onMessage = (/** @type {Buffer} */ payload, /** @type {Buffer} */ channel) =>
      message(channel.toString(), payload);
    /** Fulfilled when there is a connection. @type {Promise<unknown> | null} */
    this._connected = null;
  }

  /**
   * @param {string} channel The channel
   */
  async subscribe(channel) {
    await this._connect();
    await this._client.subscribe(channel, this._onMessage, true);
  }

  /**
   * @param {string} channel The channel
   */
  async unsubscribe(channel) {
    await this._connect();
    await this._client.unsubscribe(channel, this._onMessage, true);
  }

  close() {
    NODE_REDIS.close(this._client);
  }

  /**
   * @return {Promise<unknown>} Fulfilled when there is a connection, once; the client reconnects
   * @private
   */
  _connect() {
    this._connected ??= this._client.connect().catch((/** @type {Error} */ error) => {
      this._connected = null;
      throw error;
    });
    return /** @type {Promise<unknown>} */ (this._connected);
  }
}

/**
 * Publishes by a client of `ioredis`: a duplicate of the user's. That one would send a message
 * again that was on the way when the connection was lost, and subscribers would get it twice.
 */
class IoredisPublisher {
  /**
   * @param {any} client The client that is duplicated
   * @param {(error: Error) => void} error What goes wrong
   */
  constructor(client, error) {
    const options = {
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: true,
      lazyConnect: false,
      // Whatever waits is rejected when a connection is lost, or can't be made.
      maxRetriesPerRequest: 0,
      // Of a cluster: the same.
      retryDelayOnFailover: 0
    };
    // A cluster takes other nodes first, none of which are given.
    this.client = client.duplicate(options, options);
    this.client.on('error', error);
    this._isLost = false;
    this.client.on('close', () => {
      this._isLost = true;
    });
    this.client.on('ready', () => {
      this._isLost = false;
    });
  }

  /** Whether there is a connection, or the first one is being made. */
  get isReady() {
    return !this._isLost;
  }

  close() {
    this.client.disconnect();
  }
}

/**
 * Subscribes by a client of `ioredis`.
 */
class IoredisSubscriber {
  /**
   * @param {any} client The client that is duplicated
   * @param {import('./broker').Handlers} handlers What arrives by channel, and what goes wrong
   */
  constructor(client, { message, error }) {
    this._client = IOREDIS.duplicate(client);
    this._client.on('error', error);
    /** @type {Set<string>} */
    this._channels = new Set();
    const keyPrefix = `${client.options?.keyPrefix ?? ''}`;
    this._client.on(
      'messageBuffer',
      (/** @type {Buffer} */ name, /** @type {Buffer} */ payload) => {
        const channel = name.toString();
        // Of some versions the client's own prefix is part of the channel.
        const isPrefixed = !this._channels.has(channel) && channel.startsWith(keyPrefix);
        message(isPrefixed ? channel.slice(keyPrefix.length) : channel, payload);
      }
    );
  }

  /**
   * @param {string} channel The channel
   */
  subscribe(channel) {
    this._channels.add(channel);
    return this._client.subscribe(channel);
  }

  /**
   * @param {string} channel The channel
   */
  unsubscribe(channel) {
    this._channels.delete(channel);
    return this._client.unsubscribe(channel);
  }

  close() {
    IOREDIS.close(this._client);
  }
}

/** What is done by a client of `redis`. */
const NODE_REDIS = {
  Publisher: NodeRedisPublisher,
  Subscriber: NodeRedisSubscriber,

  /**
   * @param {any} client A client
   * @return {any} Another one
   */
  duplicate: (client) => client.duplicate(),

  /**
   * @param {any} client A duplicate
   */
  async connect(client) {
    if (!client.isOpen) await client.connect();
  },

  /**
   * @param {any} client A client
   * @param {(string | Buffer)[]} args A command
   * @return {Promise<any>} The reply, strings as buffers
   */
  call: (client, args) =>
    // Version 4 has one option for it; in later ones 36 is the type of strings.
    client.sendCommand(args, { returnBuffers: true, typeMapping: { 36: Buffer } }),

  /**
   * @param {any} client A client
   */
  close(client) {
    // Version 4 has no other name for it.
    if (client.destroy) client.destroy();
    else client.disconnect().catch(() => {});
  }
};

/** What is done by a client of `ioredis`. */
const IOREDIS = {
  Publisher: IoredisPublisher,
  Subscriber: IoredisSubscriber,

  /**
   * @param {any} client A client
   * @return {any} Another one, whose commands wait for a connection
   */
  duplicate(client) {
    const options = {
      autoResubscribe: true,
      enableOfflineQueue: true,
      lazyConnect: false,
      maxRetriesPerRequest: null
    };
    return client.duplicate(options, options);
  },

  async connect() {
    // It connects by itself.
  },

  /**
   * @param {any} client A client
   * @param {any[]} args A command
   * @return {Promise<any>} The reply, strings as buffers
   */
  call: (client, [command, ...args]) => client.callBuffer(command, ...args),

  /**
   * @param {any} client A client
   */
  close: (client) => client.disconnect()
};

module.exports = { createRedisBroker };

// @ts-check
'use strict';

// `oxws/redis`: topics of several processes and hosts through Redis Pub/Sub, by a client of `redis`
// or `ioredis` that the user has made.
//
// A connection that subscribes can do nothing else, so there is a second one, a duplicate of the
// client. It's opened with the first subscription and closed with the servers.

const { disconnected } = require('./broker-error');

/**
 * Makes a broker of a client of Redis.
 *
 * @param {any} client A client of `redis` (4 or newer) or `ioredis` (5 or newer), which messages
 * are
 *   published by. It stays the caller's: to be connected, and to be closed after the servers.
 * @param {{prefix?: string}} [options] `prefix`, by default `''`: what comes before a topic in the
 *   name of its channel
 * @return {RedisBroker} The value for the option `broker` of `WebSocketServer`
 * @throws {TypeError} If the client is neither, or the prefix is no string
 */
function createRedisBroker(client, options = {}) {
  const { prefix = '' } = options ?? {};
  if (typeof prefix !== 'string') throw new TypeError('The option "prefix" must be a string');
  const Subscriber = subscriberClassFor(client);
  return new RedisBroker(client, prefix, Subscriber);
}

/**
 * @param {any} client A client
 * @return {typeof NodeRedisSubscriber | typeof IoredisSubscriber} What subscribes by such a client
 * @throws {TypeError} If it's none that is known
 */
function subscriberClassFor(client) {
  if (typeof client?.duplicate === 'function' && typeof client.publish === 'function') {
    if (typeof client.isReady === 'boolean') return NodeRedisSubscriber;
    if (typeof client.status === 'string') return IoredisSubscriber;
  }
  throw new TypeError('The client must be one of "redis" or "ioredis"');
}

/**
 * Carries messages through Redis.
 */
class RedisBroker {
  /**
   * @param {any} client The client that publishes
   * @param {string} prefix What comes before a topic in the name of its channel
   * @param {typeof NodeRedisSubscriber | typeof IoredisSubscriber} Subscriber What subscribes
   */
  constructor(client, prefix, Subscriber) {
    this._client = client;
    this._prefix = prefix;
    this._Subscriber = Subscriber;
    /** @type {import('./broker').Handlers | null} */
    this._handlers = null;
    /** @type {NodeRedisSubscriber | IoredisSubscriber | null} */
    this._subscriber = null;
  }

  /**
   * @param {import('./broker').Handlers} handlers What arrives, and what goes wrong
   */
  listen(handlers) {
    this._handlers = handlers;
  }

  /**
   * @param {string} topic The topic
   * @param {Buffer} payload What to carry
   * @return {Promise<unknown>} Rejected where there is no connection: nothing waits for one
   */
  async publish(topic, payload) {
    const { _client: client } = this;
    // The clients would keep it in memory until there is a connection, however much that becomes.
    if (!(client.isReady ?? client.status === 'ready')) {
      throw disconnected('Redis');
    }
    return client.publish(this._prefix + topic, payload);
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
   * Closes the connection that subscribes.
   */
  close() {
    this._subscriber?.close();
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
    return new this._Subscriber(this._client, {
      message: (channel, payload) => handlers.message(channel.slice(length), payload),
      error: handlers.error
    });
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
    // Version 4 has no other name for it.
    if (this._client.destroy) this._client.destroy();
    else this._client.disconnect().catch(() => {});
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
 * Subscribes by a client of `ioredis`.
 */
class IoredisSubscriber {
  /**
   * @param {any} client The client that is duplicated
   * @param {import('./broker').Handlers} handlers What arrives by channel, and what goes wrong
   */
  constructor(client, { message, error }) {
    // A subscription that comes while there is no connection waits for one.
    this._client = client.duplicate({
      autoResubscribe: true,
      enableOfflineQueue: true,
      lazyConnect: false,
      maxRetriesPerRequest: null
    });
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
    this._client.disconnect();
  }
}

module.exports = { createRedisBroker };

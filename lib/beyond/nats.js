// @ts-check
'use strict';

// `oxws/nats`: topics of several processes and hosts through NATS, by a connection that the user
// has made with `@nats-io/transport-node`.

const { disconnected } = require('./broker-error');

/** What a subject can't be made of: separators in the wrong place, wildcards, white space, `%`. */
const UNSAFE = /[^!-~]|[*>%]|^\.|\.$|\.(?=\.)/gu;

/**
 * Makes a broker of a connection to NATS.
 *
 * @param {any} connection What `connect()` of `@nats-io/transport-node` gave. It stays the
 * caller's:
 *   to be closed after the servers
 * @param {{prefix?: string}} [options] `prefix`, by default `''`: what comes before a topic in its
 *   subject
 * @return {NatsBroker} The value for the option `broker` of `WebSocketServer`
 * @throws {TypeError} If it's no connection, or the prefix is no string
 */
function createNatsBroker(connection, options = {}) {
  const { prefix = '' } = options ?? {};
  if (typeof prefix !== 'string') throw new TypeError('The option "prefix" must be a string');
  const methods = ['publish', 'subscribe', 'status', 'isClosed', 'flush'];
  if (methods.some((name) => typeof connection?.[name] !== 'function')) {
    throw new TypeError('The connection must be one of "@nats-io/transport-node"');
  }
  return new NatsBroker(connection, prefix);
}

/**
 * Carries messages through NATS.
 */
class NatsBroker {
  /**
   * @param {any} connection The connection
   * @param {string} prefix What comes before a topic in its subject
   */
  constructor(connection, prefix) {
    this._connection = connection;
    this._prefix = prefix;
    /** @type {import('./broker').Handlers | null} */
    this._handlers = null;
    /** By topic. @type {Map<string, any>} */
    this._subscriptions = new Map();
    this._isConnected = !connection.isClosed();
    this._watch();
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
   * @throws {Error} If there is no connection: nothing waits for one
   */
  publish(topic, payload) {
    // What is published meanwhile would be kept in memory, however much that becomes.
    if (!this._isConnected) throw disconnected('NATS');
    this._connection.publish(subjectOf(this._prefix, topic), payload);
  }

  /**
   * @param {string} topic The topic
   * @return {Promise<void>} Fulfilled when NATS sends what is published there
   */
  async subscribe(topic) {
    const subscription = this._connection.subscribe(subjectOf(this._prefix, topic), {
      callback: (/** @type {Error | null} */ error, /** @type {any} */ message) => {
        if (error) this._handlers?.error(error);
        else this._handlers?.message(topic, message.data);
      }
    });
    this._subscriptions.set(topic, subscription);
    // After a disconnection the client subscribes again by itself.
    if (this._isConnected) await this._connection.flush();
  }

  /**
   * @param {string} topic The topic
   */
  unsubscribe(topic) {
    this._subscriptions.get(topic)?.unsubscribe();
    this._subscriptions.delete(topic);
  }

  /**
   * Ends what is subscribed.
   */
  close() {
    for (const topic of [...this._subscriptions.keys()]) this.unsubscribe(topic);
    this._handlers = null;
  }

  /**
   * Follows whether there is a connection.
   *
   * @private
   */
  async _watch() {
    for await (const { type, error } of this._connection.status()) {
      if (type === 'disconnect' || type === 'close') this._isConnected = false;
      if (type === 'reconnect') this._isConnected = true;
      if (type === 'disconnect') this._handlers?.error(disconnected('NATS'));
      if (type === 'error' && error) this._handlers?.error(error);
    }
    this._isConnected = false;
  }
}

/**
 * Gives a topic the form of a subject: one subject each, and the same where it's one already.
 *
 * @param {string} prefix What comes before it
 * @param {string} topic The topic
 * @return {string} The subject
 */
function subjectOf(prefix, topic) {
  const safe = topic.replace(UNSAFE, (character) =>
    Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  );
  // There is no empty subject, and a prefix that ends a token needs another one.
  return prefix + (safe || '%');
}

module.exports = { createNatsBroker };

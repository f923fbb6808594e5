// @ts-check
'use strict';

// `oxws/nats`: topics of several processes and hosts through NATS, by a connection that the user
// has made with `@nats-io/transport-node`.

const { setTimeout } = require('../host');
const { disconnected } = require('./broker-error');

/** What a subject can't be made of: separators in the wrong place, wildcards, white space, `%`. */
const UNSAFE = /[^!-~]|[*>%]|^\.|\.$|\.(?=\.)/gu;

/** A request for messages of JetStream ends after this time, and another one follows. */
const EXPIRES_MS = 10_000;
/** NATS says this often that there are none. */
const HEARTBEAT_MS = 1000;
/** A stream that could not be read is read again after this time. */
const RETRY_INTERVAL_MS = 200;

/**
 * Makes a broker of a connection to NATS.
 *
 * @param {any} connection What `connect()` of `@nats-io/transport-node` gave. It stays the
 * caller's:
 *   to be closed after the servers
 * @param {{prefix?: string, jetstream?: any, stream?: string}} [options] `prefix`, by default `''`:
 *   what comes before a topic in its subject; `jetstream` and `stream`: what `jetstream()` of
 *   `@nats-io/jetstream` gave, and the name of the stream that keeps the subjects
 * @return {NatsBroker} The value for the option `broker` of `WebSocketServer`
 * @throws {TypeError} If it's no connection, or an option is of the wrong type
 */
function createNatsBroker(connection, options = {}) {
  const { jetstream, prefix = '', stream } = options ?? {};
  if (typeof prefix !== 'string') throw new TypeError('The option "prefix" must be a string');
  const methods = ['publish', 'subscribe', 'status', 'isClosed', 'flush'];
  if (methods.some((name) => typeof connection?.[name] !== 'function')) {
    throw new TypeError('The connection must be one of "@nats-io/transport-node"');
  }
  if (jetstream === undefined && stream === undefined) return new NatsBroker(connection, prefix);
  if (typeof jetstream?.consumers?.get !== 'function') {
    throw new TypeError('The option "jetstream" must be a client of "@nats-io/jetstream"');
  }
  if (typeof stream !== 'string') throw new TypeError('The option "stream" must be a string');
  return new JetStreamBroker(connection, prefix, jetstream, stream);
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
   * Goes on after a time without a connection. Nothing is to do: the client subscribes again.
   *
   * @protected
   */
  async _resume() {}

  /**
   * Follows whether there is a connection.
   *
   * @private
   */
  async _watch() {
    for await (const { type, error } of this._connection.status()) {
      if (type === 'disconnect' || type === 'close') this._isConnected = false;
      if (type === 'reconnect') {
        this._isConnected = true;
        this._resume();
      }
      if (type === 'disconnect') this._handlers?.error(disconnected('NATS'));
      if (type === 'error' && error) this._handlers?.error(error);
    }
    this._isConnected = false;
  }
}

/**
 * Carries messages through JetStream: each process reads the whole stream, and after a time without
 * a connection goes on where it has stopped.
 */
class JetStreamBroker extends NatsBroker {
  /**
   * @param {any} connection The connection
   * @param {string} prefix What comes before a topic in its subject
   * @param {any} jetstream The client of JetStream
   * @param {string} stream The name of the stream
   */
  constructor(connection, prefix, jetstream, stream) {
    super(connection, prefix);
    this._jetstream = jetstream;
    this._stream = stream;
    /** The topics that are subscribed to, by subject. @type {Map<string, string>} */
    this._topics = new Map();
    /** Fulfilled when the stream is read. @type {Promise<void> | null} */
    this._reading = null;
    /** What reads it, and a number for each that does; those of before are ignored. */
    this._messages = /** @type {any} */ (null);
    this._readers = 0;
    /** The number of the next message. */
    this._next = 0;
  }

  /**
   * @param {string} topic The topic
   * @param {Buffer} payload What to carry
   * @return {Promise<unknown>} Fulfilled when the stream has it
   */
  async publish(topic, payload) {
    if (!this._isConnected) throw disconnected('NATS');
    return this._jetstream.publish(subjectOf(this._prefix, topic), payload);
  }

  /**
   * @param {string} topic The topic
   * @return {Promise<void>} Fulfilled when the stream is read
   */
  async subscribe(topic) {
    this._topics.set(subjectOf(this._prefix, topic), topic);
    this._reading ??= this._read().catch((error) => {
      this._reading = null;
      throw error;
    });
    await this._reading;
  }

  /**
   * @param {string} topic The topic
   */
  unsubscribe(topic) {
    this._topics.delete(subjectOf(this._prefix, topic));
  }

  /**
   * Stops reading.
   */
  close() {
    this._readers++;
    this._messages?.stop();
    this._messages = null;
    this._reading = null;
    this._topics.clear();
    this._handlers = null;
  }

  /**
   * Begins to read what the stream gets from now on.
   *
   * @private
   */
  async _read() {
    this._next = (await this._findLast()) + 1;
    await this._consume(++this._readers);
  }

  /**
   * @return {Promise<number>} The number of the latest message of the stream
   * @private
   */
  async _findLast() {
    const manager = await this._jetstream.jetstreamManager();
    return (await manager.streams.info(this._stream)).state.last_seq;
  }

  /**
   * Reads on with another consumer. What the client does by itself takes up to half a minute.
   *
   * @protected
   */
  async _resume() {
    if (this._reading === null || this._next === 0) return;
    const reader = ++this._readers;
    while (reader === this._readers) {
      try {
        // It may have been made anew, and counts from 1 again.
        if ((await this._findLast()) < this._next - 1) this._next = 1;
        await this._consume(reader);
        return;
      } catch (error) {
        this._handlers?.error(/** @type {Error} */ (error));
        await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS).unref());
      }
    }
  }

  /**
   * @param {number} reader The number of what reads
   * @private
   */
  async _consume(reader) {
    this._messages?.stop();
    this._messages = null;
    const consumer = await this._jetstream.consumers.get(this._stream, {
      deliver_policy: 'by_start_sequence',
      opt_start_seq: this._next
    });
    const messages = await consumer.consume({
      callback: (/** @type {any} */ message) => {
        if (reader !== this._readers) return;
        this._next = message.seq + 1;
        const topic = this._topics.get(message.subject);
        if (topic !== undefined) this._handlers?.message(topic, message.data);
      },
      expires: EXPIRES_MS,
      idle_heartbeat: HEARTBEAT_MS
    });
    if (reader === this._readers) this._messages = messages;
    else messages.stop();
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

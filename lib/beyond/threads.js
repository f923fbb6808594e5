// @ts-check
'use strict';

// `oxws/threads`: topics of several worker threads of a process.
//
// The engine knows what the threads have subscribed to, and has a mailbox for each, which a thread
// empties by one call. Where there is only WebAssembly, each topic is a `BroadcastChannel`.

const { BroadcastChannel } = require('node:worker_threads');

const { setImmediate } = require('../host');
const native = require('../native');

/** Channels that are kept for publishing. */
const MAX_IDLE = 64;
/** Before each message that the engine gives: the number of its topic, and its length. */
const MESSAGE_HEADER_LENGTH = 12;

/**
 * Makes a broker between the threads of this process.
 *
 * @param {{name?: string}} [options] `name`, by default `''`: brokers of the same name share their
 *   topics
 * @return {EngineBroker | ChannelBroker} The value for the option `broker` of `WebSocketServer`
 * @throws {TypeError} If the name is no string
 */
function createThreadBroker(options = {}) {
  const { name = '' } = options ?? {};
  if (typeof name !== 'string') throw new TypeError('The option "name" must be a string');
  return hasEngine() ? new EngineBroker(name) : new ChannelBroker(name);
}

/**
 * @return {boolean} Whether the engine carries messages between threads
 */
function hasEngine() {
  return native.joinThreads !== undefined && !process.versions.bun;
}

/**
 * Carries messages between threads through the engine.
 */
class EngineBroker {
  /**
   * @param {string} name What tells its topics from those of other brokers
   */
  constructor(name) {
    this._name = name;
    /** @type {import('./broker').Handlers | null} */
    this._handlers = null;
    /** What the engine knows it by, while it listens. @type {any} */
    this._member = null;
    /** By the numbers that the engine knows them by. @type {Map<number, string>} */
    this._topics = new Map();
    /** @type {Map<string, number>} */
    this._numbers = new Map();
    /** The next number. None is given again soon: messages of the last one may be on the way. */
    this._nextNumber = 0;
  }

  /**
   * @param {import('./broker').Handlers} handlers What arrives, and what goes wrong
   */
  listen(handlers) {
    this._handlers = handlers;
    this._member = native.joinThreads(this._name, () => this._take());
  }

  /**
   * @param {string} topic The topic
   * @param {Buffer} payload What to carry
   */
  publish(topic, payload) {
    native.publishToThreads(this._member, topic, payload);
  }

  /**
   * @param {string} topic The topic
   */
  subscribe(topic) {
    const number = this._nextNumber;
    this._nextNumber = (number + 1) >>> 0;
    this._topics.set(number, topic);
    this._numbers.set(topic, number);
    native.subscribeThread(this._member, topic, number);
  }

  /**
   * @param {string} topic The topic
   */
  unsubscribe(topic) {
    if (this._member !== null) native.unsubscribeThread(this._member, topic);
    this._topics.delete(/** @type {number} */ (this._numbers.get(topic)));
    this._numbers.delete(topic);
  }

  /**
   * Leaves the other threads.
   */
  close() {
    native.leaveThreads(this._member);
    this._handlers = null;
    this._member = null;
    this._topics.clear();
    this._numbers.clear();
  }

  /**
   * Hands out what other threads have published.
   *
   * @private
   */
  _take() {
    if (this._member === null) return;
    const bytes = native.takeFromThreads(this._member);
    // The rest of a lot comes when timers and other I/O have had their turn.
    if (bytes[0] !== 0) setImmediate(() => this._take());
    let at = 1;
    while (at < bytes.length) {
      const topic = this._topics.get(bytes.readUInt32LE(at));
      const length = bytes.readUInt32LE(at + 4) + bytes.readUInt32LE(at + 8) * 2 ** 32;
      const start = at + MESSAGE_HEADER_LENGTH;
      at = start + length;
      if (topic !== undefined) this._handlers?.message(topic, bytes.subarray(start, at));
    }
  }
}

/**
 * Carries messages between threads by channels, so that a thread without subscribers isn't woken.
 * What publishes to a topic that it hasn't subscribed to needs one, too; those are kept for a
 * while.
 */
class ChannelBroker {
  /**
   * @param {string} name What tells its topics from those of other brokers
   */
  constructor(name) {
    this._prefix = `oxws:${name.length}:${name}:`;
    /** @type {import('./broker').Handlers | null} */
    this._handlers = null;
    /** By topic. @type {Map<string, BroadcastChannel>} */
    this._subscribed = new Map();
    /**
     * Those for publishing alone, the one that was used last at the end. @type {typeof
     * this._subscribed}
     */
    this._idle = new Map();
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
   */
  publish(topic, payload) {
    // Memory of its own: of a view the whole buffer would be copied, which is Node's pool.
    (this._subscribed.get(topic) ?? this._openIdle(topic)).postMessage(new Uint8Array(payload));
  }

  /**
   * @param {string} topic The topic
   */
  subscribe(topic) {
    const channel = this._open(topic);
    channel.onmessage = ({ data }) => this._handlers?.message(topic, data);
    // A channel that is listened to would keep the thread alive.
    channel.unref();
    this._subscribed.set(topic, channel);
    this._idle.get(topic)?.close();
    this._idle.delete(topic);
  }

  /**
   * @param {string} topic The topic
   */
  unsubscribe(topic) {
    this._subscribed.get(topic)?.close();
    this._subscribed.delete(topic);
  }

  /**
   * Closes all channels.
   */
  close() {
    for (const channels of [this._subscribed, this._idle]) {
      for (const channel of channels.values()) channel.close();
      channels.clear();
    }
    this._handlers = null;
  }

  /**
   * @param {string} topic A topic
   * @return {BroadcastChannel} A channel to publish by
   * @private
   */
  _openIdle(topic) {
    const channel = this._idle.get(topic) ?? this._open(topic);
    this._idle.delete(topic);
    this._idle.set(topic, channel);
    if (this._idle.size > MAX_IDLE) {
      const [[oldest, unused]] = this._idle;
      unused.close();
      this._idle.delete(oldest);
    }
    return channel;
  }

  /**
   * @param {string} topic A topic
   * @return {BroadcastChannel} A new channel of it
   * @private
   */
  _open(topic) {
    const channel = new BroadcastChannel(this._prefix + topic);
    channel.unref();
    return channel;
  }
}

module.exports = { createThreadBroker };

// @ts-check
'use strict';

// `oxws/threads`: topics of several worker threads of a process, by `BroadcastChannel`.
//
// Each topic has a channel, so that a thread without subscribers isn't woken. What publishes to a
// topic that it hasn't subscribed to needs one, too; those are kept for a while.

const { BroadcastChannel } = require('node:worker_threads');

/** Channels that are kept for publishing. */
const MAX_IDLE = 64;

/**
 * Makes a broker between the threads of this process.
 *
 * @param {{name?: string}} [options] `name`, by default `''`: brokers of the same name share their
 *   topics
 * @return {ThreadBroker} The value for the option `broker` of `WebSocketServer`
 * @throws {TypeError} If the name is no string
 */
function createThreadBroker(options = {}) {
  const { name = '' } = options ?? {};
  if (typeof name !== 'string') throw new TypeError('The option "name" must be a string');
  return new ThreadBroker(name);
}

/**
 * Carries messages between threads.
 */
class ThreadBroker {
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

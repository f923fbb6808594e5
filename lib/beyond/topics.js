// @ts-check
'use strict';

// The topics of a server: who has subscribed to what, and what is published there.
//
// A `WebSocket` of a server has its `Topics` under `kTopics`, and from its first subscription on
// its `Subscriber`.

const { kTopics } = require('../constants');
const { nextTick } = require('../host');
const { OPEN } = require('../ready-state');
const { rethrow } = require('../send-callback');
const { deliver } = require('./deliver');
const { Message, PreparedMessage } = require('./message');

/**
 * The topics of one server.
 */
class Topics {
  /**
   * @param {any} server The server
   */
  constructor(server) {
    this._server = server;
    /** Those with a subscriber, by name. @type {Map<string, Topic>} */
    this._topics = new Map();
  }

  /**
   * Adds a subscriber to a topic.
   *
   * @param {Subscriber} subscriber The subscriber
   * @param {string} name The topic
   * @return {boolean} Whether it was none before
   */
  add(subscriber, name) {
    let topic = this._topics.get(name);
    if (topic === undefined) {
      topic = new Topic(name);
      this._topics.set(name, topic);
    } else if (subscriber.topics.has(topic)) {
      return false;
    }
    subscriber.topics.add(topic);
    topic.subscribers.add(subscriber);
    const count = topic.subscribers.size;
    this._server.emit('subscription', subscriber.websocket, name, count, count - 1);
    return true;
  }

  /**
   * Takes a subscriber out of a topic.
   *
   * @param {Subscriber} subscriber The subscriber
   * @param {string} name The topic
   * @return {boolean} Whether it was one before
   */
  remove(subscriber, name) {
    const topic = this._topics.get(name);
    if (topic === undefined || !subscriber.topics.delete(topic)) return false;
    topic.subscribers.delete(subscriber);
    const count = topic.subscribers.size;
    if (count === 0) this._topics.delete(name);
    this._server.emit('subscription', subscriber.websocket, name, count, count + 1);
    return true;
  }

  /**
   * @param {Subscriber} subscriber A subscriber
   * @param {string} name The topic
   * @return {boolean} Whether it's one of the topic's
   */
  has(subscriber, name) {
    const topic = this._topics.get(name);
    return topic !== undefined && subscriber.topics.has(topic);
  }

  /**
   * @param {string} name The topic
   * @return {number} How many have subscribed to it
   */
  count(name) {
    return this._topics.get(name)?.subscribers.size ?? 0;
  }

  /**
   * Sends a message to all who have subscribed to a topic.
   *
   * @param {string} name The topic
   * @param {Message} message The message
   * @param {(websocket: any) => boolean} isExcepted Whether one of them doesn't get it
   * @return {number} For how many connections it is queued
   */
  publish(name, message, isExcepted) {
    const topic = this._topics.get(name);
    if (topic === undefined) return 0;
    const chosen = [];
    for (const { websocket } of topic.subscribers) {
      if (!isExcepted(websocket)) chosen.push(websocket);
    }
    return deliverToAll(chosen, message);
  }
}

/**
 * A topic that somebody has subscribed to.
 */
class Topic {
  /**
   * @param {string} name Its name
   */
  constructor(name) {
    this.name = name;
    /** @type {Set<Subscriber>} */
    this.subscribers = new Set();
  }
}

/**
 * A connection that has subscribed to something.
 */
class Subscriber {
  /**
   * @param {any} websocket The server's end
   * @param {Topics} owner The topics of its server
   */
  constructor(websocket, owner) {
    this.websocket = websocket;
    this.owner = owner;
    /** @type {Set<Topic>} */
    this.topics = new Set();
    /** Whether the connection has ended. */
    this.hasEnded = false;
  }
}

/**
 * Queues a message for connections.
 *
 * @param {any[]} websockets The connections
 * @param {Message} message The message
 * @return {number} For how many it is queued
 */
function deliverToAll(websockets, message) {
  let count = 0;
  for (const websocket of websockets) {
    try {
      if (deliver(websocket, message)) count++;
    } catch (error) {
      // A `Duplex` of a user's threw. That is no matter of the connections after it.
      nextTick(rethrow, error);
    }
  }
  return count;
}

/**
 * @param {any} websocket A WebSocket
 * @return {Topics} The topics of its server
 * @throws {Error} If it has no server
 */
function topicsOf(websocket) {
  const found = websocket[kTopics];
  if (found instanceof Subscriber) return found.owner;
  if (found instanceof Topics) return found;
  const error = new Error('Only a WebSocket of a WebSocketServer has topics');
  /** @type {any} */ (error).code = 'ERR_OXWS_NO_SERVER';
  throw error;
}

/**
 * @param {any} websocket A WebSocket
 * @return {Subscriber | null} What it's subscribed by; `null` where it has never been
 */
function subscriberOf(websocket) {
  const found = websocket[kTopics];
  return found instanceof Subscriber ? found : null;
}

/**
 * @param {unknown} topic What is to be a topic
 * @throws {TypeError} If it's none
 */
function checkTopic(topic) {
  if (typeof topic !== 'string') throw new TypeError('The topic must be a string');
}

/**
 * Subscribes a WebSocket to a topic.
 *
 * @param {any} websocket The WebSocket
 * @param {string} topic The topic
 * @return {boolean} Whether that changed anything: it was not subscribed, and is open
 * @throws {TypeError} If the topic isn't a string
 * @throws {Error} If the WebSocket has no server
 */
function subscribe(websocket, topic) {
  checkTopic(topic);
  const owner = topicsOf(websocket);
  if (websocket._readyState !== OPEN) return false;
  const subscriber = subscriberOf(websocket) ?? new Subscriber(websocket, owner);
  websocket[kTopics] = subscriber;
  return !subscriber.hasEnded && owner.add(subscriber, topic);
}

/**
 * Ends a subscription.
 *
 * @param {any} websocket The WebSocket
 * @param {string} topic The topic
 * @return {boolean} Whether that changed anything
 * @throws {TypeError} If the topic isn't a string
 */
function unsubscribe(websocket, topic) {
  checkTopic(topic);
  const subscriber = subscriberOf(websocket);
  return subscriber?.owner.remove(subscriber, topic) ?? false;
}

/**
 * @param {any} websocket The WebSocket
 * @param {string} topic The topic
 * @return {boolean} Whether it's subscribed
 * @throws {TypeError} If the topic isn't a string
 */
function isSubscribed(websocket, topic) {
  checkTopic(topic);
  const subscriber = subscriberOf(websocket);
  return subscriber?.owner.has(subscriber, topic) ?? false;
}

/**
 * @param {any} websocket The WebSocket
 * @return {string[]} What it's subscribed to now
 */
function listTopics(websocket) {
  const subscriber = subscriberOf(websocket);
  return subscriber === null ? [] : Array.from(subscriber.topics, ({ name }) => name);
}

/**
 * Ends all subscriptions of a connection that has ended.
 *
 * @param {any} websocket The WebSocket
 */
function endSubscriptions(websocket) {
  const subscriber = subscriberOf(websocket);
  if (subscriber === null) return;
  subscriber.hasEnded = true;
  for (const { name } of [...subscriber.topics]) {
    try {
      subscriber.owner.remove(subscriber, name);
    } catch (error) {
      // A listener threw. The connection has ended all the same.
      nextTick(rethrow, error);
    }
  }
}

/**
 * Publishes a message in the name of a WebSocket, which doesn't get it.
 *
 * @param {any} websocket The WebSocket
 * @param {string} topic The topic
 * @param {any} data The message
 * @param {any} options The options
 * @return {number} For how many connections it is queued
 * @throws {TypeError} If an argument isn't valid
 * @throws {Error} If the WebSocket has no server
 */
function publishFrom(websocket, topic, data, options) {
  checkTopic(topic);
  const message = toMessage(data, options);
  const isExcepted = toExcepted(options?.except);
  return topicsOf(websocket).publish(
    topic,
    message,
    (other) => other === websocket || isExcepted(other)
  );
}

/**
 * @param {Topics} topics The topics of a server
 * @param {string} topic The topic
 * @return {number} How many have subscribed to it
 * @throws {TypeError} If the topic isn't a string
 */
function countSubscribers(topics, topic) {
  checkTopic(topic);
  return topics.count(topic);
}

/**
 * Publishes a message.
 *
 * @param {Topics} topics The topics of a server
 * @param {string} topic The topic
 * @param {any} data The message
 * @param {any} options The options
 * @return {number} For how many connections it is queued
 * @throws {TypeError} If an argument isn't valid
 */
function publish(topics, topic, data, options) {
  checkTopic(topic);
  const message = toMessage(data, options);
  return topics.publish(topic, message, toExcepted(options?.except));
}

/**
 * Sends a message to all clients of a server.
 *
 * @param {Set<any> | undefined} clients The clients
 * @param {any} data The message
 * @param {any} options The options
 * @return {number} For how many connections it is queued
 * @throws {TypeError} If an argument isn't valid
 * @throws {Error} If the server doesn't know its clients
 */
function broadcast(clients, data, options) {
  if (clients === undefined) {
    throw new Error('broadcast() needs the option "clientTracking"');
  }
  const message = toMessage(data, options);
  const isExcepted = toExcepted(options?.except);
  const filter = options?.filter;
  if (filter !== undefined && typeof filter !== 'function') {
    throw new TypeError('The option "filter" must be a function');
  }
  // What it throws comes before anything is sent.
  const chosen = [];
  for (const websocket of clients) {
    if (!isExcepted(websocket) && (filter === undefined || filter(websocket))) {
      chosen.push(websocket);
    }
  }
  return deliverToAll(chosen, message);
}

/**
 * @param {any} data The message
 * @param {any} options The options
 * @return {Message} The message; the same where it was prepared
 */
function toMessage(data, options) {
  return data instanceof PreparedMessage ? data : new Message(data, options);
}

/**
 * @param {any} except A WebSocket, or several
 * @return {(websocket: any) => boolean} Whether one is among them
 * @throws {TypeError} If it's neither
 */
function toExcepted(except) {
  if (except === undefined || except === null) return exceptNobody;
  if (typeof except === 'object') {
    if (kTopics in except) return (websocket) => websocket === except;
    if (typeof except[Symbol.iterator] === 'function') {
      const all = new Set(except);
      return (websocket) => all.has(websocket);
    }
  }
  throw new TypeError('The option "except" must be a WebSocket, or several');
}

/**
 * @return {boolean} `false`
 */
function exceptNobody() {
  return false;
}

module.exports = {
  broadcast,
  countSubscribers,
  endSubscriptions,
  isSubscribed,
  listTopics,
  publish,
  publishFrom,
  subscribe,
  Topics,
  unsubscribe
};

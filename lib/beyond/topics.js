// @ts-check
'use strict';

// The topics of a server: which connections have subscribed to what, and what is published there.
//
// A `WebSocket` of a server has its `Topics` under `kTopics`, and from its first subscription on
// its `Subscriber`.
//
// The engine knows the subscriptions of its connections, too, and which are attached: then a
// message is one command for all of them. A connection that has something in the way of its
// messages is apart, and gets each by way of its sender, as does one that the engine does not
// carry.

const { kTopics } = require('../constants');
const { MAX_COMPRESSED_LENGTH, MAX_COPY_LENGTH } = require('../engine/outbox');
const { nextTick } = require('../host');
const { OPEN } = require('../ready-state');
const { rethrow } = require('../send-callback');
const { linkTo } = require('./broker');
const { deliver, findAttachable, leastCompressed } = require('./deliver');
const { Message, PreparedMessage } = require('./message');

/**
 * The topics of one server.
 */
class Topics {
  /**
   * @param {any} server The server
   * @param {any} broker The option `broker`, if given
   * @throws {TypeError} If that is no broker
   */
  constructor(server, broker) {
    this._server = server;
    this._link = broker === undefined || broker === null ? null : linkTo(broker);
    this._link?.join(this);
    this._hasEnded = false;
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
    subscriber.join(topic);
    const count = topic.subscribers.size;
    if (count === 1) this._link?.subscribe(name);
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
    if (topic === undefined || !subscriber.topics.has(topic)) return false;
    subscriber.quit(topic);
    const count = topic.subscribers.size;
    if (count === 0) {
      this._topics.delete(name);
      this._link?.unsubscribe(name);
      if (this._hasEnded) this.end();
    }
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
   * Sends a message to all that have subscribed to a topic.
   *
   * @param {string} name The topic
   * @param {Message} message The message
   * @param {Excepted} excepted The connections that don't get it
   * @param {boolean} isDroppable Whether it's dropped where it would exceed `maxBackpressure`
   * @return {number} For how many connections it is queued
   */
  publish(name, message, excepted, isDroppable) {
    const count = this.publishLocally(name, message, excepted, isDroppable);
    this._link?.publish(this, name, message, isDroppable);
    return count;
  }

  /**
   * Sends a message to the subscribers that this server has.
   *
   * @param {string} name The topic
   * @param {Message} message The message
   * @param {Excepted} excepted The connections that don't get it
   * @param {boolean} isDroppable As for `publish()`
   * @return {number} For how many connections it is queued
   */
  publishLocally(name, message, excepted, isDroppable) {
    const topic = this._topics.get(name);
    if (topic === undefined) return 0;
    const compresses = message.compress && !!this._server.options.perMessageDeflate;
    const most = compresses ? MAX_COMPRESSED_LENGTH : MAX_COPY_LENGTH;
    // What is prepared is compressed by its first sender, not by each flush of the engine.
    const isCompressedHere = compresses && message.isPrepared;
    if (message.isBlob || message.length > most || isCompressedHere) {
      return deliverToSubscribers(topic.subscribers, message, excepted, isDroppable);
    }
    for (const subscriber of topic.apart) subscriber.attach();
    const commands = 1 + (excepted instanceof Set ? excepted.size : 1);
    const { maxBackpressure } = this._server.options;
    for (const { attached, outbox } of topic.parts) {
      if (attached === 0) continue;
      if (maxBackpressure > 0) outbox.limitPublished(message.length, maxBackpressure);
      outbox.reserve(commands, message.length);
    }
    // Those that are apart now: more may be once the message is handed over, which have it then.
    const chosen = topic.apart.size > 0 ? chooseFrom(topic.apart, excepted) : null;
    let count = 0;
    for (const part of topic.parts) {
      if (part.attached > 0) count += publishTo(topic, part, message, compresses, excepted);
    }
    return chosen === null ? count : count + deliverToAll(chosen, message, isDroppable);
  }

  /**
   * Notes that the server is closed. It has nothing to do with the broker any more once none is
   * subscribed.
   */
  end() {
    this._hasEnded = true;
    if (this._topics.size > 0) return;
    this._link?.leave(this);
  }

  /**
   * @param {Error} error What went wrong with the broker
   */
  reportBrokerError(error) {
    nextTick(() => this._server.emit('brokerError', error));
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
    /** Those of them that get their messages by way of their senders. @type {Set<Subscriber>} */
    this.apart = NOBODY;
    /** What each engine knows of it. @type {Part[]} */
    this.parts = NO_PARTS;
  }

  /**
   * @param {Subscriber} subscriber A subscriber that is apart from now on
   */
  setApart(subscriber) {
    if (this.apart === NOBODY) this.apart = new Set();
    this.apart.add(subscriber);
  }

  /**
   * @param {Subscriber} subscriber A subscriber that isn't any longer
   */
  unsetApart(subscriber) {
    this.apart.delete(subscriber);
    if (this.apart.size === 0) this.apart = NOBODY;
  }

  /**
   * @param {any} outbox The outbox of an engine
   * @return {Part} What that knows of the topic
   */
  partOf(outbox) {
    for (const part of this.parts) if (part.outbox === outbox) return part;
    const part = { outbox, number: outbox.takeTopic(), members: 0, attached: 0 };
    this.parts = [...this.parts, part];
    return part;
  }

  /**
   * @param {Part} part What an engine knows of the topic, of which it has no subscriber any more
   */
  drop(part) {
    part.outbox.freeTopic(part.number);
    this.parts = this.parts.length === 1 ? NO_PARTS : this.parts.filter((it) => it !== part);
  }
}

/**
 * What an engine knows of a topic.
 *
 * @typedef {object} Part
 * @property {any} outbox The outbox of the engine
 * @property {number} number The number of the topic there
 * @property {number} members How many of its connections have subscribed
 * @property {number} attached How many of those get their messages by one command
 */

/** @type {Part[]} */
const NO_PARTS = [];
Object.freeze(NO_PARTS);

/** @type {Set<any>} */
const NOBODY = new Set();

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
    /** The connection of an engine that knows of its subscriptions. @type {any} */
    this.connection = null;
    /** Whether it gets what is published there by one command for all. */
    this.isAttached = false;
  }

  /**
   * Subscribes to a topic.
   *
   * @param {Topic} topic The topic
   */
  join(topic) {
    this.connection?.outbox.reserve(1);
    this.topics.add(topic);
    topic.subscribers.add(this);
    if (this.connection !== null) this._enter(topic);
    if (this.isAttached) topic.partOf(this.connection.outbox).attached++;
    else topic.setApart(this);
    this.attach();
  }

  /**
   * Ends a subscription.
   *
   * @param {Topic} topic The topic
   */
  quit(topic) {
    this.topics.delete(topic);
    topic.subscribers.delete(this);
    if (this.isAttached) topic.partOf(this.connection.outbox).attached--;
    else topic.unsetApart(this);
    if (this.connection !== null) this._exit(topic);
  }

  /**
   * Attaches it, where the engine carries it and nothing is in the way.
   */
  attach() {
    if (this.isAttached) return;
    const connection = findAttachable(this.websocket);
    if (connection === null) return;
    connection.outbox.reserve(1 + this.topics.size);
    // What was handed over to make room may be in the way now.
    if (findAttachable(this.websocket) === null) return;
    if (this.connection === null) {
      this.connection = connection;
      connection.published = this;
      for (const topic of this.topics) this._enter(topic);
    }
    const { outbox } = connection;
    this.isAttached = true;
    outbox.attach(connection.id, leastCompressed(this.websocket));
    for (const topic of this.topics) {
      topic.unsetApart(this);
      topic.partOf(outbox).attached++;
    }
  }

  /**
   * Something is in the way: what is published from now on comes by way of the sender.
   */
  setApart() {
    if (!this.isAttached) return;
    const { outbox } = this.connection;
    this.isAttached = false;
    outbox.detach(this.connection.id);
    for (const topic of this.topics) {
      topic.setApart(this);
      topic.partOf(outbox).attached--;
    }
  }

  /**
   * The connection is about to be closed: its number may be another one's then.
   */
  leave() {
    this.setApart();
    for (const topic of this.topics) this._exit(topic);
    this.connection.published = null;
    this.connection = null;
  }

  /**
   * Has the engine know of a subscription.
   *
   * @param {Topic} topic The topic
   * @private
   */
  _enter(topic) {
    const { id, outbox } = this.connection;
    const part = topic.partOf(outbox);
    part.members++;
    outbox.subscribe(part.number, id);
  }

  /**
   * Has the engine forget one.
   *
   * @param {Topic} topic The topic
   * @private
   */
  _exit(topic) {
    const { id, outbox } = this.connection;
    const part = topic.partOf(outbox);
    outbox.unsubscribe(part.number, id);
    if (--part.members === 0) topic.drop(part);
  }
}

/**
 * Publishes a message to the attached subscribers of an engine.
 *
 * @param {Topic} topic The topic
 * @param {Part} part What the engine knows of it
 * @param {Message} message The message
 * @param {boolean} compresses Whether it's compressed for those that do that
 * @param {Excepted} excepted The connections that don't get it
 * @return {number} How many get it
 */
function publishTo(topic, { attached, number, outbox }, message, compresses, excepted) {
  const except = excepted === null ? NO_NUMBERS : findAttached(topic, outbox, excepted);
  const count = attached - except.length;
  if (count > 0) {
    outbox.publish(number, message.data, message.length, message.first, compresses, except);
  }
  return count;
}

/** @type {number[]} */
const NO_NUMBERS = [];
Object.freeze(NO_NUMBERS);

/**
 * Finds the attached subscribers among those that don't get a message.
 *
 * @param {Topic} topic The topic
 * @param {any} outbox The outbox of their engine
 * @param {any} excepted The connections that don't get it
 * @return {number[]} The numbers of their connections
 */
function findAttached(topic, outbox, excepted) {
  const numbers = [];
  for (const websocket of excepted instanceof Set ? excepted : [excepted]) {
    const subscriber = websocket === null ? null : subscriberOf(websocket);
    if (!subscriber?.isAttached || !subscriber.topics.has(topic)) continue;
    if (subscriber.connection.outbox === outbox) numbers.push(subscriber.connection.id);
  }
  return numbers;
}

/**
 * Queues a message for subscribers, by way of their senders.
 *
 * @param {Set<Subscriber>} subscribers The subscribers
 * @param {Message} message The message
 * @param {Excepted} excepted The connections that don't get it
 * @param {boolean} isDroppable Whether it's dropped where it would exceed `maxBackpressure`
 * @return {number} For how many it is queued
 */
function deliverToSubscribers(subscribers, message, excepted, isDroppable) {
  return deliverToAll(chooseFrom(subscribers, excepted), message, isDroppable);
}

/**
 * @param {Set<Subscriber>} subscribers Subscribers
 * @param {Excepted} excepted The connections that don't get a message
 * @return {any[]} The WebSockets of the others
 */
function chooseFrom(subscribers, excepted) {
  const chosen = [];
  for (const { websocket } of subscribers) {
    if (!isExcepted(excepted, websocket)) chosen.push(websocket);
  }
  return chosen;
}

/**
 * Queues a message for connections.
 *
 * @param {any[]} websockets The connections
 * @param {Message} message The message
 * @param {boolean} isDroppable Whether it's dropped where it would exceed `maxBackpressure`
 * @return {number} For how many it is queued
 */
function deliverToAll(websockets, message, isDroppable) {
  let count = 0;
  for (const websocket of websockets) {
    try {
      if (deliver(websocket, message, isDroppable)) count++;
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
  const others = toExcepted(options?.except);
  const excepted = others === null ? websocket : new Set(others instanceof Set ? others : [others]);
  if (others !== null) excepted.add(websocket);
  return topicsOf(websocket).publish(topic, message, excepted, !!options?.droppable);
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
  return topics.publish(topic, message, toExcepted(options?.except), !!options?.droppable);
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
  const excepted = toExcepted(options?.except);
  const filter = options?.filter;
  if (filter !== undefined && typeof filter !== 'function') {
    throw new TypeError('The option "filter" must be a function');
  }
  // What it throws comes before anything is sent.
  const chosen = [];
  for (const websocket of clients) {
    if (!isExcepted(excepted, websocket) && (filter === undefined || filter(websocket))) {
      chosen.push(websocket);
    }
  }
  return deliverToAll(chosen, message, !!options?.droppable);
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
 * The connections that don't get a message: a WebSocket, several, or none.
 *
 * @typedef {any} Excepted
 */

/**
 * @param {any} except The option
 * @return {Excepted} The connections that don't get the message
 * @throws {TypeError} If it's neither a WebSocket nor several
 */
function toExcepted(except) {
  if (except === undefined || except === null) return null;
  if (typeof except === 'object') {
    if (kTopics in except) return except;
    if (typeof except[Symbol.iterator] === 'function') return toSet(except);
  }
  throw exceptError();
}

/**
 * @param {Iterable<any>} except WebSockets
 * @return {Set<any>} The same
 * @throws {TypeError} If something else is among them
 */
function toSet(except) {
  const all = new Set(except);
  for (const each of all) {
    if (each === null || typeof each !== 'object' || !(kTopics in each)) throw exceptError();
  }
  return all;
}

/**
 * @return {TypeError} The error for an option that isn't valid
 */
function exceptError() {
  return new TypeError('The option "except" must be a WebSocket, or several');
}

/**
 * @param {Excepted} excepted The connections that don't get a message
 * @param {any} websocket A WebSocket
 * @return {boolean} Whether it's among them
 */
function isExcepted(excepted, websocket) {
  if (excepted === null) return false;
  return excepted === websocket || (excepted instanceof Set && excepted.has(websocket));
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

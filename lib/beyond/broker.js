// @ts-check
'use strict';

// Topics beyond one thread, process and host: what is published goes to a broker, too, and what
// others publish there comes to the local subscribers.
//
// All servers of a thread that were given the same broker share one `BrokerLink`. What one of them
// publishes reaches the others at once, and what comes back from the broker with the mark of this
// link is dropped, so nothing is delivered twice.

const { randomBytes } = require('node:crypto');

const { now, setTimeout } = require('../host');
const { isValidUTF8 } = require('../validation');
const { Message } = require('./message');

/** What a broker has to have. */
const METHODS = ['listen', 'publish', 'subscribe', 'unsubscribe'];

/**
 * What comes before a payload on its way through a broker: a mark, a byte of flags, and which link
 * has published it. A payload without the mark was published by another program, and is text if it
 * is valid UTF-8.
 */
const MARK = Buffer.from('\0oxws\x01', 'latin1');
const BINARY = 1;
const UNCOMPRESSED = 2;
const DROPPABLE = 4;
const ORIGIN_LENGTH = 8;
const HEADER_LENGTH = MARK.length + 1 + ORIGIN_LENGTH;

/** While a broker fails, that is reported once in this time. */
const REPORT_INTERVAL_MS = 1000;
/** A subscription that was refused is asked for again after this time. */
const RETRY_INTERVAL_MS = 1000;

/**
 * @typedef {object} Broker
 * @property {(handlers: Handlers) => void} listen
 * @property {(topic: string, payload: Buffer, isBinary: boolean) => unknown} publish
 * @property {(topic: string) => unknown} subscribe
 * @property {(topic: string) => unknown} unsubscribe
 * @property {() => unknown} [close]
 */

/**
 * @typedef {object} Handlers
 * @property {(topic: string, payload: Uint8Array) => void} message
 * @property {(error: Error) => void} error
 */

/** @type {WeakMap<Broker, BrokerLink>} */
const links = new WeakMap();

/**
 * What the servers of a thread have with one broker.
 */
class BrokerLink {
  /**
   * @param {Broker} broker The broker
   */
  constructor(broker) {
    this._broker = broker;
    this._origin = randomBytes(ORIGIN_LENGTH);
    /** @type {Set<import('./topics').Topics>} */
    this._members = new Set();
    /**
     * For each topic that the broker is to send, or is about to stop. @type {Map<string, Interest>}
     */
    this._interests = new Map();
    /** What could not be handed to the broker since that was reported last, and when. */
    this._lost = 0;
    this._reportedAt = Number.NEGATIVE_INFINITY;
    /** Whether the broker is closed; it may be another link's then. */
    this._hasEnded = false;
    broker.listen({
      message: (topic, payload) => this._receive(topic, payload),
      error: (error) => this._report(error)
    });
  }

  /**
   * @param {import('./topics').Topics} topics The topics of a server
   */
  join(topics) {
    this._members.add(topics);
  }

  /**
   * Takes a server out that is closed and has no subscribers any more. With the last one the link
   * ends.
   *
   * @param {import('./topics').Topics} topics The topics of the server
   */
  leave(topics) {
    if (!this._members.delete(topics) || this._members.size > 0) return;
    links.delete(this._broker);
    this._hasEnded = true;
    // Requests that are under way aren't waited for: while the broker is down they never end.
    attempt(() => this._broker.close?.()).catch((error) => topics.reportBrokerError(error));
  }

  /**
   * Notes that a server has its first subscriber of a topic.
   *
   * @param {string} topic The topic
   */
  subscribe(topic) {
    const interest = this._interests.get(topic) ?? new Interest(topic);
    this._interests.set(topic, interest);
    interest.servers++;
    this._follow(interest);
  }

  /**
   * Notes that a server has lost its last subscriber of a topic.
   *
   * @param {string} topic The topic
   */
  unsubscribe(topic) {
    const interest = /** @type {Interest} */ (this._interests.get(topic));
    interest.servers--;
    this._follow(interest);
  }

  /**
   * Publishes a message beyond the server that has delivered it to its own subscribers.
   *
   * @param {import('./topics').Topics} from The topics of that server
   * @param {string} topic The topic
   * @param {Message} message The message
   * @param {boolean} isDroppable Whether it's dropped where it would exceed `maxBackpressure`
   */
  publish(from, topic, message, isDroppable) {
    for (const member of this._members) {
      if (member !== from) member.publishLocally(topic, message, null, isDroppable);
    }
    if (message.isBlob) {
      message.data.arrayBuffer().then(
        (/** @type {ArrayBuffer} */ bytes) =>
          this._send(topic, message, Buffer.from(bytes), isDroppable),
        (/** @type {Error} */ error) => this._report(error)
      );
    } else {
      this._send(topic, message, message.data, isDroppable);
    }
  }

  /**
   * @param {string} topic The topic
   * @param {Message} message The message
   * @param {string | Buffer} data Its payload
   * @param {boolean} isDroppable As for `publish()`
   * @private
   */
  _send(topic, message, data, isDroppable) {
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    const payload = Buffer.allocUnsafe(HEADER_LENGTH + length);
    payload.set(MARK);
    payload[MARK.length] =
      (message.isBinary ? BINARY : 0) |
      (message.compress ? 0 : UNCOMPRESSED) |
      (isDroppable ? DROPPABLE : 0);
    payload.set(this._origin, MARK.length + 1);
    if (typeof data === 'string') payload.write(data, HEADER_LENGTH);
    else payload.set(data, HEADER_LENGTH);
    let result;
    try {
      result = this._broker.publish(topic, payload, message.isBinary);
    } catch (error) {
      this._lose(error);
      return;
    }
    if (typeof (/** @type {any} */ (result)?.then) !== 'function') this._recover();
    else {
      /** @type {Promise<unknown>} */ (result).then(
        () => this._recover(),
        (error) => this._lose(error)
      );
    }
  }

  /**
   * Delivers what has come from the broker.
   *
   * @param {string} topic The topic
   * @param {Uint8Array} payload The payload as it came
   * @private
   */
  _receive(topic, payload) {
    if (!this._interests.has(topic)) return;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const message = this._read(bytes);
    if (message === null) return;
    const isDroppable = isMarked(bytes) && (bytes[MARK.length] & DROPPABLE) !== 0;
    for (const member of this._members) member.publishLocally(topic, message, null, isDroppable);
  }

  /**
   * @param {Buffer} bytes A payload as it came
   * @return {Message | null} The message; `null` where this link has published it
   * @private
   */
  _read(bytes) {
    if (!isMarked(bytes)) return new Message(bytes, { binary: !isValidUTF8(bytes) });
    const originAt = MARK.length + 1;
    if (this._origin.equals(bytes.subarray(originAt, HEADER_LENGTH))) return null;
    const flags = bytes[MARK.length];
    const data = bytes.subarray(HEADER_LENGTH);
    const isBinary = (flags & BINARY) !== 0;
    // What is sent as text has to be, whatever has put it there: a peer would end the connection.
    return new Message(data, {
      binary: isBinary || !isValidUTF8(data),
      compress: (flags & UNCOMPRESSED) === 0
    });
  }

  /**
   * Makes what the broker sends follow what is wanted: one request at a time for a topic, the last
   * wish wins.
   *
   * @param {Interest} interest The interest in a topic
   * @private
   */
  _follow(interest) {
    if (interest.change !== null || this._hasEnded) return;
    const isWanted = interest.servers > 0;
    if (interest.isSubscribed === isWanted) {
      if (!isWanted) this._interests.delete(interest.topic);
      return;
    }
    const { topic } = interest;
    interest.change = attempt(() =>
      isWanted ? this._broker.subscribe(topic) : this._broker.unsubscribe(topic)
    ).then(
      () => this._settle(interest, isWanted, isWanted),
      (error) => {
        this._settle(interest, isWanted, !isWanted);
        this._report(error);
        if (isWanted) setTimeout(() => this._follow(interest), RETRY_INTERVAL_MS).unref();
      }
    );
  }

  /**
   * @param {Interest} interest The interest in a topic
   * @param {boolean} wasWanted What was asked for
   * @param {boolean} isSubscribed What it is now
   * @private
   */
  _settle(interest, wasWanted, isSubscribed) {
    interest.change = null;
    interest.isSubscribed = isSubscribed;
    if (interest.servers > 0 !== wasWanted) this._follow(interest);
    else if (!wasWanted) this._interests.delete(interest.topic);
  }

  /**
   * Reports an error on all servers, at most once in a while.
   *
   * @param {Error & { lost?: number }} error The error
   * @private
   */
  _report(error) {
    const time = now();
    if (time - this._reportedAt < REPORT_INTERVAL_MS) return;
    this._reportedAt = time;
    error.lost = this._lost;
    this._lost = 0;
    for (const member of this._members) member.reportBrokerError(error);
  }

  /**
   * Notes that a message didn't go to the broker.
   *
   * @param {unknown} error Why
   * @private
   */
  _lose(error) {
    this._lost++;
    this._report(toError(error));
  }

  /**
   * Notes that the broker works: the next failure is reported at once.
   *
   * @private
   */
  _recover() {
    if (this._lost === 0) this._reportedAt = Number.NEGATIVE_INFINITY;
  }
}

/**
 * Whether and why the broker is to send a topic.
 */
class Interest {
  /**
   * @param {string} topic The topic
   */
  constructor(topic) {
    this.topic = topic;
    /** How many servers have subscribers. */
    this.servers = 0;
    /** Whether the broker sends it. */
    this.isSubscribed = false;
    /** The request that is under way. @type {Promise<void> | null} */
    this.change = null;
  }
}

/**
 * @param {Buffer} bytes A payload as it came
 * @return {boolean} Whether it begins with our header
 */
function isMarked(bytes) {
  return bytes.length >= HEADER_LENGTH && bytes.compare(MARK, 0, MARK.length, 0, MARK.length) === 0;
}

/**
 * Calls a method of a broker.
 *
 * @param {() => unknown} method The method
 * @return {Promise<unknown>} What it returned; rejected with what it threw, which is made an
 * `Error`
 */
async function attempt(method) {
  try {
    return await method();
  } catch (error) {
    throw toError(error);
  }
}

/**
 * @param {unknown} error What was thrown
 * @return {Error} The same, as an error
 */
function toError(error) {
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * Gives the link of this thread to a broker.
 *
 * @param {any} broker What was given as the option `broker`
 * @return {BrokerLink} The link
 * @throws {TypeError} If it's no broker
 */
function linkTo(broker) {
  const missing = METHODS.find((name) => typeof broker?.[name] !== 'function');
  if (missing !== undefined) {
    throw new TypeError(`The option "broker" must be a broker: it has no method ${missing}()`);
  }
  let link = links.get(broker);
  if (link === undefined) {
    link = new BrokerLink(broker);
    links.set(broker, link);
  }
  return link;
}

module.exports = { linkTo };

// @ts-check
'use strict';

// What the connections of an engine send: commands, and the memory that payloads are collected in
// until the end of a tick. See `src/binding/engine`.

const { copy } = require('../buffer-util');
const { nextTick } = require('../host');
const native = require('../native');
const { Departure } = require('../turn-end');
const SharedIntegers = require('./shared-integers');

const {
  COMMAND_FIELDS,
  FRAME_COMPRESSED: COMPRESSED,
  FRAME_FIELDS,
  FRAME_MASKED: MASKED,
  FRAME_PUBLISHED: PUBLISHED,
  FRAME_RAW: RAW,
  LARGE_INPUT,
  TOPIC_ATTACH,
  TOPIC_DETACH,
  TOPIC_EXCEPT,
  TOPIC_FIELDS,
  TOPIC_PUBLISH,
  TOPIC_SUBSCRIBE,
  TOPIC_UNSUBSCRIBE
} = native;

/**
 * Frames, commands and bytes of payloads that there is room for at first, and at most: then they
 * are handed over before the tick ends.
 */
const FRAMES = [1024, 64 * 1024];
const COMMANDS = [1024, 64 * 1024];
const TOPIC_COMMANDS = [256, 16 * 1024];
const SCRATCH_LENGTH = [256 * 1024, 1024 * 1024];
/**
 * Payloads up to this many bytes are copied; beyond that the kernel takes them from where they are.
 */
const MAX_COPY_LENGTH = 16 * 1024;
/**
 * Up to this many a task gets a copy, and this thread is spared the system call: 5.0 instead of
 * 7.3 µs for 64 KiB. For 1 MiB the copy takes longer than the call.
 */
const MAX_LEFT_LENGTH = 256 * 1024;
/** Payloads up to this many bytes are compressed by the engine; longer ones on other threads. */
const MAX_COMPRESSED_LENGTH = LARGE_INPUT - 1;
/** In a command: a frame that isn't there. */
const NO_FRAME = -1;
/**
 * Bytes that are sent to several are compared from this many on, and held once. To copy shorter
 * ones takes less than half the time.
 */
const MIN_COMPARED_LENGTH = 512;

/** @typedef {import('./connection/sending').EngineFrameQueue} Connection */

/**
 * The commands of one engine.
 */
class Outbox {
  /**
   * @param {import('./index').Engine} engine The engine
   */
  constructor(engine) {
    this._engine = engine;
    /** Whether events are handed out: what their listeners send leaves when that is done. */
    this.isDispatching = false;
    this._frames = new SharedIntegers(FRAMES[0] * FRAME_FIELDS);
    this._frameCount = 0;
    this._commands = new SharedIntegers(COMMANDS[0] * COMMAND_FIELDS);
    this._commandCount = 0;
    /**
     * What is published, and which connections have subscribed to what. @type {SharedIntegers |
     * null}
     */
    this._topics = null;
    this._topicCount = 0;
    /** Bytes that were published with a limit and may still be in no queue that JavaScript sees. */
    this.publishedBytes = 0;
    /** Numbers of topics: the next one, and those that are free again. */
    this._nextTopic = 0;
    /** @type {number[]} */
    this._freeTopics = [];
    this._scratch = Buffer.allocUnsafeSlow(SCRATCH_LENGTH[0]);
    this._scratchUsed = 0;
    /**
     * The payload of the last frame, unless that is masked; the first byte of its header; the
     * payload's copy, once it has been compared; the bytes of the frame.
     */
    this._latest = /** @type {Buffer | string | null} */ (null);
    this._latestFirst = RAW;
    this._latestCopy = /** @type {Buffer | null} */ (null);
    this._latestTotal = 0;
    /** @type {Connection[]} Those with something to be compressed that was not flushed yet. */
    this._holding = [];
    /** @type {Connection[]} Connections that have callbacks of what was not flushed yet. */
    this._expecting = [];
    /** How often everything was written out to tell what is buffered, and when it was last. */
    this.counts = 0;
    this.countedAt = Number.NEGATIVE_INFINITY;
    this._departure = new Departure(() => this.flush());
  }

  /**
   * Adds a frame, or bytes that go as they are, to what is sent in this tick.
   *
   * @param {number} id The connection
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes, at most `MAX_COPY_LENGTH`, or `MAX_COMPRESSED_LENGTH`
   * @param {number} first The first byte of the header, with `COMPRESSED` where the payload is to
   *   be compressed; or `RAW`
   * @param {boolean} mask Whether the frame is masked
   * @return {number} Bytes on the wire
   */
  append(id, data, length, first, mask) {
    if (this._commandCount * COMMAND_FIELDS === this._commands.values.length) {
      this._makeRoomForCommands();
    }
    if (mask || data !== this._latest || first !== this._latestFirst || !this._isAsSent(data)) {
      this._addFrame(data, length, first, mask);
    }
    if (this._commandCount === 0 && this._engine.isTasked) {
      native.beginToSend(this._engine.native);
    }
    const { values } = this._commands;
    const at = this._commandCount * COMMAND_FIELDS;
    values[at] = id;
    values[at + 1] = this._frameCount - 1;
    this._commandCount++;
    this.schedule();
    return this._latestTotal;
  }

  /**
   * Adds the last frame for another connection.
   *
   * @param {number} id The connection
   * @param {Buffer | string} data The payload
   * @param {number} first The first byte of the header
   * @return {number} Bytes on the wire; 0 where it's another frame
   */
  repeat(id, data, first) {
    const { values } = this._commands;
    const at = this._commandCount * COMMAND_FIELDS;
    if (data !== this._latest || first !== this._latestFirst || at === values.length) return 0;
    if (!this._isAsSent(data)) return 0;
    values[at] = id;
    values[at + 1] = this._frameCount - 1;
    this._commandCount++;
    this.schedule();
    return this._latestTotal;
  }

  /**
   * Adds a message for all that have subscribed to a topic, and are attached. There has to be room.
   *
   * @param {number} topic The topic
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes, at most `MAX_COPY_LENGTH`
   * @param {number} first The first byte of the header
   * @param {boolean} compresses Whether it's compressed for connections that do that; then at most
   *   `MAX_COMPRESSED_LENGTH`
   * @param {number[]} except Connections that don't get it
   */
  publish(topic, data, length, first, compresses, except) {
    for (const id of except) this._addTopicCommand(TOPIC_EXCEPT, id, 0);
    const header = compresses ? first | PUBLISHED : first;
    if (data !== this._latest || header !== this._latestFirst || !this._isAsSent(data)) {
      this._addFrame(data, length, header, false);
    }
    this._addTopicCommand(TOPIC_PUBLISH, topic, this._frameCount - 1);
    this.schedule();
  }

  /**
   * Makes room, so that nothing is handed over before what is added next: that may find that
   * connections are in the way of what is published.
   *
   * @param {number} commands How many commands of topics are added
   * @param {number} [length] Bytes of a message that is published
   */
  reserve(commands, length = -1) {
    if (length >= 0) {
      if (this._frameCount * FRAME_FIELDS === this._frames.values.length) this._makeRoomForFrames();
      const total = headerLengthOf(length, false) + length;
      if (this._scratchUsed + total > this._scratch.length) this._makeRoom(total);
    }
    this._makeRoomForTopics(commands);
  }

  /**
   * Has what was published handed over before it's so much that it exceeds what a connection may
   * have buffered: then it's known who has to wait.
   *
   * @param {number} length Bytes of the next message
   * @param {number} most How many may be on their way
   */
  limitPublished(length, most) {
    const total = headerLengthOf(length, false) + length;
    if (this.publishedBytes + total > most) this.flush(true);
    this.publishedBytes += total;
  }

  /**
   * @return {number} The number of a topic
   */
  takeTopic() {
    return this._freeTopics.pop() ?? this._nextTopic++;
  }

  /**
   * @param {number} topic The number of a topic without subscribers
   */
  freeTopic(topic) {
    this._freeTopics.push(topic);
  }

  /**
   * @param {number} topic A topic
   * @param {number} id A connection that subscribes to it
   */
  subscribe(topic, id) {
    this._addTopicCommand(TOPIC_SUBSCRIBE, topic, id);
  }

  /**
   * @param {number} topic A topic
   * @param {number} id A connection that does so no longer
   */
  unsubscribe(topic, id) {
    this._addTopicCommand(TOPIC_UNSUBSCRIBE, topic, id);
  }

  /**
   * @param {number} id A connection that gets what is published from now on
   * @param {number} least How many bytes a message has at least that it compresses
   */
  attach(id, least) {
    this._addTopicCommand(TOPIC_ATTACH, id, least);
  }

  /**
   * @param {number} id A connection that does so no longer
   */
  detach(id) {
    this._addTopicCommand(TOPIC_DETACH, id, 0);
  }

  /**
   * @param {number} action What it is
   * @param {number} first Its first value
   * @param {number} second Its second value
   * @private
   */
  _addTopicCommand(action, first, second) {
    const { values } = this._makeRoomForTopics(1);
    const at = this._topicCount * TOPIC_FIELDS;
    values[at] = this._commandCount;
    values[at + 1] = action;
    values[at + 2] = first;
    values[at + 3] = second;
    this._topicCount++;
  }

  /**
   * Makes room for commands of topics.
   *
   * @param {number} count How many
   * @return {SharedIntegers} What they are in
   * @private
   */
  _makeRoomForTopics(count) {
    if (this._topicCount + count > TOPIC_COMMANDS[1] && this._topicCount > 0) this.flush();
    let topics = this._topics ?? new SharedIntegers(TOPIC_COMMANDS[0] * TOPIC_FIELDS);
    while ((this._topicCount + count) * TOPIC_FIELDS > topics.values.length) {
      const grown = new SharedIntegers(2 * topics.values.length);
      grown.values.set(topics.values);
      topics = grown;
    }
    this._topics = topics;
    return topics;
  }

  /**
   * Tells whether the payload of the last frame, which is sent again, is still what was sent:
   * strings are, bytes may have changed.
   *
   * @param {Buffer | string} data The payload
   * @return {boolean} Whether it is
   * @private
   */
  _isAsSent(data) {
    if (typeof data === 'string') return true;
    const end = this._scratchUsed;
    this._latestCopy ??= this._scratch.subarray(end - data.length, end);
    return data.equals(this._latestCopy);
  }

  /**
   * Adds a frame for the next command.
   *
   * @param {Buffer | string} data The payload
   * @param {number} length Its bytes
   * @param {number} first The first byte of the header
   * @param {boolean} mask Whether the frame is masked
   * @private
   */
  _addFrame(data, length, first, mask) {
    const headerLength = first === RAW ? 0 : headerLengthOf(length, mask);
    const total = headerLength + length;
    if (this._frameCount * FRAME_FIELDS === this._frames.values.length) this._makeRoomForFrames();
    if (this._scratchUsed + total > this._scratch.length) this._makeRoom(total);
    const start = this._scratchUsed;
    copy(this._scratch, data, length, start + headerLength);
    const { values } = this._frames;
    const at = this._frameCount * FRAME_FIELDS;
    values[at] = start;
    values[at + 1] = length;
    values[at + 2] = mask ? first | MASKED : first;
    this._frameCount++;
    this._scratchUsed = start + total;
    const isRepeatable = !mask && (length >= MIN_COMPARED_LENGTH || typeof data === 'string');
    this._latest = isRepeatable ? data : null;
    this._latestFirst = first;
    this._latestCopy = null;
    this._latestTotal = total;
  }

  /**
   * Makes room for a command: what there is gets larger, or is handed over.
   *
   * @private
   */
  _makeRoomForCommands() {
    const grown = grow(this._commands, COMMANDS[1] * COMMAND_FIELDS);
    if (grown === null) this.flush();
    else this._commands = grown;
  }

  /**
   * Makes room for a frame.
   *
   * @private
   */
  _makeRoomForFrames() {
    const grown = grow(this._frames, FRAMES[1] * FRAME_FIELDS);
    if (grown === null) this.flush();
    else this._frames = grown;
  }

  /**
   * Makes room in the scratch.
   *
   * @param {number} length Bytes, fewer than there are at first
   * @private
   */
  _makeRoom(length) {
    const size = 2 * this._scratch.length;
    if (size > SCRATCH_LENGTH[1]) {
      this.flush();
      return;
    }
    const grown = Buffer.allocUnsafeSlow(size);
    grown.set(this._scratch.subarray(0, this._scratchUsed));
    this._scratch = grown;
    this._latestCopy = null;
    if (this._scratchUsed + length > size) this._makeRoom(length);
  }

  /**
   * Takes back what a connection wanted to be compressed and was not flushed yet, and what it sent
   * behind that.
   *
   * @param {number} id The connection
   */
  takeBack(id) {
    const { values } = this._commands;
    let isBehind = false;
    for (let index = 0; index < this._commandCount; index++) {
      const at = index * COMMAND_FIELDS;
      if (values[at] !== id || values[at + 1] === NO_FRAME) continue;
      const first = this._frames.values[values[at + 1] * FRAME_FIELDS + 2];
      isBehind = isBehind || (first !== RAW && (first & COMPRESSED) !== 0);
      if (isBehind) values[at + 1] = NO_FRAME;
    }
  }

  /**
   * Remembers that something of a connection is to be compressed by the next flush.
   *
   * @param {Connection} connection The connection
   */
  hold(connection) {
    this._holding.push(connection);
  }

  /**
   * Remembers that callbacks of a connection wait for the next flush.
   *
   * @param {Connection} connection The connection
   */
  expect(connection) {
    this._expecting.push(connection);
    this._departure.hurry();
  }

  /** Whether callbacks wait for the next flush. */
  get isExpected() {
    return this._expecting.length > 0;
  }

  /**
   * Sees to a flush at the end of the tick, of the dispatch, or of the turn of the event loop.
   */
  schedule() {
    this._departure.schedule(this.isDispatching);
  }

  /**
   * Tells whether a frame that is too long for the scratch may be left to the task.
   *
   * @param {number} length Bytes of its payload
   * @return {boolean} `false` where there is no task, or that is too much for it
   */
  canLeave(length) {
    return this._engine.isTasked && length <= MAX_LEFT_LENGTH;
  }

  /**
   * Tells whether what has been handed over waits without a connection's knowing: a task has found
   * that out, and it's on the way.
   *
   * @param {number} id The connection
   * @return {boolean} Whether something waits
   */
  hasUntoldBacklog(id) {
    return this._engine.isTasked && native.pendingBytes(this._engine.native, id) > 0;
  }

  /**
   * Hands over what is to be sent.
   *
   * @param {boolean} [isUrgent] Whether it has to be with the kernel, as far as that takes it, when
   *   this returns; so it has where a callback waits for that
   */
  flush(isUrgent = false) {
    const atOnce = isUrgent || this._expecting.length > 0;
    if (atOnce || !this._engine.isTasked) this.publishedBytes = 0;
    const hasTopics = this._topicCount > 0;
    if (this._commandCount > 0 || hasTopics || (this._engine.isTasked && atOnce)) {
      if (hasTopics) {
        const { memory } = /** @type {SharedIntegers} */ (this._topics);
        native.queueTopics(this._engine.native, memory, this._topicCount);
        this._topicCount = 0;
      }
      const frameCount = this._frameCount;
      const commandCount = this._commandCount;
      this._frameCount = 0;
      this._commandCount = 0;
      this._scratchUsed = 0;
      this._latest = null;
      this._latestCopy = null;
      const waiting = native.flushEngine(
        this._engine.native,
        this._frames.memory,
        frameCount,
        this._commands.memory,
        commandCount,
        this._scratch,
        atOnce
      );
      if (waiting) for (const id of waiting) this._engine.connectionOf(id)?.becomeBacklogged();
    }
    if (this._holding.length > 0) {
      const holding = this._holding;
      this._holding = [];
      for (const connection of holding) connection.release();
    }
    if (this._expecting.length > 0) {
      const expecting = this._expecting;
      this._expecting = [];
      const handed = expecting.map((connection) => connection.noteFlush());
      nextTick(settleAll, expecting, handed);
    }
  }

  /**
   * Ends the process: no tick comes any more whose end could be waited for.
   */
  endProcess() {
    this.flush(true);
    this.schedule = () => this.flush(true);
  }
}

/**
 * Gives integers twice the room.
 *
 * @param {SharedIntegers} integers The integers
 * @param {number} most How many there may be
 * @return {SharedIntegers | null} `null` where that is too much
 */
function grow(integers, most) {
  const length = 2 * integers.values.length;
  if (length > most) return null;
  const grown = new SharedIntegers(length);
  grown.values.set(integers.values);
  return grown;
}

/**
 * Tells how long the header of a frame is, RFC 6455, section 5.2: the payload goes after it.
 *
 * @param {number} length Bytes of the payload
 * @param {boolean} mask Whether the frame is masked
 * @return {number} Bytes of the header
 */
function headerLengthOf(length, mask) {
  const key = mask ? 4 : 0;
  if (length < 126) return key + 2;
  return length < 65536 ? key + 4 : key + 10;
}

/**
 * Calls what waited for a flush.
 *
 * @param {Connection[]} connections The connections
 * @param {number[]} handed How many of their bytes were handed over in it
 */
function settleAll(connections, handed) {
  for (let index = 0; index < connections.length; index++) connections[index].settle(handed[index]);
}

module.exports = { COMPRESSED, MAX_COMPRESSED_LENGTH, MAX_COPY_LENGTH, Outbox, RAW };

// @ts-check
'use strict';

// Turns the bytes of a connection into events. The native decoder takes a chunk in one call and
// gives records back; this file hands them out with the timing of ws.

const { Writable } = require('node:stream');

const { BINARY_TYPES, EMPTY_BUFFER, kWebSocket, NOOP } = require('./constants');
const { convertFragments, convertMessage } = require('./binary-type');
const { FastBuffer, concat } = require('./buffer-util');
const { createInternalError, createProtocolError } = require('./errors');
const FrameQueue = require('./frame-queue');
const { nextTick, setImmediate } = require('./host');
const native = require('./native');
const { notePayload } = require('./payload-memory');
const PerMessageDeflate = require('./permessage-deflate');
const { rethrow } = require('./send-callback');
const { toInt32, toLimit } = require('./validation');

const {
  FINAL_FRAME,
  RECORD_BINARY,
  RECORD_CLOSE,
  RECORD_COMPRESSED,
  RECORD_ERROR,
  RECORD_FIELDS,
  RECORD_PING,
  RECORD_PONG,
  RECORD_TEXT
} = native;

/** Values of `_state`, numbered as in ws; what lies between them is the decoder's. */
const DECODING = 0;
const INFLATING = 5;
const DEFER_EVENT = 6;

/** Events decoded at once: more only means another native call for the same chunk. */
const RECORDS = 256;
/** Bytes of a chunk that the integers of a record can tell the places of. */
const MAX_CHUNK_LENGTH = 2 ** 30;

const kLimits = Symbol('limits');
const NO_EXTENSIONS = Object.freeze({});

/**
 * The class below, with the fields that are read here.
 *
 * @type {new () => Writable & {_writableState: import('./transport').WritableState}}
 */
const Stream = /** @type {any} */ (Writable);

/**
 * The events of one chunk, decoded and waiting to be handed out. Reused: a receiver needs one
 * only while it works on a chunk, and that is rarely more than one receiver at a time.
 */
class Batch {
  constructor() {
    const memory = Buffer.alloc((RECORDS + 1) * RECORD_FIELDS * Int32Array.BYTES_PER_ELEMENT);
    this.memory = memory;
    this.records = new Int32Array(memory.buffer, memory.byteOffset, memory.length / 4);
    this.count = 0;
    this.index = 0;
    /** @type {Buffer} */
    this.chunk = EMPTY_BUFFER;
    /** @type {(error?: Error | null) => void} */
    this.callback = NOOP;
    this.maxPayload = 0;
  }

  /** The position in the chunk that decoding has reached. */
  get position() {
    return this.records[0];
  }

  /**
   * Takes a chunk, nothing of which is decoded yet.
   *
   * @param {Buffer} chunk The bytes
   * @param {(error?: Error | null) => void} callback Called when every event has been emitted
   */
  start(chunk, callback) {
    this.records[0] = 0;
    this.count = 0;
    this.index = 0;
    this.chunk = chunk;
    this.callback = callback;
  }
}

/** @type {Batch[]} */
const freeBatches = [];
/** Batches that are kept; more are in use only while many connections wait for something. */
const MAX_FREE_BATCHES = 16;

/**
 * Receives one connection: a `Writable` that takes its bytes and emits `'message'`, `'ping'`,
 * `'pong'` and, for a close frame, `'conclude'`.
 */
class Receiver extends Stream {
  /**
   * @param {object} [options] Options
   * @param {boolean} [options.allowSynchronousEvents=true] Whether several events may be emitted
   *   in one turn of the event loop
   * @param {string} [options.binaryType='nodebuffer'] What binary messages are given as
   * @param {Record<string, any>} [options.extensions={}] The agreed extensions by name
   * @param {boolean} [options.isServer=false] The role
   * @param {number} [options.maxBufferedChunks=0] Chunks that may wait for a frame to be complete;
   *   0 for no limit
   * @param {number} [options.maxFragments=0] Frames that a message may have; 0 for no limit
   * @param {number} [options.maxPayload=0] Bytes that a message may have; 0 for no limit
   * @param {boolean} [options.skipUTF8Validation=false] Whether text is taken without a check
   */
  constructor(options = {}) {
    super();
    const { allowSynchronousEvents = true } = options;
    this._allowSynchronousEvents = allowSynchronousEvents;
    this._binaryType = options.binaryType || BINARY_TYPES[0];
    this._extensions = options.extensions || {};
    this._isServer = !!options.isServer;
    this[kLimits] = readLimits(options);
    /** @type {any} */
    this[kWebSocket] = undefined;

    /** @type {((limits: any) => void) | undefined} Called when a limit is set. */
    this.onLimits = undefined;
    /** Asked to look again when a chunk is used up. @type {import('./transport').Rest | null} */
    this._onRest = null;
    /** @type {any} The native decoder, made with the first chunk. */
    this._decoder = null;
    /** @type {Batch | null} */
    this._batch = null;
    /** @type {Buffer[]} The inflated frames of a message. */
    this._fragments = [];
    this._messageLength = 0;
    this._state = DECODING;
    this._loop = false;
    /** Whether a listener threw, and what comes after waits for the next turn. */
    this._isInterrupted = false;
    this._errored = false;
    this._concluded = false;
  }

  /** Chunks that may wait for a frame to be complete. May be set at any time. */
  get _maxBufferedChunks() {
    return this[kLimits].maxBufferedChunks;
  }

  set _maxBufferedChunks(value) {
    this[kLimits].maxBufferedChunks = value;
    this._applyLimits();
  }

  /** Frames that a message may have. May be set at any time. */
  get _maxFragments() {
    return this[kLimits].maxFragments;
  }

  set _maxFragments(value) {
    this[kLimits].maxFragments = value;
    this._applyLimits();
  }

  /** Bytes that a message may have. May be set at any time. */
  get _maxPayload() {
    return this[kLimits].maxPayload;
  }

  set _maxPayload(value) {
    this[kLimits].maxPayload = value;
    this._applyLimits();
  }

  /** Whether text is taken without a check. May be set at any time. */
  get _skipUTF8Validation() {
    return this[kLimits].skipUTF8Validation;
  }

  set _skipUTF8Validation(value) {
    this[kLimits].skipUTF8Validation = value;
    this._applyLimits();
  }

  /** The declared lengths of the frames of the message that is under way, added up. */
  get _totalPayloadLength() {
    return this._decoder === null ? 0 : native.totalPayloadLength(this._decoder);
  }

  /**
   * Takes it for another connection, of the same role. To be called while it is idle, of one that
   * no program has asked for.
   *
   * @param {any} options The options, as for a new one
   */
  _reuse(options) {
    this._binaryType = options.binaryType;
    this._extensions = options.extensions;
    this[kLimits] = readLimits(options);
    this._applyLimits();
  }

  /**
   * Lets go of its connection, and of what that has made.
   */
  _release() {
    this[kWebSocket] = undefined;
    this._extensions = NO_EXTENSIONS;
    this._onRest = null;
  }

  /** Whether all that was written is emitted, and ends with a message. */
  get _isIdle() {
    const { errored, length } = this._writableState;
    return (
      this._state === DECODING &&
      this._batch === null &&
      this._fragments.length === 0 &&
      length === 0 &&
      !errored &&
      !this._concluded &&
      (this._decoder === null || native.isBetweenMessages(this._decoder))
    );
  }

  /** Whether it comes to a rest by itself: there is something written that is not emitted yet. */
  get _isWorking() {
    return this._batch !== null || this._state !== DECODING || this._writableState.length > 0;
  }

  /**
   * Tells the decoder the limits, which hold from the next frame on.
   *
   * @private
   */
  _applyLimits() {
    this.onLimits?.(this[kLimits]);
    if (this._decoder === null) return;
    const { maxBufferedChunks, maxFragments, maxPayload, skipUTF8Validation } = this[kLimits];
    native.setDecoderLimits(
      this._decoder,
      toLimit(maxPayload),
      toLimit(maxFragments),
      toLimit(maxBufferedChunks),
      !!skipUTF8Validation
    );
  }

  /**
   * Implements `Writable.prototype._write()`.
   *
   * @param {Buffer} chunk The bytes
   * @param {string} _encoding Unused: strings arrive as buffers
   * @param {(error?: Error | null) => void} callback Called when every event has been emitted
   */
  _write(chunk, _encoding, callback) {
    // RFC 6455, section 5.5.1: nothing counts after a close frame.
    if (this._concluded) return callback();
    if (chunk.length > MAX_CHUNK_LENGTH) {
      this._writeParts(chunk, callback);
      return;
    }
    if (this._decoder === null) {
      const compressed = !!this._extensions[PerMessageDeflate.extensionName];
      this._decoder = native.createDecoder(this._isServer, compressed);
      this._applyLimits();
    }
    const batch = freeBatches.pop() || new Batch();
    batch.start(chunk, callback);
    this._batch = batch;
    // An exception passes through `write()`, as with ws. Where Node writes chunks that had to wait,
    // it would never write the ones after this.
    if (this._writableState.bufferProcessing) runApart(this);
    else this._run();
  }

  /**
   * Takes a chunk that is too long for the integers of a record in two parts.
   *
   * @param {Buffer} chunk The bytes
   * @param {(error?: Error | null) => void} callback Called when every event has been emitted
   * @private
   */
  _writeParts(chunk, callback) {
    this._write(chunk.subarray(0, MAX_CHUNK_LENGTH), 'buffer', (error) => {
      if (error) callback(error);
      else this._write(chunk.subarray(MAX_CHUNK_LENGTH), 'buffer', callback);
    });
  }

  /**
   * Decodes the chunk from where decoding has got to.
   *
   * @param {Batch} batch The batch that takes the records
   * @private
   */
  _decode(batch) {
    batch.maxPayload = this[kLimits].maxPayload;
    batch.index = 0;
    batch.count = 0;
    try {
      batch.count = native.decode(this._decoder, batch.chunk, batch.position, batch.memory);
    } catch (error) {
      // Only a mistake of ours gets here. It costs this connection, not the process.
      this._finish(createInternalError(/** @type {Error} */ (error).message));
    }
  }

  /**
   * Emits events until the chunk is used up or something has to be waited for. An exception of a
   * listener goes through to the caller, as with ws, but what comes after it is not lost: it
   * follows in the next turn of the event loop.
   *
   */
  _run() {
    const batch = /** @type {Batch} */ (this._batch);
    let thrown = true;
    this._loop = true;
    FrameQueue.enterDispatch();
    try {
      while (this._loop) {
        if (batch.index < batch.count) {
          batch.index++;
          this._handle(batch, batch.index * RECORD_FIELDS);
        } else if (batch.position < batch.chunk.length && !this._concluded) {
          this._decode(batch);
        } else {
          break;
        }
      }
      thrown = false;
    } finally {
      FrameQueue.leaveDispatch();
      if (thrown) this._resumeLater();
    }
    if (this._state === DECODING) this._finish(null);
  }

  /**
   * Goes on after an exception, in the next turn of the event loop. One that passes through several
   * calls counts once: to go on a second time might be while a frame is being inflated.
   *
   * @private
   */
  _resumeLater() {
    if (this._isInterrupted) return;
    this._isInterrupted = true;
    setImmediate(() => {
      this._isInterrupted = false;
      this._resume();
    });
  }

  /**
   * Goes on after something that was waited for.
   *
   * @private
   */
  _resume() {
    this._state = DECODING;
    if (this._batch !== null) this._run();
  }

  /**
   * Ends the work on a chunk.
   *
   * @param {Error | null} error Why the connection has to fail, or `null`
   * @private
   */
  _finish(error) {
    const batch = this._batch;
    this._loop = false;
    if (batch === null) return;
    const { callback } = batch;
    this._batch = null;
    batch.chunk = EMPTY_BUFFER;
    batch.callback = NOOP;
    if (freeBatches.length < MAX_FREE_BATCHES) freeBatches.push(batch);
    if (error !== null) {
      this._errored = true;
      callback(error);
    } else {
      callback();
    }
    this._onRest?.askSoon();
  }

  /**
   * Handles one event.
   *
   * @param {Batch} batch The batch
   * @param {number} at Where its record begins
   * @private
   */
  _handle(batch, at) {
    const { records } = batch;
    const kind = records[at];
    if (kind === RECORD_TEXT || kind === RECORD_BINARY) {
      this._handleMessage(batch, at, kind === RECORD_BINARY);
    } else if (kind === RECORD_PING || kind === RECORD_PONG) {
      this._emitControl(kind === RECORD_PING ? 'ping' : 'pong', this._payload(batch, at));
    } else if (kind === RECORD_COMPRESSED) {
      this._inflate(records[at + 1], this._payload(batch, at));
    } else if (kind === RECORD_CLOSE) {
      this._conclude(records[at + 1], this._payload(batch, at));
    } else if (kind === RECORD_ERROR) {
      this._handleError(batch);
    }
  }

  /**
   * Gives the payload of an event.
   *
   * @param {Batch} batch The batch
   * @param {number} at Where its record begins
   * @return {Buffer} A view on the chunk, or memory of its own
   * @private
   */
  _payload({ chunk, records }, at) {
    const place = records[at + 2];
    const length = records[at + 3];
    if (length === 0) return EMPTY_BUFFER;
    if (place >= 0) return new FastBuffer(chunk.buffer, chunk.byteOffset + place, length);
    // And the chunks that it came in.
    notePayload(2 * length);
    return native.takePayload(this._decoder, -1 - place);
  }

  /**
   * Handles a message that was not compressed.
   *
   * @param {Batch} batch The batch
   * @param {number} at Where its record begins
   * @param {boolean} isBinary Whether it is binary
   * @private
   */
  _handleMessage(batch, at, isBinary) {
    const { maxPayload } = this[kLimits];
    const { records } = batch;
    // A listener of an event before this one may have lowered the limit.
    if (batch.maxPayload !== maxPayload && maxPayload > 0 && records[at + 3] > maxPayload) {
      this._fail(native.messageLengthError());
      return;
    }
    let lengths;
    if (isBinary && records[at + 1] > 0 && this._binaryType === 'fragments') {
      lengths = native.fragmentLengths(this._decoder, -1 - records[at + 2]);
    }
    const payload = this._payload(batch, at);
    if (isBinary) this._emitMessage(convertMessage(this._binaryType, payload, lengths), true);
    else this._emitMessage(payload, false);
  }

  /**
   * Emits a message, in a turn of the event loop of its own if the options say so.
   *
   * @param {any} data The message
   * @param {boolean} isBinary Whether it is binary
   * @private
   */
  _emitMessage(data, isBinary) {
    if (this._allowSynchronousEvents) {
      this._state = DECODING;
      this.emit('message', data, isBinary);
    } else {
      this._defer(() => this.emit('message', data, isBinary));
    }
  }

  /**
   * Emits a ping or a pong, in a turn of the event loop of its own if the options say so.
   *
   * @param {string} event The event
   * @param {Buffer} data The payload
   * @private
   */
  _emitControl(event, data) {
    if (this._allowSynchronousEvents) this.emit(event, data);
    else this._defer(() => this.emit(event, data));
  }

  /**
   * Emits an event in the next turn of the event loop and goes on from there.
   *
   * @param {() => void} emit Emits the event
   * @private
   */
  _defer(emit) {
    this._state = DEFER_EVENT;
    this._loop = false;
    setImmediate(() => {
      try {
        emit();
      } catch (error) {
        // What comes after isn't put off for it: that would be a turn later than with ws.
        nextTick(rethrow, error);
      }
      this._resume();
    });
  }

  /**
   * Emits an event outside of `_run`, with the same care for what comes after an exception.
   *
   * @param {() => void} emit Emits the event
   * @private
   */
  _guard(emit) {
    let thrown = true;
    try {
      emit();
      thrown = false;
    } finally {
      if (thrown) this._resumeLater();
    }
  }

  /**
   * Handles a close frame.
   *
   * @param {number} code The close code
   * @param {Buffer} reason The close reason
   */
  _conclude(code, reason) {
    this._concluded = true;
    this._loop = false;
    try {
      this.emit('conclude', code, reason);
    } finally {
      this.end();
    }
  }

  /**
   * Inflates a frame of a compressed message and, after the last, emits the message.
   *
   * @param {number} detail Opcode and FIN
   * @param {Buffer} data The frame's payload
   * @private
   */
  _inflate(detail, data) {
    const perMessageDeflate = this._extensions[PerMessageDeflate.extensionName];
    const isLast = (detail & FINAL_FRAME) !== 0;
    this._state = INFLATING;
    this._loop = false;
    perMessageDeflate.decompress(
      data,
      isLast,
      (/** @type {Error | null} */ error, /** @type {Buffer} */ inflated) => {
        if (error) return this._finish(error);
        if (!this._collect(inflated)) return;
        if (isLast) this._guard(() => this._completeInflated((detail & 3) === 2));
        else this._state = DECODING;
        if (this._state === DECODING && this._batch !== null) this._run();
      }
    );
  }

  /**
   * Keeps an inflated frame until its message is complete.
   *
   * @param {Buffer} inflated The frame's payload
   * @return {boolean} `false` if the message is too long; the connection fails then
   * @private
   */
  _collect(inflated) {
    const { maxPayload } = this[kLimits];
    if (inflated.length === 0) return true;
    this._messageLength += inflated.length;
    if (maxPayload > 0 && this._messageLength > maxPayload) {
      this._fail(native.messageLengthError());
      return false;
    }
    // Not pushed, which would make room for seventeen: it's often the only one.
    if (this._fragments.length === 0) this._fragments = [inflated];
    else this._fragments.push(inflated);
    return true;
  }

  /**
   * Emits an inflated message.
   *
   * @param {boolean} isBinary Whether it is binary
   * @private
   */
  _completeInflated(isBinary) {
    const fragments = this._fragments;
    const length = this._messageLength;
    this._fragments = [];
    this._messageLength = 0;
    if (isBinary) {
      this._emitMessage(convertFragments(this._binaryType, fragments, length), true);
      return;
    }
    const text = concat(fragments, length);
    if (!this[kLimits].skipUTF8Validation && !native.isValidUtf8(text)) {
      this._fail(native.utf8Error());
      return;
    }
    // The turn of the event loop is new already: inflating takes at least one.
    this._state = DECODING;
    this.emit('message', text, false);
  }

  /**
   * Handles an error that the decoder found.
   *
   * @param {Batch} batch The batch
   * @private
   */
  _handleError(batch) {
    const description = native.decoderError(this._decoder);
    // A listener of an event before this one may have raised the limit: ask the decoder again.
    if (
      description?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' &&
      batch.maxPayload !== this[kLimits].maxPayload
    ) {
      this._decode(batch);
      return;
    }
    if (description) this._fail(description);
  }

  /**
   * Fails the connection.
   *
   * @param {Parameters<typeof createProtocolError>[0]} description What went wrong
   * @private
   */
  _fail(description) {
    this._finish(createProtocolError(description, this._fail));
  }
}

/**
 * Emits the events of a chunk. What a listener throws surfaces at the end of the tick.
 *
 * @param {Receiver} receiver The receiver
 */
function runApart(receiver) {
  try {
    receiver._run();
  } catch (error) {
    nextTick(rethrow, error);
  }
}

/**
 * Reads the limits among the options.
 *
 * @param {any} options The options
 * @return {{maxBufferedChunks: number, maxFragments: number, maxPayload: number,
 *   skipUTF8Validation: boolean}} The limits
 */
function readLimits(options) {
  return {
    maxBufferedChunks: toInt32(options.maxBufferedChunks),
    maxFragments: toInt32(options.maxFragments),
    maxPayload: toInt32(options.maxPayload),
    skipUTF8Validation: !!options.skipUTF8Validation
  };
}

module.exports = Receiver;

// @ts-check
'use strict';

// One connection of the engine: what it receives. It stands where three things of the stream
// transport stand: it is the `_handle` of the socket (`handle.js`), the frame queue of the
// sender (`sending.js`), and what the receiver is asked for.

const { convertMessage } = require('../../binary-type');
const { EMPTY_BUFFER, kTransport, kWebSocket } = require('../../constants');
const { EngineFrameQueue, NONE } = require('./sending');
const {
  createInflateError,
  createInternalError,
  createProtocolError,
  PANIC
} = require('../../errors');
const { setImmediate } = require('../../host');
const native = require('../../native');
const { notePayload } = require('../../payload-memory');
const { enlarge, reservation } = require('../../reservation');
const { callWhenPending } = require('../phases');
const { toLimit } = require('../../validation');

const {
  ANSWERED_PING,
  RECORD_BINARY,
  RECORD_CLOSE,
  RECORD_END,
  RECORD_ERROR,
  RECORD_FAILED,
  RECORD_FAULT,
  RECORD_LARGE_BINARY,
  RECORD_LARGE_TEXT,
  RECORD_PING,
  RECORD_PONG,
  RECORD_RAW,
  RECORD_SHUT_DOWN,
  RECORD_TEXT,
  RECORD_UNINFLATABLE,
  RECORD_WAITING,
  RECORD_WRITTEN
} = native;

/** What is received of a large message at once; then it's the turn of the others. */
const MAX_LARGE_SHARE = 1024 * 1024;
/** What libuv reads at a time. */
const MAX_READ = 64 * 1024;
/** What a frame has beside its payload, at least. */
const MIN_OVERHEAD = 2;
/** In the detail of an end: it came together with what was sent last. */
const CAME_ALONG = 1;
/** What has arrived of a large message when none has. */
const NOTHING = { memory: EMPTY_BUFFER, filled: 0 };

/** @typedef {Parameters<typeof createProtocolError>[0]} Violation */
/** @typedef {Parameters<typeof createInflateError>[0]} InflateFailure */

/**
 * A record that is kept for later.
 *
 * @typedef {object} Kept
 * @property {number} kind What happened
 * @property {number} detail More about it
 * @property {Buffer} payload The payload
 * @property {Uint32Array | Violation | InflateFailure | null} [description] What the native part
 *   knows of it only until the next batch: the
 *   lengths of fragments, or what is wrong
 * @property {boolean} isFirst Whether a read begins with it
 */

/**
 * One connection of the engine.
 */
class EngineConnection extends EngineFrameQueue {
  /**
   * @param {import('../index').Engine} engine The engine
   * @param {number} id Its number there
   * @param {import('../../transport').NetSocket} socket The socket
   * @param {import('../mode').Mode} mode What the engine gives
   */
  constructor(engine, id, socket, mode) {
    super(engine, id, socket, mode);
    /** A large message that is arriving. @type {{memory: Buffer, filled: number} | null} */
    this._large = null;
    /** Whether both sides were over when the peer ended. */
    this._isOver = false;
    /** In which turn of the event loop something of the peer was handed out last. */
    this.receivedTurn = -1;
    /** What has arrived and is not handed out, because the connection is paused. @type {Kept[]} */
    this._kept = NONE;
  }

  /**
   * Sets the limits.
   *
   * @param {import('../../transport').ReceiverOptions} options As for a receiver; 0 or less for no
   *   limit
   */
  setLimits({ maxBufferedChunks, maxFragments, maxPayload, skipUTF8Validation }) {
    if (this._isClosed) return;
    native.setLimits(
      this._engine.native,
      this._id,
      toLimit(maxPayload),
      toLimit(maxFragments),
      toLimit(maxBufferedChunks),
      !!skipUTF8Validation
    );
  }

  /**
   * Takes what was read before the engine had the socket.
   *
   * @param {Buffer} bytes The bytes
   */
  feed(bytes) {
    native.feed(this._engine.native, this._id, bytes);
    this._engine.wakeFed(this._id);
  }

  /**
   * Sets whether the engine may answer pings while JavaScript does not.
   *
   * @param {boolean} isAnswering Whether it may
   */
  setAnswering(isAnswering) {
    if (!this._isClosed) native.setAnswering(this._engine.native, this._id, isAnswering);
  }

  /**
   * Begins a heartbeat.
   *
   * @param {{interval: number, timeout: number}} settings Its times
   * @param {(websocket: import('../../websocket')) => void} onExpired Called with the WebSocket if
   *   nothing is heard of the peer
   */
  startHeartbeat(settings, onExpired) {
    if (this._isClosed) return;
    this._engine.timers.watch(this._id, settings, onExpired);
  }

  /**
   * Ends it.
   */
  stopHeartbeat() {
    if (!this._isClosed) native.unwatchConnection(this._engine.native, this._id);
  }

  /**
   * The time that the latest answer to one of its pings has taken, in milliseconds.
   */
  get latency() {
    if (this._isClosed) return null;
    return native.latencyOf(this._engine.native, this._id) ?? null;
  }

  /**
   * Notes an answer that somebody else has found among the bytes.
   *
   * @param {Buffer} payload The payload
   */
  notePong(payload) {
    if (!this._isClosed) native.notePong(this._engine.native, this._id, payload);
  }

  /**
   * Says that nothing is heard of the peer.
   *
   * @param {(websocket: import('../../websocket')) => void} onExpired Who has to know
   */
  expire(onExpired) {
    const websocket = this._socket[kWebSocket];
    if (websocket) this.context.runInAsyncScope(onExpired, undefined, websocket);
  }

  /**
   * From the end of the current message on the socket gets the bytes as they come.
   */
  giveBytes() {
    this.setApart();
    native.setRaw(this._engine.native, this._id, true);
    // As any socket, one that shows its bytes reads until it has too many of them.
    if (!this.reading) {
      this.reading = true;
      this.readStart();
    }
  }

  /**
   * Makes the engine inflate and deflate messages from now on, if no message is under way and
   * nothing that has arrived is still to be handed out.
   *
   * @param {import('../../transport').Deflater} deflater The state of the sending direction
   * @param {import('../../transport').Inflater} inflater The state of the receiving direction
   * @return {boolean} Whether it does
   */
  beginCompression(deflater, inflater) {
    if (this._isClosed || this._engine.inbox.hasUndelivered()) return false;
    if (!native.beginCompression(this._engine.native, this._id, deflater, inflater)) return false;
    return this.change('take');
  }

  /**
   * @return {import('../../transport').Deflater | null} The state of the sending direction, if
   *   there is one
   */
  shareDeflater() {
    return this._isClosed ? null : native.shareDeflater(this._engine.native, this._id);
  }

  /**
   * @return {import('../../transport').Inflater | null} The state of the receiving direction, if
   *   there is one
   */
  shareInflater() {
    return this._isClosed ? null : native.shareInflater(this._engine.native, this._id);
  }

  /**
   * Tells whether what arrives has to wait: somebody has paused the socket, or something waits
   * already.
   *
   * @return {boolean} Whether `keep` gets it
   */
  get keepsRecords() {
    if (this._kept !== NONE) return true;
    return this._socket._readableState.flowing === false && !this.givesBytes;
  }

  /** Whether something waits. */
  get hasKept() {
    return this._kept !== NONE;
  }

  /**
   * Keeps a record until somebody reads again, or the connection is closed. What isn't about
   * receiving is handled at once, and so is a failure.
   *
   * @param {number} kind What happened
   * @param {number} detail More about it
   * @param {Buffer} payload The payload
   * @param {number} place Where the payload was
   * @param {boolean} [isLeft=false] Whether the connection is being closed
   * @param {boolean} [isFirst=true] Whether another read begins with it than what is kept came with
   * @return {boolean} Whether it was kept
   */
  keep(kind, detail, payload, place, isLeft = false, isFirst = true) {
    const { native: engine } = this._engine;
    if (kind === RECORD_LARGE_TEXT || kind === RECORD_LARGE_BINARY) {
      // Not received now, so it's announced again.
      native.receiveLarge(engine, this._id, EMPTY_BUFFER, 0);
      return false;
    }
    const isReceived = kind <= RECORD_END || kind === RECORD_UNINFLATABLE;
    // Bytes wait in the socket, as long as nothing that comes before them waits here, and so does
    // the end.
    const isOfSocket = (kind === RECORD_RAW || kind === RECORD_END) && !this.hasKept && !isLeft;
    if (!isReceived || isOfSocket) {
      this.receive(kind, detail, payload, place);
      return false;
    }
    let description;
    if (kind === RECORD_ERROR) description = native.engineViolation(engine, detail);
    else if (kind === RECORD_UNINFLATABLE) {
      description = native.engineInflateFailure(engine, detail);
    } else if (kind === RECORD_BINARY && detail > 0 && payload.length > 0) {
      description = native.engineFragmentLengths(engine, -1 - place);
    }
    if (this._kept === NONE) this._kept = [];
    this._kept.push({ kind, detail, payload, description, isFirst });
    return true;
  }

  /**
   * Sees to it that what was kept is handed out, since somebody reads again.
   */
  resumeKept() {
    if (!this.hasKept) return;
    this._engine.inbox.resume(this);
    this._engine.wake();
  }

  /**
   * Hands out what was kept, to the end of the read in which somebody pauses again.
   */
  receiveKept() {
    let isGoingOn = false;
    while (this._kept.length > 0 && !this._isClosed) {
      const isOfRead = isGoingOn && !this._kept[0].isFirst;
      if (!isOfRead && this._socket._readableState.flowing === false) return;
      isGoingOn = true;
      this._receiveFirstKept();
    }
  }

  /**
   * Fails, since somebody has taken away the memory that a message was in.
   */
  lose() {
    const error = createInternalError('the memory of a message was transferred');
    if (this.givesBytes) this._socket.destroy(error);
    else this.handlers.fail(error);
  }

  /**
   * Sees to it that what a paused connection has read, which is about to be closed, is dropped if
   * somebody reads again before it's handed out, as by the stream of a destroyed socket.
   */
  dropWhenResumed() {
    this._socket.once('resume', () => {
      this._kept = NONE;
    });
  }

  /**
   * Hands out what had arrived when the connection was closed, as much of it as a socket of libuv
   * would have read: a task may have read more.
   */
  receiveLeftovers() {
    let rest = this._socket.readableHighWaterMark + MAX_READ;
    while (this._kept.length > 0) {
      rest -= this._kept[0].payload.length + MIN_OVERHEAD;
      if (rest < 0) this._kept = NONE;
      else this._receiveFirstKept();
    }
  }

  /**
   * @private
   */
  _receiveFirstKept() {
    const { kind, detail, payload, description } = /** @type {Kept} */ (this._kept.shift());
    if (this._kept.length === 0) this._kept = NONE;
    if (kind === RECORD_BINARY) {
      this._receiveBinary(payload, /** @type {Uint32Array | undefined} */ (description));
    } else if (kind === RECORD_ERROR) {
      this._receiveViolation(/** @type {Violation | null} */ (description));
    } else if (kind === RECORD_UNINFLATABLE) {
      this._receiveInflateFailure(/** @type {InflateFailure | null} */ (description));
    } else {
      this.receive(kind, detail, payload, 0);
    }
  }

  /**
   * Handles a record.
   *
   * @param {number} kind What happened
   * @param {number} detail More about it
   * @param {Buffer} payload The payload
   * @param {number} place Where the payload was
   */
  receive(kind, detail, payload, place) {
    this._noteActivity();
    if (kind === RECORD_TEXT) this.handlers.message(payload, false);
    else if (kind === RECORD_BINARY) {
      let lengths;
      if (detail > 0 && payload.length > 0 && this.handlers.binaryType === 'fragments') {
        lengths = native.engineFragmentLengths(this._engine.native, -1 - place);
      }
      this._receiveBinary(payload, lengths);
    } else if (kind === RECORD_PING) this.handlers.ping(payload, detail === ANSWERED_PING);
    else if (kind === RECORD_PONG) this.handlers.pong(payload);
    else this._receiveRare(kind, detail, payload);
  }

  /**
   * @param {Buffer} payload The message
   * @param {Uint32Array | undefined} lengths Those of its fragments, where it has several and they
   *   are asked for
   * @private
   */
  _receiveBinary(payload, lengths) {
    this.handlers.message(convertMessage(this.handlers.binaryType, payload, lengths), true);
  }

  /**
   * @param {number} kind What happened
   * @param {number} detail More about it
   * @param {Buffer} payload The payload
   * @private
   */
  _receiveRare(kind, detail, payload) {
    const socket = this._socket;
    if (kind === RECORD_RAW) {
      if (this._isClosed) {
        socket[kWebSocket]?.[kTransport].write(payload);
        return;
      }
      this.change('bytes');
      if (!socket.push(payload)) {
        this.reading = false;
        this.readStop();
      }
    } else if (kind === RECORD_LARGE_TEXT || kind === RECORD_LARGE_BINARY) {
      this._receiveLarge(kind, detail);
    } else if (kind === RECORD_CLOSE) {
      this.handlers.conclude(detail, payload);
    } else if (kind === RECORD_ERROR) {
      this._receiveViolation(native.engineViolation(this._engine.native, detail));
    } else if (kind === RECORD_UNINFLATABLE) {
      this._receiveInflateFailure(native.engineInflateFailure(this._engine.native, detail));
    } else if (kind === RECORD_END) {
      // Not in the turn of the last message, unless it came along with that: what its listeners
      // have begun comes before.
      this._isOver = detail === CAME_ALONG;
      if (this._isOver || this.receivedTurn !== this._engine.turn) endReading(this);
      else setImmediate(endInNextTurn, this);
    } else if (kind === RECORD_FAILED) {
      // A reset that came along with what was sent last is an end, until something can't be
      // written.
      if (this._isOver && this._countPending() === 0) return;
      const failure = this._findFailure(this._isOver);
      if (failure) this._breakOff(failure);
    } else if (kind === RECORD_FAULT) {
      this.handlers.fail(createInternalError(PANIC));
    } else if (kind === RECORD_WRITTEN) {
      this.settle();
    } else if (kind === RECORD_WAITING) {
      this.becomeBacklogged();
    } else if (kind === RECORD_SHUT_DOWN) {
      this._noteShutDown();
    }
  }

  /**
   * Receives what has arrived of a large message, straight into the memory in which it is handed
   * out. That is JavaScript's own: what V8 has allocated it collects in time.
   *
   * @param {number} kind Text or binary
   * @param {number} length The bytes of the message
   * @private
   */
  _receiveLarge(kind, length) {
    if (this._isClosed) return;
    let { memory, filled } = this._large ?? NOTHING;
    this._large = null;
    const most = filled + MAX_LARGE_SHARE;
    let end;
    do {
      if (filled === memory.length) memory = grow(memory, length);
      end = Math.min(memory.length, most);
      const part = end < memory.length ? memory.subarray(0, end) : memory;
      filled = native.receiveLarge(this._engine.native, this._id, part, filled);
    } while (filled === end && filled < length && filled < most);
    if (filled < 0) {
      this._receiveViolation(native.engineViolation(this._engine.native, -1 - filled));
      return;
    }
    this._engine.inbox.noteReceived(filled - (most - MAX_LARGE_SHARE));
    if (filled < length) {
      // Before the first byte it may still come otherwise.
      if (filled > 0) this._large = { memory, filled };
    } else if (kind === RECORD_LARGE_TEXT) this.handlers.message(memory, false);
    else this._receiveBinary(memory, undefined);
  }

  /**
   * @param {Error} error What broke the connection
   * @protected
   */
  _breakOff(error) {
    this._socket.destroy(error);
  }

  /**
   * @param {Violation | null} description How the peer has violated the protocol
   * @private
   */
  _receiveViolation(description) {
    if (!description) return;
    // A listener of an event before this one may have raised the limit: the engine goes on with
    // the frame, or reports it again.
    const isLength = description.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    if (isLength && !this._isClosed && !native.isRefused(this._engine.native, this._id)) return;
    this.handlers.fail(createProtocolError(description));
  }

  /**
   * @param {InflateFailure | null} failure Why a message can't be inflated
   * @private
   */
  _receiveInflateFailure(failure) {
    if (failure) this.handlers.fail(createInflateError(failure));
  }

  /**
   * @param {boolean} reset Whether the peer gets a reset
   * @param {(() => void) | undefined} callback Called when it's closed
   * @protected
   */
  _close(reset, callback) {
    // What was read is given once the socket is closed: by a paused connection, and to the end of
    // the read whose messages are being handed out.
    if (!this._isClosed) this._engine.inbox.drain(this._id, this);
    this._large = null;
    super._close(reset, callback);
  }
}

/**
 * Ends the reading side of a socket when the event loop has turned.
 *
 * @param {EngineConnection} connection A connection whose peer sends nothing more
 */
function endInNextTurn(connection) {
  callWhenPending(() => endReading(connection));
}

/**
 * Ends the reading side of a socket.
 *
 * @param {EngineConnection} connection A connection whose peer sends nothing more
 */
function endReading(connection) {
  // The own end comes before: a listener for that may close the socket.
  if (connection._isShuttingDown()) setImmediate(pushEnd, connection);
  else pushEnd(connection);
}

/**
 * @param {EngineConnection} connection A connection whose peer sends nothing more
 */
function pushEnd(connection) {
  if (connection._isClosed) return;
  connection._socket.push(null);
  connection._socket.read(0);
}

/**
 * Gives more memory for a message.
 *
 * @param {Buffer} memory What has arrived
 * @param {number} length The bytes of the message
 * @return {Buffer} Memory that begins with the same
 */
function grow(memory, length) {
  const size = reservation(memory.length, length);
  notePayload(size);
  return enlarge(memory, size);
}

module.exports = EngineConnection;

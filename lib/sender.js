// @ts-check
'use strict';

// Turns messages into frames and writes them to a socket. Headers and masking are the native
// part's.

const { types } = require('node:util');

const { EMPTY_BUFFER, kOriginalSend, kWebSocket, NOOP } = require('./constants');
const { isBuffer, mask: applyMask, toBuffer, unmask: maskInPlace } = require('./buffer-util');
const FrameQueue = require('./frame-queue');
const { nextTick } = require('./host');
const native = require('./native');
const PerMessageDeflate = require('./permessage-deflate');
const { isCallable } = require('./send-callback');
const { isBlob, isValidStatusCode } = require('./validation');

const { encodeHeader } = native;

/** Values of `_state`, numbered as in ws. */
const DEFAULT = 0;
const DEFLATING = 1;
const READING_BLOB = 2;

/** First byte of a frame: FIN, RSV1 and the opcodes, RFC 6455, section 5.2. */
const FIN = 0x80;
const RSV1 = 0x40;
const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const MAX_HEADER_LENGTH = 14;
const MAX_CONTROL_PAYLOAD_LENGTH = 125;

/** Of the options of a frame: the bytes of the payload, a string's too. */
const kByteLength = Symbol('byte-length');
/** Of the options of a frame: the message that others get as well. */
const kShared = Symbol('shared');

const maskingKey = Buffer.alloc(4);

/**
 * Sends messages over one connection.
 */
class Sender {
  /**
   * @param {any} socket The `Duplex` to write to
   * @param {Record<string, any>} [extensions] The agreed extensions by name
   * @param {(key: Buffer) => void} [generateMask] Fills a masking key; random ones are the default
   */
  constructor(socket, extensions, generateMask) {
    this._extensions = extensions || {};
    if (generateMask) {
      this._generateMask = generateMask;
      this._maskBuffer = Buffer.alloc(4);
    }
    this._socket = socket;
    /** Whether the next data frame begins a message, and whether the current one is compressed. */
    this._firstFragment = true;
    this._compress = false;
    /** Bytes that wait here and not in the socket. */
    this._bufferedBytes = 0;
    /** @type {any[][]} What waits for a message that is being compressed or read. */
    this._queue = [];
    this._state = DEFAULT;
    /**
     * What was published while the fragments of a message are sent, which comes after that.
     *
     * @type {{length: number, send: () => void}[] | null}
     */
    this._deferred = null;
    /** Asked to look again between two messages. @type {import('./transport').Rest | null} */
    this._onRest = null;
    /** @type {import('./transport').Frames | null} What collects the frames of a tick. */
    this._frames = null;
    /** @type {(this: Sender, error: Error) => void} */
    this.onerror = NOOP;
    /**
     * Looks how much is buffered when something was written.
     *
     * @type {import('./beyond/backpressure').Backpressure | null}
     */
    this._watcher = null;
    /** @type {import('./websocket')} */
    this[kWebSocket] = /** @type {never} */ (undefined);
  }

  /**
   * Makes a frame.
   *
   * @param {Buffer | string} data The payload
   * @param {object} options Options
   * @param {boolean} [options.fin=false] Whether FIN is set
   * @param {(key: Buffer) => void} [options.generateMask] Fills the masking key
   * @param {boolean} [options.mask=false] Whether the frame is masked
   * @param {Buffer} [options.maskBuffer] Where the masking key is put
   * @param {number} options.opcode The opcode
   * @param {boolean} [options.readOnly=false] Whether the payload must not be modified; otherwise
   *   it may be masked in place
   * @param {boolean} [options.rsv1=false] Whether RSV1 is set
   * @return {(Buffer | string)[]} The header, and the payload where there is one; in one buffer if
   *   the payload had to be copied
   */
  static frame(data, options) {
    const key = options.mask ? fillKey(options.generateMask, options.maskBuffer) : undefined;
    // A key of zeros changes nothing.
    const masks = key !== undefined && key.readUInt32LE(0) !== 0;
    const first = firstByte(options.fin, options.rsv1, options.opcode);
    let length = /** @type {any} */ (options)[kByteLength];
    let payload = data;
    if (typeof payload === 'string' && (masks || length === undefined)) {
      payload = Buffer.from(payload);
    }
    if (typeof payload !== 'string') length = payload.length;

    if (masks && options.readOnly && typeof data !== 'string' && length > 0) {
      const target = Buffer.allocUnsafe(MAX_HEADER_LENGTH + length);
      const start = encodeHeader(target, MAX_HEADER_LENGTH, first, length, key);
      applyMask(data, key, target, MAX_HEADER_LENGTH, length);
      return [target.subarray(start)];
    }
    const target = Buffer.allocUnsafe(MAX_HEADER_LENGTH);
    const start = encodeHeader(target, MAX_HEADER_LENGTH, first, length, key);
    const header = target.subarray(start);
    if (length === 0) return [header];
    if (masks) maskInPlace(/** @type {Buffer} */ (payload), key);
    return [header, payload];
  }

  /**
   * From now on small frames are copied and leave together at the end of a tick. Called once by
   * the `WebSocket` that owns the socket.
   *
   * @param {import('./transport').Frames} [frames] What collects the frames of a tick, if not a
   *   `FrameQueue`
   */
  coalesce(frames) {
    this._frames = frames ?? new FrameQueue(this);
  }

  /**
   * Whether nothing is being compressed or read.
   */
  get _isIdle() {
    return this._state === DEFAULT;
  }

  /**
   * Makes the masking key of a frame.
   *
   * @return {Buffer} The key, valid until the next one is made
   * @private
   */
  _makeKey() {
    return fillKey(this._generateMask, this._maskBuffer);
  }

  /**
   * Writes out the frames of this tick at once.
   *
   * @private
   */
  flush() {
    if (this._frames !== null) this._frames.flush();
  }

  /**
   * Sends a close frame.
   *
   * @param {number} [code] The close code
   * @param {string | Uint8Array} [reason] The close reason, at most 123 bytes
   * @param {boolean} [mask=false] Whether the frame is masked
   * @param {(error?: Error | null) => void} [callback] Called when the frame is written
   * @throws {TypeError} If the close code is not one that may be sent, or the reason of no such
   *   type
   * @throws {RangeError} If the reason is too long
   */
  close(code, reason, mask, callback) {
    const payload = closePayload(code, reason);
    toBuffer.readOnly = false;
    this._submit(payload, payload.length, false, CLOSE, true, false, mask, callback);
  }

  /**
   * Sends a ping.
   *
   * @param {any} data The payload, at most 125 bytes
   * @param {boolean} [mask=false] Whether the frame is masked
   * @param {(error?: Error | null) => void} [callback] Called when the frame is written
   * @throws {RangeError} If the payload is too long
   */
  ping(data, mask, callback) {
    this._sendControl(PING, data, mask, callback);
  }

  /**
   * Sends a pong.
   *
   * @param {any} data The payload, at most 125 bytes
   * @param {boolean} [mask=false] Whether the frame is masked
   * @param {(error?: Error | null) => void} [callback] Called when the frame is written
   * @throws {RangeError} If the payload is too long
   */
  pong(data, mask, callback) {
    this._sendControl(PONG, data, mask, callback);
  }

  /**
   * Sends a message, or a fragment of one.
   *
   * @param {any} data The message
   * @param {object} options Options
   * @param {boolean} [options.binary=false] Whether it is binary
   * @param {boolean} [options.compress=false] Whether it is compressed
   * @param {boolean} [options.fin=false] Whether it is the last fragment
   * @param {boolean} [options.mask=false] Whether the frame is masked
   * @param {(error?: Error | null) => void} [callback] Called when the frame is written
   */
  send(data, options, callback) {
    const bytes = toPayload(data);
    const length = byteLength(bytes);
    let opcode = options.binary ? BINARY : TEXT;
    let rsv1 = options.compress;
    if (this._firstFragment) {
      this._firstFragment = false;
      if (rsv1) rsv1 = this._reachesThreshold(length);
      this._compress = !!rsv1;
    } else {
      // RFC 7692, section 6.1: RSV1 is set on the first fragment only.
      rsv1 = false;
      opcode = CONTINUATION;
    }
    if (options.fin) this._firstFragment = true;
    else this._frames?.setApart();
    this._submit(bytes, length, this._compress, opcode, options.fin, rsv1, options.mask, callback);
    if (this._deferred !== null && this._firstFragment) this._sendDeferred(this._deferred);
  }

  /**
   * Sends a message that is neither compressed nor fragmented, without a callback, if it's bytes or
   * text and nothing is in its way.
   *
   * @param {any} data The message
   * @param {boolean} binary Whether it is binary
   * @param {boolean} mask Whether the frame is masked
   * @return {boolean} Whether it is sent; if not, nothing has happened
   */
  _sendDirectly(data, binary, mask) {
    const frames = this._frames;
    if (frames === null || this._state !== DEFAULT || !this._firstFragment) return false;
    return frames.sendDirectly(data, FIN | (binary ? BINARY : TEXT), mask);
  }

  /**
   * Sends a message that others get as well, neither masked nor compressed, if nothing is in its
   * way.
   *
   * @param {import('./beyond/message').Message} message The message
   * @return {boolean} Whether it is sent; if not, nothing has happened
   * @private
   */
  _sendShared(message) {
    const frames = this._frames;
    if (frames === null || this._state !== DEFAULT || message.isBlob) return false;
    return frames.sendShared(message);
  }

  /**
   * Sends a message that others get as well, compressed once for all that start with an empty
   * window. Not where the engine does so by itself; what is prepared is compressed for good.
   *
   * @param {import('./beyond/message').Message} message The message
   * @return {boolean} Whether it is sent; if not, nothing has happened
   * @private
   */
  _sendDeflated(message) {
    const frames = this._frames;
    const { length } = message;
    if (frames === null || (!message.isPrepared && frames.compresses(length))) return false;
    const perMessageDeflate = this._extensions[PerMessageDeflate.extensionName];
    const frame = this._state === DEFAULT ? message.deflatedFrame(perMessageDeflate) : null;
    if (frame !== null) {
      frames.sendBytes(frame);
      return true;
    }
    const options = {
      [kByteLength]: length,
      [kShared]: message,
      fin: true,
      mask: false,
      opcode: message.isBinary ? BINARY : TEXT,
      readOnly: true,
      rsv1: true
    };
    const parameters = [this.dispatch, message.data, true, options, undefined];
    if (this._state !== DEFAULT) this.enqueue(parameters);
    else this.dispatch(message.data, true, options, undefined);
    return true;
  }

  /**
   * Puts off a message until the one whose fragments are being sent is complete.
   *
   * @param {number} length Its bytes
   * @param {() => void} send Sends it
   * @private
   */
  _defer(length, send) {
    this._bufferedBytes += length;
    if (this._deferred === null) this._deferred = [{ length, send }];
    else this._deferred.push({ length, send });
  }

  /**
   * @param {{length: number, send: () => void}[]} deferred What was put off
   * @private
   */
  _sendDeferred(deferred) {
    this._deferred = null;
    for (const { length, send } of deferred) {
      this._bufferedBytes -= length;
      send();
    }
  }

  /**
   * Writes a frame that `Sender.frame` made.
   *
   * @param {(Buffer | string)[]} list The frame
   * @param {(error?: Error | null) => void} [callback] Called when it is written
   */
  sendFrame(list, callback) {
    if (this._frames !== null) {
      this._frames.write(list, callback);
      return;
    }
    const socket = this._socket;
    if (list.length === 2) {
      socket.cork();
      socket.write(list[0]);
      socket.write(list[1], callback);
      socket.uncork();
    } else {
      socket.write(list[0], callback);
    }
  }

  /**
   * Tells whether a message is long enough to be compressed: a short one does not gain where each
   * begins with an empty window.
   *
   * @param {number} length Bytes of the message, or of its first fragment
   * @return {boolean} Whether it is compressed
   * @private
   */
  _reachesThreshold(length) {
    const perMessageDeflate = this._extensions[PerMessageDeflate.extensionName];
    if (!perMessageDeflate) return true;
    const { params } = perMessageDeflate;
    // Each name by itself: one that is put together is looked for among all strings, for each
    // message.
    const startsEmpty = perMessageDeflate._isServer
      ? params.server_no_context_takeover
      : params.client_no_context_takeover;
    return !startsEmpty || length >= perMessageDeflate._threshold;
  }

  /**
   * Sends a ping or a pong.
   *
   * @param {number} opcode The opcode
   * @param {any} data The payload
   * @param {boolean | undefined} mask Whether the frame is masked
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   * @private
   */
  _sendControl(opcode, data, mask, callback) {
    const bytes = toPayload(data);
    const length = byteLength(bytes);
    if (length > MAX_CONTROL_PAYLOAD_LENGTH) {
      throw new RangeError('The data size must not be greater than 125 bytes');
    }
    this._submit(bytes, length, false, opcode, true, false, mask, callback);
  }

  /**
   * Sends a frame now, or after what waits already.
   *
   * @param {any} data The payload: bytes, a string or a `Blob`
   * @param {number} length Its bytes
   * @param {boolean} compress Whether it is compressed
   * @param {number} opcode The opcode
   * @param {boolean | undefined} fin Whether FIN is set
   * @param {boolean | undefined} rsv1 Whether RSV1 is set
   * @param {boolean | undefined} mask Whether the frame is masked
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   * @private
   */
  _submit(data, length, compress, opcode, fin, rsv1, mask, callback) {
    const isReady = typeof data === 'string' || isBuffer(data);
    if (isReady && this._state === DEFAULT && isCallable(callback)) {
      const frames = this._frames;
      if (!compress && frames?.fits(length)) {
        frames.append(data, length, firstByte(fin, rsv1, opcode), !!mask, callback);
        return;
      }
      if (compress && frames?.compresses(length)) {
        frames.appendCompressed(this, data, length, firstByte(fin, rsv1, opcode), !!mask, callback);
        return;
      }
    }
    const options = {
      [kByteLength]: length,
      fin,
      generateMask: this._generateMask,
      mask,
      maskBuffer: this._maskBuffer,
      opcode,
      readOnly: toBuffer.readOnly,
      rsv1
    };
    const operation = isReady ? this.dispatch : this.getBlobData;
    if (this._state !== DEFAULT) this.enqueue([operation, data, compress, options, callback]);
    else operation.call(this, data, compress, options, callback);
  }

  /**
   * Writes a frame, compressed before if need be.
   *
   * @param {Buffer | string} data The payload
   * @param {boolean} compress Whether it is compressed
   * @param {any} options The options of `Sender.frame`
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   * @private
   */
  dispatch(data, compress, options, callback) {
    if (!compress) {
      this._write(data, options, callback);
      return;
    }
    const { fin, mask, opcode, rsv1, [kByteLength]: length } = options;
    const shared = options[kShared];
    if (shared === undefined && isCallable(callback) && this._frames?.compresses(length)) {
      const first = firstByte(fin, rsv1, opcode);
      this._frames.appendCompressed(this, data, length, first, !!mask, callback);
      return;
    }
    this._bufferedBytes += options[kByteLength];
    this._frames?.setApart();
    this._state = DEFLATING;
    const perMessageDeflate = this._extensions[PerMessageDeflate.extensionName];
    const onDeflated = (/** @type {Error | null} */ _error, /** @type {Buffer} */ deflated) => {
      if (this._socket.destroyed) {
        const message = 'The socket was closed while data was being compressed';
        callCallbacks(this, new Error(message), callback);
        return;
      }
      this._bufferedBytes -= options[kByteLength];
      this._state = DEFAULT;
      // What others get as well is not theirs alone to be masked; a server masks nothing.
      options.readOnly = shared !== undefined;
      options[kByteLength] = deflated.length;
      this._write(deflated, options, callback);
      this._onRest?.ask();
      this.dequeue();
    };
    if (shared !== undefined) shared.deflate(perMessageDeflate, onDeflated);
    else perMessageDeflate.compress(data, options.fin, onDeflated);
  }

  /**
   * Reads a `Blob` and sends it.
   *
   * @param {any} blob The payload
   * @param {boolean} compress Whether it is compressed
   * @param {any} options The options of `Sender.frame`
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   * @private
   */
  getBlobData(blob, compress, options, callback) {
    this._bufferedBytes += options[kByteLength];
    this._frames?.setApart();
    this._state = READING_BLOB;
    blob.arrayBuffer().then(
      // What a callback throws must not become a rejection: leave the promise first.
      (/** @type {ArrayBuffer} */ bytes) => {
        try {
          this._sendBlobData(bytes, compress, options, callback);
        } catch (error) {
          nextTick(failSender, this, error, callback);
        }
      },
      (/** @type {Error} */ error) => nextTick(failSender, this, error, callback)
    );
  }

  /**
   * Sends what a `Blob` contained.
   *
   * @param {ArrayBuffer} bytes The contents
   * @param {boolean} compress Whether they are compressed
   * @param {any} options The options of `Sender.frame`
   * @param {((error?: Error | null) => void) | undefined} callback Called when they are written
   * @private
   */
  _sendBlobData(bytes, compress, options, callback) {
    if (this._socket.destroyed) {
      const error = new Error('The socket was closed while the blob was being read');
      nextTick(callCallbacks, this, error, callback);
      return;
    }
    this._bufferedBytes -= options[kByteLength];
    const data = toBuffer(bytes);
    options[kByteLength] = data.length;
    this._state = DEFAULT;
    this.dispatch(data, compress, options, callback);
    if (this._state === DEFAULT) this._onRest?.ask();
    this.dequeue();
  }

  /**
   * Writes one frame.
   *
   * @param {Buffer | string} data The payload
   * @param {any} options The options of `Sender.frame`
   * @param {((error?: Error | null) => void) | undefined} callback Called when it is written
   * @private
   */
  _write(data, options, callback) {
    const { fin, mask, opcode, rsv1, [kByteLength]: length } = options;
    if (isCallable(callback) && this._frames?.fits(length)) {
      this._frames.append(data, length, firstByte(fin, rsv1, opcode), !!mask, callback);
    } else {
      this.sendFrame(Sender.frame(data, options), callback);
    }
  }

  /**
   * Sends what waits, as far as nothing has to be waited for.
   *
   * @private
   */
  dequeue() {
    while (this._state === DEFAULT && this._queue.length > 0) {
      const [operation, ...parameters] = /** @type {any[]} */ (this._queue.shift());
      this._bufferedBytes -= parameters[2][kByteLength];
      operation.apply(this, parameters);
    }
    this._watcher?.look();
  }

  /**
   * Lets a frame wait.
   *
   * @param {any[]} parameters The method to call and its parameters
   * @private
   */
  enqueue(parameters) {
    this._bufferedBytes += parameters[3][kByteLength];
    this._queue.push(parameters);
  }
}

/**
 * Gives the first byte of a frame.
 *
 * @param {boolean | undefined} fin Whether FIN is set
 * @param {boolean | undefined} rsv1 Whether RSV1 is set
 * @param {number} opcode The opcode
 * @return {number} The byte
 */
function firstByte(fin, rsv1, opcode) {
  return (fin ? FIN : 0) | (rsv1 ? RSV1 : 0) | opcode;
}

/**
 * Makes the masking key of a frame.
 *
 * @param {((key: Buffer) => void) | undefined} generateMask Fills it; a random one is the default
 * @param {Buffer} [key] Where it is put
 * @return {Buffer} The key
 */
function fillKey(generateMask, key = maskingKey) {
  if (generateMask) generateMask(key);
  else native.fillMaskingKey(key);
  return key;
}

/**
 * Gives data in a form that can be sent. Afterwards `toBuffer.readOnly` tells whether the bytes
 * are the user's.
 *
 * @param {any} data What the user wants to send
 * @return {any} A string, a `Blob` or a `Buffer`
 * @throws {TypeError} If `Buffer.from()` refuses the value
 */
function toPayload(data) {
  if (isBuffer(data) || (typeof data !== 'string' && !isBlob(data))) return toBuffer(data);
  toBuffer.readOnly = false;
  return data;
}

/**
 * Tells how many bytes a payload has.
 *
 * @param {any} payload A string, a `Blob` or a `Buffer`
 * @return {number} Its bytes
 */
function byteLength(payload) {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload.length ?? payload.size;
}

/**
 * Makes the payload of a close frame, RFC 6455, section 5.5.1.
 *
 * @param {number | undefined} code The close code
 * @param {any} reason The close reason
 * @return {Buffer} The payload
 */
function closePayload(code, reason) {
  if (code === undefined) return EMPTY_BUFFER;
  if (typeof code !== 'number' || !isValidStatusCode(code)) {
    throw new TypeError('First argument must be a valid error code number');
  }
  const length = reason === undefined || !reason.length ? 0 : Buffer.byteLength(reason);
  if (length > MAX_CONTROL_PAYLOAD_LENGTH - 2) {
    throw new RangeError('The message must not be greater than 123 bytes');
  }
  const payload = Buffer.allocUnsafe(2 + length);
  payload.writeUInt16BE(code, 0);
  if (length === 0) return payload;
  if (typeof reason === 'string') payload.write(reason, 2);
  else if (types.isUint8Array(reason)) payload.set(reason, 2);
  else throw new TypeError('Second argument must be a string or a Uint8Array');
  return payload;
}

/**
 * Calls the callbacks of a frame and of those after it with an error.
 *
 * @param {Sender} sender The sender
 * @param {Error} error The error
 * @param {unknown} callback The first callback
 */
function callCallbacks(sender, error, callback) {
  const callbacks = [callback, ...sender._queue.map((parameters) => parameters.at(-1))];
  for (const each of callbacks) if (typeof each === 'function') each(error);
}

/**
 * Reports that a message can't be sent.
 *
 * @param {Sender} sender The sender
 * @param {Error} error The error
 * @param {unknown} callback The callback of the message
 */
function failSender(sender, error, callback) {
  callCallbacks(sender, error, callback);
  sender.onerror(error);
}

// Tools for tracing replace the method when this file is loaded, others at any time: both are seen.
Object.defineProperty(Sender, kOriginalSend, { value: Sender.prototype.send });

module.exports = Sender;

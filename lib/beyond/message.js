// @ts-check
'use strict';

// A message for several connections: converted once, framed once.

const { toBuffer } = require('../buffer-util');
const { EMPTY_BUFFER } = require('../constants');
const { nextTick } = require('../host');
const Sender = require('../sender');
const { isBlob } = require('../validation');

/** FIN and the opcodes, RFC 6455, section 5.2. */
const FIN = 0x80;
const TEXT = 1;
const BINARY = 2;

/** Frames from this many bytes on may be kept by others, so they aren't part of Node's pool. */
const MIN_KEPT_LENGTH = 512;

/**
 * A message, whichever connections get it.
 */
class Message {
  /**
   * @param {any} data What `send()` takes: text, bytes in any shape, a number or a `Blob`
   * @param {{binary?: boolean, compress?: boolean} | null | undefined} options `binary`, by default
   *   unless `data` is a string or a number; `compress`, by default `true`
   * @throws {TypeError} If the data can't be sent, or the options are none
   */
  constructor(data, options) {
    if (options !== undefined && (options === null || typeof options !== 'object')) {
      throw new TypeError('The options must be an object');
    }
    const payload = typeof data === 'number' ? data.toString() : data;
    /** Whether it's a binary message. */
    this.isBinary = !!(options?.binary ?? typeof payload !== 'string');
    /** Whether it's compressed where permessage-deflate was agreed. */
    this.compress = !!(options?.compress ?? true);
    /** The payload: a string, bytes, or what stands for a `Blob`. @type {any} */
    this.data = toPayload(payload || EMPTY_BUFFER);
    /** @type {number} */
    this._length = -1;
    /** @type {Buffer[] | null} */
    this._parts = null;
    /** @type {Buffer | null} */
    this._frame = null;
    /** What it's compressed, by how. @type {Deflated[] | null} */
    this._deflated = null;
  }

  /** Whether it's sent any number of times. */
  get isPrepared() {
    return false;
  }

  /** Bytes of the payload. */
  get length() {
    if (this._length < 0) {
      const { data } = this;
      this._length =
        typeof data === 'string' ? Buffer.byteLength(data) : (data.length ?? data.size);
    }
    return this._length;
  }

  /** The first byte of its frame. */
  get first() {
    return FIN | (this.isBinary ? BINARY : TEXT);
  }

  /** Whether the payload has to be read first. */
  get isBlob() {
    return this.data instanceof SharedBlob;
  }

  /** The options of `Sender#send()` for the server's end of a connection. */
  get sendOptions() {
    return { binary: this.isBinary, compress: this.compress, fin: true, mask: false };
  }

  /** The frame, neither masked nor compressed, as header and payload: made once. */
  get parts() {
    this._parts ??= this._toFrame(this.data, false);
    return this._parts;
  }

  /**
   * @param {string | Buffer} payload The payload
   * @param {boolean} rsv1 Whether it's compressed
   * @return {Buffer[]} The frame, not masked: header and payload
   * @private
   */
  _toFrame(payload, rsv1) {
    const opcode = this.isBinary ? BINARY : TEXT;
    const options = { fin: true, mask: false, opcode, readOnly: true, rsv1 };
    return /** @type {Buffer[]} */ (Sender.frame(/** @type {Buffer} */ (payload), options));
  }

  /**
   * Compresses it, once for all whose messages each start with an empty window of the same size.
   *
   * @param {any} perMessageDeflate The extension of such a connection
   * @param {(error: Error | null, data?: Buffer) => void} callback Takes the result, in a later
   *   tick
   */
  deflate(perMessageDeflate, callback) {
    const known = this._findDeflated(perMessageDeflate);
    if (known === undefined) {
      const deflated = {
        options: perMessageDeflate._options.zlibDeflateOptions,
        bits: perMessageDeflate.params.server_max_window_bits,
        bytes: null,
        frame: null,
        waiting: [{ callback, perMessageDeflate }]
      };
      if (this._deflated === null) this._deflated = [deflated];
      else this._deflated.push(deflated);
      this._deflateFor(deflated);
    } else if (known.bytes === null) known.waiting.push({ callback, perMessageDeflate });
    else nextTick(callback, null, known.bytes);
  }

  /**
   * @param {any} perMessageDeflate The extension of a connection
   * @return {Buffer | null} The frame that `deflate()` has led to; `null` where it's not there yet
   */
  deflatedFrame(perMessageDeflate) {
    const known = this._findDeflated(perMessageDeflate);
    if (!known?.bytes) return null;
    known.frame ??= join(this._toFrame(known.bytes, true));
    return known.frame;
  }

  /**
   * @param {any} perMessageDeflate The extension of a connection
   * @return {Deflated | undefined} What it's compressed, or will be
   * @private
   */
  _findDeflated({ _options, params }) {
    const bits = params.server_max_window_bits;
    const options = _options.zlibDeflateOptions;
    return this._deflated?.find((known) => known.bits === bits && known.options === options);
  }

  /**
   * Makes the first connection that waits compress it.
   *
   * @param {Deflated} deflated What waits
   * @private
   */
  _deflateFor(deflated) {
    const [first] = deflated.waiting;
    first.perMessageDeflate.compress(
      this.data,
      true,
      (/** @type {Error | null} */ error, /** @type {Buffer} */ bytes) => {
        if (error) {
          // It was closed. The next one does it.
          deflated.waiting.shift();
          if (deflated.waiting.length > 0) this._deflateFor(deflated);
          else this._deflated?.splice(this._deflated.indexOf(deflated), 1);
          first.callback(error);
          return;
        }
        const { waiting } = deflated;
        deflated.bytes = bytes;
        deflated.waiting = [];
        callEach(waiting, 0, bytes);
      }
    );
  }

  /** The same frame in one piece of memory. */
  get frame() {
    this._frame ??= join(this.parts);
    return this._frame;
  }
}

/**
 * A message of its own memory, to be sent any number of times.
 */
class PreparedMessage extends Message {
  /**
   * @param {any} data As for a `Message`, but no `Blob`
   * @param {{binary?: boolean, compress?: boolean} | null | undefined} options As for a `Message`
   * @throws {TypeError} If the data can't be sent, or the options are none
   */
  constructor(data, options) {
    if (isBlob(data)) throw new TypeError('A Blob cannot be prepared: read it first');
    super(data, options);
    // What the program does with its bytes is no matter of the message any more.
    if (typeof this.data !== 'string') this.data = Buffer.from(this.data);
  }

  get isPrepared() {
    return true;
  }
}

/**
 * Stands for a `Blob` that several senders read: it's read once.
 */
class SharedBlob {
  /**
   * @param {any} blob The `Blob`
   */
  constructor(blob) {
    this._blob = blob;
    /** @type {Promise<ArrayBuffer> | null} */
    this._bytes = null;
  }

  get [Symbol.toStringTag]() {
    return 'Blob';
  }

  get size() {
    return this._blob.size;
  }

  get type() {
    return this._blob.type;
  }

  stream() {
    return this._blob.stream();
  }

  arrayBuffer() {
    this._bytes ??= this._blob.arrayBuffer();
    return this._bytes;
  }
}

/**
 * What a message is compressed.
 *
 * @typedef {object} Deflated
 * @property {unknown} options The options of the compressor
 * @property {number | undefined} bits The size of its window
 * @property {Buffer | null} bytes The result, once it's there
 * @property {Buffer | null} frame The frame with that
 * @property {{callback: (error: Error | null, data?: Buffer) => void, perMessageDeflate: any}[]}
 *   waiting What waits for it
 */

/**
 * Gives a result to all that wait for it.
 *
 * @param {Deflated['waiting']} waiting What waits
 * @param {number} start The first of them
 * @param {Buffer} bytes The result
 */
function callEach(waiting, start, bytes) {
  let index = start;
  try {
    while (index < waiting.length) waiting[index++].callback(null, bytes);
  } finally {
    // After one that throws.
    if (index < waiting.length) nextTick(callEach, waiting, index, bytes);
  }
}

/**
 * @param {Buffer[]} parts The parts of a frame
 * @return {Buffer} The frame
 */
function join(parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const frame =
    length < MIN_KEPT_LENGTH ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
  let end = 0;
  for (const part of parts) {
    frame.set(part, end);
    end += part.length;
  }
  return frame;
}

/**
 * Gives data in a form that can be sent.
 *
 * @param {any} data What is to be sent
 * @return {string | Buffer | SharedBlob} The same
 * @throws {TypeError} If `Buffer.from()` refuses it
 */
function toPayload(data) {
  if (typeof data === 'string') return data;
  return isBlob(data) ? new SharedBlob(data) : toBuffer(data);
}

module.exports = { Message, PreparedMessage };

// @ts-check
'use strict';

// A message for several connections: converted once, framed once.

const { toBuffer } = require('../buffer-util');
const { EMPTY_BUFFER } = require('../constants');
const Sender = require('../sender');
const { isBlob } = require('../validation');

/** FIN and the opcodes, RFC 6455, section 5.2. */
const FIN = 0x80;
const TEXT = 1;
const BINARY = 2;

/** Frames from this many bytes on may be kept by others, so they aren't part of Node's pool. */
const MIN_KEPT_LENGTH = 512;

/**
 * A message, whoever gets it.
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
    if (this._parts === null) {
      const opcode = this.isBinary ? BINARY : TEXT;
      const options = { fin: true, mask: false, opcode, readOnly: true, rsv1: false };
      this._parts = /** @type {Buffer[]} */ (Sender.frame(this.data, options));
    }
    return this._parts;
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

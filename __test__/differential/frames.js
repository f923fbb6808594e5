// @ts-check
'use strict';

// Frames of raw peers: written byte by byte and read byte by byte, without the code under test.

const zlib = require('node:zlib');
const { bytesOf } = require('./data');
const { describeBytes } = require('./trace');

const KEY = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const NO_KEY = Buffer.alloc(4);
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const NAMES = { 0: 'cont', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };
/** How far back a deflate stream refers. */
const WINDOW = 32768;

/**
 * @typedef {object} Frame
 * @property {number} opcode The opcode
 * @property {boolean} [fin] FIN; set when not given
 * @property {number} [rsv] The RSV bits; 4 is RSV1
 * @property {boolean} [masked] Whether it's masked; what the role demands when not given
 * @property {boolean} [zero] Masked with a key of zeros
 * @property {boolean} [compressed] Compress the payload and set RSV1
 * @property {number} [code] A close code, in front of the payload
 * @property {number} [claim] The length that the header claims
 * @property {number} [wide] The number of bytes of the length, 0, 2 or 8: more than needed
 * @property {import('./data').Data} [data] The payload
 * @property {string} [hex] The payload, byte by byte
 */

/** Masks a payload, or unmasks it: in memory of its own, where words can be taken at a time. */
function mask(payload, key) {
  const masked = Buffer.allocUnsafeSlow(payload.length);
  payload.copy(masked);
  const words = new Uint32Array(masked.buffer, 0, payload.length >> 2);
  const word = new Uint32Array(Uint8Array.from(key).buffer)[0];
  for (let i = 0; i < words.length; i++) words[i] ^= word;
  for (let i = words.length * 4; i < masked.length; i++) masked[i] ^= key[i & 3];
  return masked;
}

/**
 * Makes a frame.
 *
 * @param {Frame} frame Its description
 * @param {boolean} isClient Whether the peer is the client
 * @return {Buffer} The bytes
 */
function encode(frame, isClient) {
  let payload = frame.hex === undefined ? Buffer.alloc(0) : Buffer.from(frame.hex, 'hex');
  if (frame.data) payload = bytesOf(frame.data);
  if (frame.code !== undefined) {
    payload = Buffer.concat([Buffer.from([frame.code >> 8, frame.code & 0xff]), payload]);
  }
  let rsv = frame.rsv ?? 0;
  if (frame.compressed) {
    const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH, level: 1 };
    payload = zlib.deflateRawSync(payload, options);
    if (frame.fin ?? true) payload = payload.subarray(0, -TAIL.length);
    rsv |= frame.opcode === 0 ? 0 : 4;
  }
  const length = frame.claim ?? payload.length;
  const isMasked = frame.masked ?? isClient;
  const head = [((frame.fin ?? true) ? 0x80 : 0) | (rsv << 4) | frame.opcode];
  const wide = frame.wide ?? (length < 126 ? 0 : length < 65536 ? 2 : 8);
  const bit = isMasked ? 0x80 : 0;
  if (wide === 0) head.push(bit | length);
  else if (wide === 2) head.push(bit | 126, (length >> 8) & 0xff, length & 0xff);
  else {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(length));
    head.push(bit | 127, ...bytes);
  }
  if (!isMasked) return Buffer.concat([Buffer.from(head), payload]);
  const key = frame.zero ? NO_KEY : KEY;
  return Buffer.concat([Buffer.from(head), key, mask(payload, key)]);
}

/** Takes the frames that a peer sent out of the bytes that arrive, and describes them. */
class FrameReader {
  #chunks = [];
  #length = 0;
  #needed = 2;
  #window = Buffer.alloc(0);
  #isCompressed = false;
  #isBroken = false;

  /** The number of bytes that aren't a whole frame yet. */
  get rest() {
    return this.#length;
  }

  /**
   * Takes bytes.
   *
   * @param {Buffer} chunk The bytes
   */
  write(chunk) {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /**
   * Gives the frames that are complete.
   *
   * @return {{opcode: number, payload: Buffer, line: string}[]} The frames, each with a line about
   *   it
   */
  read() {
    if (this.#length < this.#needed) return [];
    let bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const frames = [];
    for (;;) {
      const frame = this.#parse(bytes);
      if (frame === null) break;
      frames.push(frame);
      bytes = bytes.subarray(frame.end);
    }
    this.#chunks = [bytes];
    this.#length = bytes.length;
    return frames;
  }

  /** Parses the first frame; notes how many bytes are needed where it isn't complete. */
  #parse(bytes) {
    this.#needed = 2;
    if (bytes.length < 2) return null;
    const isMasked = bytes[1] >= 128;
    let length = bytes[1] & 127;
    let start = 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (isMasked ? 4 : 0);
    if (bytes.length < start) {
      this.#needed = start;
      return null;
    }
    if (length === 126) length = bytes.readUInt16BE(2);
    else if (length === 127) length = Number(bytes.readBigUInt64BE(2));
    const end = start + length;
    if (bytes.length < end) {
      this.#needed = end;
      return null;
    }
    let payload = bytes.subarray(start, end);
    let isZero = false;
    if (isMasked) {
      const key = bytes.subarray(start - 4, start);
      isZero = key.readUInt32BE(0) === 0;
      payload = mask(payload, key);
    }
    start = bytes[0];
    return {
      opcode: start & 15,
      payload,
      end,
      line: this.#describe(start, isMasked, isZero, payload)
    };
  }

  /** Says what a frame is. Compressed data is inflated: two encoders needn't agree on the bytes. */
  #describe(first, isMasked, isZero, payload) {
    const opcode = first & 15;
    const rsv = (first >> 4) & 7;
    let shown = payload;
    let note = '';
    if (opcode < 3) {
      if (opcode !== 0) this.#isCompressed = rsv === 4;
      if (this.#isCompressed && !this.#isBroken) {
        shown = this.#inflate(payload, first >= 128);
        note = this.#isBroken ? ' (not deflate)' : ' inflated';
      }
    }
    const name = NAMES[opcode] ?? `opcode ${opcode}`;
    let text = describeBytes(shown);
    if (opcode === 8 && payload.length >= 2) {
      text = `${payload.readUInt16BE(0)} ${describeBytes(payload.subarray(2))}`;
    }
    const mask = isMasked ? (isZero ? ' mask0' : ' masked') : '';
    return `${name}${first < 128 ? ' part' : ''}${rsv ? ` rsv${rsv}` : ''}${mask} ${text}${note}`;
  }

  #inflate(payload, isFinal) {
    const data = isFinal ? Buffer.concat([payload, TAIL]) : payload;
    try {
      const bytes = zlib.inflateRawSync(data, {
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
        dictionary: this.#window
      });
      this.#window = Buffer.concat([this.#window, bytes]).subarray(-WINDOW);
      return bytes;
    } catch {
      this.#isBroken = true;
      return payload;
    }
  }
}

module.exports = { encode, FrameReader };

// @ts-check
'use strict';

// Decoding, headers, masking and small checks by the WebAssembly build.

const { isUtf8 } = require('node:buffer');
const { randomFillSync } = require('node:crypto');

const { EMPTY_BUFFER } = require('../constants');
const { enlarge, reservation } = require('../reservation');
const { RECORD_BINARY, RECORD_ERROR, RECORD_FIELDS } = require('./constants');
const { copy, Handle, instance } = require('./instance');

/** Payloads up to this many bytes are masked faster here than by two copies and a call. */
const MAX_LOOP_LENGTH = 64;
/** Bytes that are masked at a time: what the cache still has when they are copied back. */
const MASK_LENGTH = 64 * 1024;
/** The most that the length in a record can be. */
const MAX_RECORD_LENGTH = 2 ** 31 - 1;
/** Bytes of randomness that are fetched at once. */
const KEY_POOL_LENGTH = 8 * 1024;
const KEY_LENGTH = 4;
/** Bytes of a record, and of the header before the first. */
const RECORD_LENGTH = RECORD_FIELDS * Int32Array.BYTES_PER_ELEMENT;
/**
 * Where in a record the place of its payload is, and its length; and in the header the kind of a
 * large message that begins. See `src/javascript/records.rs`.
 */
const LARGE_AT = Int32Array.BYTES_PER_ELEMENT;
const PLACE_AT = 2 * Int32Array.BYTES_PER_ELEMENT;
const LENGTH_AT = 3 * Int32Array.BYTES_PER_ELEMENT;

/** Whether integers in memory are as in that of the module. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * A decoder, and the chunk of which the memory has a copy.
 */
class Decoder extends Handle {
  /**
   * @param {boolean} isServer The role
   * @param {boolean} permessageDeflate Whether RSV1 may be set
   */
  constructor(isServer, permessageDeflate) {
    const owner = instance();
    super(owner, 'free_decoder', owner.exports.create_decoder(isServer, permessageDeflate));
    this.isServer = isServer;
    /** Where `decode` writes its records. */
    this.recordsAt = owner.exports.records();
    /** @type {LargeMessage | null} The message that is received into memory of its own. */
    this.large = null;
    /** @type {Buffer | null} The one that is complete, until it's taken. */
    this.complete = null;
  }
}

/**
 * The payload of a message that comes in many chunks. It's collected where JavaScript has its
 * memory: to collect it in that of the module would copy it twice.
 */
class LargeMessage {
  /**
   * @param {number} kind Text or binary
   * @param {number} length Bytes of the payload
   */
  constructor(kind, length) {
    this.kind = kind;
    this.length = length;
    this.filled = 0;
    /** @type {Buffer} */
    this.memory = EMPTY_BUFFER;
  }

  /**
   * Appends a part.
   *
   * @param {Uint8Array} part The part
   */
  append(part) {
    const end = this.filled + part.length;
    if (end > this.memory.length) {
      const filled = this.memory.subarray(0, this.filled);
      this.memory = enlarge(filled, reservation(end, this.length));
    }
    this.memory.set(part, this.filled);
    this.filled = end;
  }
}

/**
 * @param {boolean} isServer The role
 * @param {boolean} permessageDeflate Whether RSV1 may be set
 * @return {Decoder} A decoder
 */
function createDecoder(isServer, permessageDeflate) {
  return new Decoder(isServer, permessageDeflate);
}

/**
 * @param {Decoder} decoder The decoder
 * @param {number} maxPayload Bytes of a message
 * @param {number} maxFragments Frames of a message
 * @param {number} maxBufferedChunks Chunks without a complete frame
 * @param {boolean} skipUtf8Validation Whether text is taken as it comes
 */
function setDecoderLimits(
  { owner, number },
  maxPayload,
  maxFragments,
  maxBufferedChunks,
  skipUtf8Validation
) {
  owner.exports.set_decoder_limits(
    number,
    maxPayload,
    maxFragments,
    maxBufferedChunks,
    skipUtf8Validation
  );
}

/**
 * @param {Decoder} decoder The decoder
 * @param {Buffer} chunk What has arrived
 * @param {number} position How much of it is decoded
 * @param {Buffer} records Where the records go
 * @return {number} How many there are
 */
function decode(decoder, chunk, position, records) {
  decoder.complete = null;
  try {
    return decoder.large === null
      ? decodeChunk(decoder, chunk, position, records)
      : receiveLarge(decoder, chunk, position, records);
  } catch (error) {
    throw decoder.owner.note(error);
  }
}

/**
 * Decodes a chunk up to where a large message begins that it has only a part of.
 *
 * @param {Decoder} decoder The decoder
 * @param {Buffer} chunk What has arrived
 * @param {number} position How much of it is decoded
 * @param {Buffer} records Where the records go
 * @return {number} How many there are
 */
function decodeChunk(decoder, chunk, position, records) {
  const { isServer, owner, number } = decoder;
  const { exports } = owner;
  const at = enter(owner, chunk, position);
  const max = Math.floor(records.length / RECORD_LENGTH) - 1;
  const count = exports.decode(number, chunk.length, position, max);
  const place = decoder.recordsAt;
  const length = (count + 1) * RECORD_LENGTH;
  // Only now: the memory may have grown.
  const { bytes, view } = owner;
  copy(bytes, place, records, 0, length);
  if (!IS_LITTLE_ENDIAN) records.subarray(0, length).swap32();
  // What clients send is masked: payloads have changed there. What servers send hasn't.
  if (isServer) {
    let first = 1;
    while (first <= count && !isInChunk(view, place, first)) first++;
    let last = count;
    while (last > first && !isInChunk(view, place, last)) last--;
    if (first <= last) {
      const begin = read(view, place, first, PLACE_AT);
      const end = read(view, place, last, PLACE_AT) + read(view, place, last, LENGTH_AT);
      copy(bytes, at + begin, chunk, begin, end - begin);
    }
  }
  const kind = read(view, place, 0, LARGE_AT);
  if (kind === 0) return count;
  const reached = read(view, place, 0, 0);
  if (reached === chunk.length) return count;
  decoder.large = new LargeMessage(kind, exports.large_length(number));
  return count > 0 ? count : receiveLarge(decoder, chunk, reached, records);
}

/**
 * Receives the part of a large message that a chunk has.
 *
 * @param {Decoder} decoder The decoder
 * @param {Buffer} chunk What has arrived
 * @param {number} position Where the part begins
 * @param {Buffer} records Where the record goes
 * @return {number} How many there are: one if the message is complete, or an error
 */
function receiveLarge(decoder, chunk, position, records) {
  const { isServer, number, owner } = decoder;
  const large = /** @type {LargeMessage} */ (decoder.large);
  const end = Math.min(chunk.length, position + large.length - large.filled);
  // What servers send isn't masked; text is checked.
  const isNeeded = isServer || large.kind !== RECORD_BINARY;
  const at = isNeeded ? enter(owner, chunk, position) : owner.reserve(end);
  const kind = owner.exports.receive_large(number, position, end);
  if (isServer) large.append(owner.bytes.subarray(at + position, at + end));
  else large.append(chunk.subarray(position, end));
  if (kind === 0) {
    writeFields(records, [end]);
    return 0;
  }
  decoder.large = null;
  if (kind !== RECORD_ERROR) decoder.complete = large.memory;
  writeFields(records, [end, 0, 0, 0, kind, 0, -1, Math.min(large.length, MAX_RECORD_LENGTH)]);
  return 1;
}

/**
 * @param {Buffer} records Where records are
 * @param {number[]} fields The first integers of them
 */
function writeFields(records, fields) {
  for (const [i, field] of fields.entries()) {
    if (IS_LITTLE_ENDIAN) records.writeInt32LE(field, 4 * i);
    else records.writeInt32BE(field, 4 * i);
  }
}

/**
 * @param {DataView} view The memory
 * @param {number} place Where the records are
 * @param {number} index Which of them, from 1 on
 * @return {boolean} Whether it has a payload, and that is in the chunk
 */
function isInChunk(view, place, index) {
  return read(view, place, index, PLACE_AT) >= 0 && read(view, place, index, LENGTH_AT) > 0;
}

/**
 * @param {DataView} view The memory
 * @param {number} place Where the records are
 * @param {number} index Which of them, from 1 on; 0 is the header
 * @param {number} at Where the field is in a record
 * @return {number} The value of the field
 */
function read(view, place, index, at) {
  return view.getInt32(place + index * RECORD_LENGTH + at, true);
}

/**
 * Makes a chunk the input, from the position on, unless it is already.
 *
 * @param {any} owner The instance
 * @param {Buffer} chunk The chunk
 * @param {number} position Its first byte that counts
 * @return {number} Where the chunk begins in the memory
 */
function enter(owner, chunk, position) {
  const isThere = position > 0 && owner.resident === chunk;
  const at = owner.reserve(chunk.length);
  if (!isThere) copy(chunk, position, owner.bytes, at + position, chunk.length - position);
  owner.resident = chunk;
  return at;
}

/**
 * @param {Decoder} decoder The decoder
 * @param {number} index Which payload of the latest `decode`
 * @return {Buffer} The payload, once
 */
function takePayload(decoder, index) {
  const { complete, owner, number } = decoder;
  if (complete !== null) {
    decoder.complete = null;
    return complete;
  }
  return owner.guard(() => {
    owner.exports.take_payload(number, index);
    return owner.read();
  });
}

/**
 * @param {Decoder} decoder The decoder
 * @param {number} index Which payload of the latest `decode`
 * @return {Uint32Array} The lengths of the fragments that it came in
 */
function fragmentLengths({ owner, number }, index) {
  owner.exports.fragment_lengths(number, index);
  return new Uint32Array(owner.read().buffer);
}

/**
 * @param {Decoder} decoder The decoder
 * @return {number} The declared lengths of the frames of the message that is under way
 */
function totalPayloadLength({ owner, number }) {
  return owner.exports.total_payload_length(number);
}

/**
 * @param {Decoder} decoder The decoder
 * @return {boolean} Whether what was decoded ends with a message
 */
function isBetweenMessages({ owner, number }) {
  return owner.exports.is_between_messages(number) !== 0;
}

/**
 * @typedef {object} ErrorDescription
 * @property {boolean} isRangeError The class
 * @property {string} message The message
 * @property {string} code The `code`
 * @property {number} closeCode The close code
 */

/**
 * @param {any} owner The instance whose output says what is wrong
 * @return {ErrorDescription} What the error is made of
 */
function readError(owner) {
  const [isRangeError, message, code, closeCode] = owner.readTexts();
  return { isRangeError: isRangeError === '1', message, code, closeCode: Number(closeCode) };
}

/**
 * @param {Decoder} decoder The decoder
 * @return {ErrorDescription | null} Why the connection has to fail
 */
function decoderError({ owner, number }) {
  return owner.exports.decoder_error(number) ? readError(owner) : null;
}

/**
 * @return {ErrorDescription} The error of a message that exceeds `maxPayload` once inflated
 */
function messageLengthError() {
  const owner = instance();
  owner.exports.message_length_error();
  return readError(owner);
}

/**
 * @return {ErrorDescription} The error of a text that isn't UTF-8 once inflated
 */
function utf8Error() {
  const owner = instance();
  owner.exports.utf8_error();
  return readError(owner);
}

/**
 * @param {Buffer} target Where the header goes
 * @param {number} end Where it ends
 * @param {number} first Its first byte
 * @param {number} payloadLength Bytes of the payload
 * @param {Buffer | null} [key] The masking key
 * @return {number} Where it begins
 */
function encodeHeader(target, end, first, payloadLength, key) {
  const owner = instance();
  const { exports } = owner;
  const masking = key ? key.readUInt32BE(0) : 0;
  const length = exports.encode_header(first, payloadLength, !!key, masking);
  if (length === 0) throw new Error('invalid opcode');
  const { bytes, headerAt: at } = owner;
  const start = end - length;
  for (let i = 0; i < length; i++) target[start + i] = bytes[at + i];
  return start;
}

const pool = Buffer.alloc(KEY_POOL_LENGTH);
let poolUsed = KEY_POOL_LENGTH;

/**
 * @param {Buffer} key Its first four bytes become an unpredictable masking key
 */
function fillMaskingKey(key) {
  if (poolUsed === KEY_POOL_LENGTH) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  for (let i = 0; i < KEY_LENGTH; i++) key[i] = pool[poolUsed++];
}

/**
 * @param {Buffer} source The bytes
 * @param {Buffer} key The masking key
 * @param {Buffer} output Where the masked bytes go
 * @param {number} offset Where in there
 * @param {number} length How many
 */
function mask(source, key, output, offset, length) {
  if (length <= MAX_LOOP_LENGTH) {
    for (let i = 0; i < length; i++) output[offset + i] = source[i] ^ key[i & 3];
    return;
  }
  const owner = instance();
  const number = key.readUInt32BE(0);
  for (let begin = 0; begin < length; begin += MASK_LENGTH) {
    const part = source.subarray(begin, Math.min(begin + MASK_LENGTH, length));
    const at = owner.write(part);
    owner.exports.mask(part.length, number);
    output.set(owner.bytes.subarray(at, at + part.length), offset + begin);
  }
}

/**
 * @param {Buffer} buffer What is masked or unmasked in place
 * @param {Buffer} key The masking key
 */
function unmask(buffer, key) {
  mask(buffer, key, buffer, 0, buffer.length);
}

/**
 * @param {number} code A close code
 * @return {boolean} Whether it may stand in a close frame
 */
function isValidCloseCode(code) {
  return instance().exports.is_valid_close_code(code) !== 0;
}

module.exports = {
  createDecoder,
  decode,
  decoderError,
  encodeHeader,
  fillMaskingKey,
  fragmentLengths,
  isBetweenMessages,
  isValidCloseCode,
  // Node's own needs no copy.
  isValidUtf8: isUtf8,
  mask,
  messageLengthError,
  setDecoderLimits,
  takePayload,
  totalPayloadLength,
  unmask,
  utf8Error
};

'use strict';

// Frames for tests, written byte by byte: what the code under test makes is not used to test it.

/**
 * Makes a frame.
 *
 * @param {number} opcode The opcode
 * @param {Buffer | string} payload The payload
 * @param {{fin?: boolean, rsv?: number, key?: Buffer | null}} [options] FIN, the RSV bits (4 is
 *   RSV1) and the masking key, `null` for none
 * @return {Buffer} The frame
 */
function frame(opcode, payload = '', { fin = true, rsv = 0, key = null } = {}) {
  const data = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const mask = key ? 0x80 : 0;
  if (data.length < 126) head.push(mask | data.length);
  else if (data.length < 65536) head.push(mask | 126, data.length >> 8, data.length & 0xff);
  else {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(data.length));
    head.push(mask | 127, ...length);
  }
  if (!key) return Buffer.concat([Buffer.from(head), data]);
  return Buffer.concat([Buffer.from(head), key, data.map((byte, i) => byte ^ key[i % 4])]);
}

/** Numbers that look random and are the same in every run. */
function generator(seed) {
  let state = seed >>> 0 || 1;
  return function next(bound) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

module.exports = { frame, generator };

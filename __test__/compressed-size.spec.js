'use strict';

// Messages are compressed as far as ws compresses them, at each level: within 3 %.

const assert = require('node:assert');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { describe, it } = require('node:test');
const { promisify } = require('node:util');

const PerMessageDeflate = require('../lib/permessage-deflate');
const { generator } = require('./support/frames');
const { internal } = require('./support/reference');

const Reference = internal('permessage-deflate');

/** Lengths of messages, and how many of each are sent. */
const LENGTHS = [
  [1024, 40],
  [65536, 3]
];
const LARGEST_RATIO = 1.03;

/** Makers of samples: each gives the next message of a length. */
const SAMPLES = {
  JSON() {
    const next = generator(7);
    const symbols = ['ACME', 'GLOBEX', 'HOOLI', 'INITECH', 'STARK', 'UMBRELLA'];
    return (length) => {
      let text = '[';
      while (text.length < length) {
        const record = {
          id: next(10_000_000),
          symbol: symbols[next(symbols.length)],
          side: next(2) ? 'buy' : 'sell',
          price: next(100_000) / 100,
          quantity: next(5000),
          user: `u-${next(2 ** 31).toString(16)}`,
          open: next(5) > 0
        };
        text += `${JSON.stringify(record)},`;
      }
      return Buffer.from(text.slice(0, length));
    };
  },

  text() {
    const text = readFileSync(join(__dirname, '..', 'doc', 'api.md'));
    const twice = Buffer.concat([text, text, text, text, text]);
    let start = 0;
    return (length) => {
      start += length;
      return twice.subarray(start - length, start);
    };
  },

  'binary data'() {
    const next = generator(7);
    let tick = 0;
    // Samples of a sensor: time, a wave with noise, small numbers, flags.
    return (length) => {
      const data = Buffer.alloc(length);
      for (let i = 0; i + 16 <= length; i += 16) {
        data.writeUInt32LE(1_700_000_000 + tick, i);
        data.writeFloatLE((Math.round(Math.sin(tick / 50) * 1000) + next(10)) / 10, i + 4);
        data.writeInt16LE(next(200) - 100, i + 8);
        data.writeUInt16LE(next(4), i + 10);
        data.writeUInt32LE(next(3) ? 0 : 0xffff_ffff, i + 12);
        tick++;
      }
      return data;
    };
  }
};

/** Gives the length that messages have when a class has compressed them. */
async function compressedLength(Class, level, parameters, messages) {
  const extension = new Class({ zlibDeflateOptions: { level } });
  extension.accept([parameters]);
  const compress = promisify(extension.compress.bind(extension));
  let sum = 0;
  for (const message of messages) sum += (await compress(message, true)).length;
  extension.cleanup();
  return sum;
}

describe('the size of compressed messages is within 3 % of that of ws', () => {
  for (const [name, maker] of Object.entries(SAMPLES)) {
    for (const [length, count] of LENGTHS) {
      for (const takeover of [true, false]) {
        it(`${name}, ${length} bytes, ${takeover ? 'with' : 'without'} context takeover`, async () => {
          const make = maker();
          const messages = Array.from({ length: count }, () => make(length));
          for (let level = 1; level <= 9; level++) {
            const [ours, theirs] = await Promise.all(
              [PerMessageDeflate, Reference].map((Class) => {
                const parameters = takeover ? {} : { client_no_context_takeover: [true] };
                return compressedLength(Class, level, parameters, messages);
              })
            );
            const ratio = ours / theirs;
            assert.ok(ratio <= LARGEST_RATIO, `level ${level}: ${ours} bytes, ws ${theirs}`);
          }
        });
      }
    }
  }
});

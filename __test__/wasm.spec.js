'use strict';

// The WebAssembly build gives what the addon gives, function by function.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { describe, it } = require('node:test');
const zlib = require('node:zlib');

const addon = require('../lib/native');
const wasm = require('../lib/wasm');
const { instance } = require('../lib/wasm/instance');

/** What only an engine, or threads, need. */
const HEADERS = [
  '',
  'a',
  'a, b,c',
  'a,a',
  'a b',
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits; x="a\\"b", y;z=1',
  'permessage-deflate;',
  'é'
];
const OPTIONS = {
  chunkSize: 16 * 1024,
  level: 6,
  memLevel: 8,
  noContextTakeover: false,
  strategy: 0,
  usesZlib: false,
  windowBits: 15
};

/** Removes what is undefined: the addon leaves it out. */
function plain(value) {
  return JSON.parse(JSON.stringify(value));
}

/**
 * Makes frames of a client: header, key and masked payload.
 *
 * @param {number[]} lengths Bytes of the payload of each
 * @param {(length: number, index: number) => Buffer} [fill] Makes the payload
 */
function makeFrames(lengths, fill = Buffer.alloc) {
  return Buffer.concat(
    lengths.map((length, index) => {
      const key = randomBytes(4);
      const payload = fill(length, index);
      const target = Buffer.alloc(14 + length);
      const start = addon.encodeHeader(target, 14, 0x82, length, key);
      addon.mask(payload, key, target, 14, length);
      return target.subarray(start);
    })
  );
}

/** Makes a frame of a server, text or binary. */
function makeServerFrame(first, payload) {
  const target = Buffer.alloc(14 + payload.length);
  payload.copy(target, 14);
  return target.subarray(addon.encodeHeader(target, 14, first, payload.length));
}

/** Cuts bytes into chunks of a size. */
function cut(bytes, size) {
  const chunks = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

/** Decodes chunks to what comes out: kinds, details and payloads. */
function decodeAll(native, chunks, limits = [0, 0, 0, false], isServer = true) {
  const decoder = native.createDecoder(isServer, false);
  native.setDecoderLimits(decoder, ...limits);
  const memory = Buffer.alloc(257 * 16);
  const events = [];
  for (const original of chunks) {
    const chunk = Buffer.from(original);
    let position = 0;
    while (position < chunk.length) {
      const count = native.decode(decoder, chunk, position, memory);
      const records = new Int32Array(memory.buffer, memory.byteOffset, memory.length / 4);
      for (let at = 4; at <= 4 * count; at += 4) {
        const [kind, detail, place, length] = records.subarray(at, at + 4);
        if (kind === native.RECORD_ERROR) {
          return [...events, native.decoderError(decoder)];
        }
        const payload =
          place < 0
            ? native.takePayload(decoder, -1 - place)
            : Buffer.from(chunk.subarray(place, place + length));
        events.push([kind, detail, payload.toString('hex')]);
      }
      position = records[0];
    }
  }
  events.push(native.totalPayloadLength(decoder), native.isBetweenMessages(decoder));
  return events;
}

describe('The WebAssembly build', () => {
  it('has the numbers and functions that the stream transport uses', () => {
    for (const [name, value] of Object.entries(wasm)) {
      assert.strictEqual(typeof addon[name], typeof value, name);
      if (typeof value === 'number') assert.strictEqual(addon[name], value, name);
    }
    assert.strictEqual(wasm.version(), addon.version());
    assert.strictEqual(wasm.createEngine, undefined);
  });

  it('parses headers alike', () => {
    for (const header of HEADERS) {
      assert.deepStrictEqual(plain(wasm.parseExtensions(header)), addon.parseExtensions(header));
      assert.deepStrictEqual(
        plain(wasm.parseSubprotocols(header)),
        addon.parseSubprotocols(header)
      );
      assert.strictEqual(wasm.isValidKey(header), addon.isValidKey(header));
      assert.strictEqual(wasm.acceptKey(header), addon.acceptKey(header));
    }
  });

  it('negotiates alike', () => {
    const flags = [undefined, true, false];
    const bits = [undefined, 0, 9, 15];
    const offers = [
      [],
      [[]],
      [[{ name: 'client_max_window_bits' }]],
      [[{ name: 'server_max_window_bits', value: '9' }, { name: 'client_no_context_takeover' }]],
      [[{ name: 'server_max_window_bits', value: '7' }]],
      [[{ name: 'unknown', value: 'x' }], [{ name: 'server_no_context_takeover' }]]
    ];
    for (const name of ['acceptDeflateOffer', 'acceptDeflateResponse']) {
      for (const offer of offers) {
        for (const flag of flags) {
          for (const number of bits) {
            const options = {
              serverNoContextTakeover: flag,
              clientMaxWindowBits: number,
              serverMaxWindowBits: number
            };
            const expected = addon[name](offer, options);
            assert.deepStrictEqual(plain(wasm[name](offer, options)), plain(expected), name);
          }
        }
      }
    }
  });

  it('decodes alike, in chunks of any length', () => {
    const bytes = makeFrames([0, 1, 125, 126, 300, 70_000, 3, ...new Array(600).fill(2)]);
    const expected = decodeAll(addon, [bytes]);
    assert.strictEqual(expected.length, 609);
    for (const size of [bytes.length, 65_536, 4096, 61, 7]) {
      assert.deepStrictEqual(decodeAll(wasm, cut(bytes, size)), expected, `chunks of ${size}`);
    }
  });

  it('decodes large messages alike, of clients and of servers', () => {
    const lengths = [65_536, 3, 1 << 20, 200_000, 70_000];
    const text = Buffer.from('ä€𝄞z'.repeat(30_000));
    const cases = [
      [true, makeFrames(lengths, (length) => randomBytes(length))],
      [
        false,
        Buffer.concat([
          makeServerFrame(0x82, randomBytes(1 << 20)),
          makeServerFrame(0x81, text),
          makeServerFrame(0x81, Buffer.from('small')),
          makeServerFrame(0x82, randomBytes(65_536))
        ])
      ]
    ];
    for (const [isServer, bytes] of cases) {
      const expected = decodeAll(addon, [bytes], undefined, isServer);
      for (const size of [65_536, 65_550, 10_000, 777_777]) {
        const events = decodeAll(wasm, cut(bytes, size), undefined, isServer);
        assert.deepStrictEqual(events, expected, `chunks of ${size}`);
      }
    }
    const begun = cut(cases[0][1].subarray(0, 1 << 20), 60_000);
    assert.deepStrictEqual(decodeAll(wasm, begun), decodeAll(addon, begun));
  });

  it('refuses large messages alike', () => {
    const bad = Buffer.alloc(100_000, 'a');
    bad[80_000] = 0xff;
    const chunks = cut(makeServerFrame(0x81, bad), 30_000);
    const cases = [
      [chunks, [0, 0, 0, false]],
      [chunks, [99_999, 0, 0, false]],
      [chunks, [0, 0, 3, true]]
    ];
    for (const [each, limits] of cases) {
      const expected = decodeAll(addon, each, limits, false);
      assert.ok(expected.at(-1).code, 'the addon refuses it');
      assert.deepStrictEqual(decodeAll(wasm, each, limits, false), expected);
    }
    const [skipped] = decodeAll(wasm, chunks, [0, 0, 0, true], false);
    assert.strictEqual(skipped[2], bad.toString('hex'));
  });

  it('takes memory for a large message as it arrives', () => {
    const decoder = wasm.createDecoder(false, false);
    const memory = Buffer.alloc(257 * 16);
    const header = Buffer.from('827f0000000040000000', 'hex');
    const chunk = Buffer.concat([header, Buffer.alloc(1000)]);
    assert.strictEqual(wasm.decode(decoder, chunk, 0, memory), 0);
    assert.strictEqual(decoder.large.memory.length, 65_536);
    assert.strictEqual(wasm.decode(decoder, Buffer.alloc(65_536), 0, memory), 0);
    assert.strictEqual(decoder.large.memory.length, 2 ** 21);
  });

  it('keeps decoders of one chunk apart', () => {
    const bytes = makeFrames(new Array(300).fill(5));
    const decoders = [wasm.createDecoder(true, false), wasm.createDecoder(true, false)];
    const memory = Buffer.alloc(257 * 16);
    const chunks = decoders.map(() => Buffer.from(bytes));
    assert.strictEqual(wasm.decode(decoders[0], chunks[0], 0, memory), 256);
    const position = memory.readInt32LE(0);
    assert.strictEqual(wasm.decode(decoders[1], chunks[1], 0, memory), 256);
    assert.strictEqual(wasm.decode(decoders[0], chunks[0], position, memory), 44);
    assert.strictEqual(memory.readInt32LE(0), bytes.length);
    assert.ok(chunks[0].subarray(-5).every((byte) => byte === 299 % 256));
  });

  it('refuses alike', () => {
    const cases = [
      [Buffer.from([0x83, 0x80]), undefined],
      [Buffer.from([0x81, 0x05]), undefined],
      [Buffer.from([0x8f, 0x80, 0, 0, 0, 0]), undefined],
      [makeFrames([20]), [10, 0, 0, false]],
      [Buffer.concat([makeFrames([3, 5]), Buffer.from([0x83, 0x80])]), undefined],
      [Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]), undefined]
    ];
    for (const [bytes, limits] of cases) {
      const expected = decodeAll(addon, [bytes], limits);
      assert.ok(expected.at(-1).code, 'the addon refuses it');
      assert.deepStrictEqual(decodeAll(wasm, [bytes], limits), expected);
    }
    assert.deepStrictEqual(wasm.messageLengthError(), addon.messageLengthError());
    assert.deepStrictEqual(wasm.utf8Error(), addon.utf8Error());
  });

  it('encodes, masks and checks alike', () => {
    const key = randomBytes(4);
    for (const length of [0, 125, 126, 65_535, 65_536, 2 ** 40]) {
      const [one, two] = [Buffer.alloc(14), Buffer.alloc(14)];
      for (const masked of [undefined, key]) {
        const start = wasm.encodeHeader(one, 14, 0xc1, length, masked);
        assert.strictEqual(start, addon.encodeHeader(two, 14, 0xc1, length, masked));
        assert.deepStrictEqual(one, two);
      }
    }
    for (const length of [0, 3, 64, 65, 1000]) {
      const data = randomBytes(length);
      const [one, two] = [Buffer.alloc(length + 3), Buffer.alloc(length + 3)];
      wasm.mask(data, key, one, 3, length);
      addon.mask(data, key, two, 3, length);
      assert.deepStrictEqual(one, two);
      wasm.unmask(data, key);
      assert.deepStrictEqual(data, two.subarray(3));
      assert.strictEqual(wasm.isValidUtf8(data), addon.isValidUtf8(data));
    }
    for (const code of [0, 999, 1000, 1005, 1014, 1016, 3000, 4999, 5000, 1000.5, -1]) {
      assert.strictEqual(wasm.isValidCloseCode(code), addon.isValidCloseCode(code), `${code}`);
    }
    const keys = new Set();
    for (let i = 0; i < 5000; i++) {
      wasm.fillMaskingKey(key);
      keys.add(key.readUInt32LE());
    }
    assert.ok(keys.size > 4990);
  });

  it('compresses and inflates, with the window taken over', () => {
    const deflater = new wasm.Deflater(OPTIONS);
    const reference = new addon.Deflater(OPTIONS);
    const inflater = new wasm.Inflater(OPTIONS);
    const text = Buffer.from('{"id":1,"name":"x"},'.repeat(100));
    for (let round = 0; round < 3; round++) {
      const output = deflater.deflate(text, true);
      assert.deepStrictEqual(output, reference.deflate(text, true));
      assert.deepStrictEqual(inflater.inflate(output, true, 0, 1 << 20), text);
    }
    assert.strictEqual(inflater.inflate(deflater.deflate(text, true), true, 10, 1 << 20), null);
    assert.strictEqual(inflater.failure().code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    for (const each of [deflater, reference, inflater]) each.free();
  });

  it('says alike why data cannot be inflated', () => {
    const failures = [wasm, addon].map((native) => {
      const inflater = new native.Inflater(OPTIONS);
      assert.strictEqual(inflater.inflate(Buffer.from('ff', 'hex'), true, 0, 1000), null);
      return plain(inflater.failure());
    });
    assert.deepStrictEqual(failures[0], failures[1]);
    assert.strictEqual(failures[0].code, 'Z_DATA_ERROR');
  });

  it('does what is large in slices between which the event loop turns', async () => {
    const data = Buffer.alloc(8 << 20, 'a sentence that repeats itself, with numbers 0123456789; ');
    const results = [];
    let turns = 0;
    const work = new wasm.WorkResults((...result) => results.push(result));
    const deflater = new wasm.Deflater(OPTIONS);
    deflater.deflateApart(work, 7, data, true);
    const wait = async (count) => {
      for (; results.length < count; turns++) await new Promise(setImmediate);
    };
    await wait(1);
    const [number, output, , isFinished] = results[0];
    assert.deepStrictEqual([number, isFinished], [7, true]);
    assert.ok(turns >= 50, `${turns} turns`);
    const tail = Buffer.from('0000ffff', 'hex');
    const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
    const inflated = zlib.inflateRawSync(Buffer.concat([output, tail]), options);
    assert.ok(inflated.equals(data));

    turns = 0;
    const inflater = new wasm.Inflater(OPTIONS);
    inflater.inflateApart(work, 8, output, true, 0);
    await wait(2);
    assert.ok(results[1][1].equals(data));
    assert.ok(turns >= 50, `${turns} turns`);

    // What is closed meanwhile comes to nothing, and others go on.
    const other = new wasm.Inflater(OPTIONS);
    const closed = new wasm.Inflater(OPTIONS);
    other.inflateApart(work, 9, output, true, 0);
    closed.inflateApart(work, 10, output, true, 0);
    await sleep(1);
    closed.free();
    await wait(4);
    const byNumber = new Map(results.map((result) => [result[0], result[1]]));
    assert.strictEqual(byNumber.get(10), null);
    assert.ok(byNumber.get(9).equals(data));
  });

  it('is made anew after a trap', () => {
    const before = instance();
    const deflater = new wasm.Deflater(OPTIONS);
    // A number that nobody has.
    assert.throws(() => before.guard(() => before.exports.free_everything()), TypeError);
    assert.strictEqual(instance(), before);
    assert.throws(() => before.guard(() => before.exports.deflate(999, 0, true)), /unreachable/);
    assert.notStrictEqual(instance(), before);
    assert.throws(() => deflater.deflate(Buffer.from('x'), true));
    deflater.free();
    const next = new wasm.Deflater(OPTIONS);
    assert.ok(next.deflate(Buffer.from('x'), true).length > 0);
  });

  for (const env of [{}, { OXWS_DRIVER: 'tokio' }, { OXWS_DRIVER: 'auto' }]) {
    it(`carries connections, ${JSON.stringify(env)}`, () => {
      const script = `
        const { WebSocket, WebSocketServer } = require('.');
        const wss = new WebSocketServer({ port: 0 }, () => {
          const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
          ws.on('open', () => ws.send('there and back'));
          ws.on('message', (data) => { console.log(String(data)); ws.close(); wss.close(); });
        });
        wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;
      const output = execFileSync(process.execPath, ['-e', script], {
        cwd: path.join(__dirname, '..'),
        encoding: 'utf8',
        env: { ...process.env, OXWS_TRANSPORT: '', ...env, OXWS_BINDING: 'wasm' },
        timeout: 20_000
      });
      assert.strictEqual(output, 'there and back\n');
    });
  }

  it('loads within 15 ms and is shipped in at most 300 KB', (t) => {
    const file = require.resolve('../binding.wasm.js');
    const { size } = require('node:fs').statSync(file);
    assert.ok(size <= 300_000, `${size} bytes`);
    const script = `
      require('./lib/constants'); require('node:zlib'); require('node:crypto');
      const start = process.cpuUsage(); require('./lib/wasm');
      const { user, system } = process.cpuUsage(start);
      console.log((user + system) / 1000);`;
    const times = [1, 2, 3].map(() =>
      Number(execFileSync(process.execPath, ['-e', script], { cwd: `${__dirname}/..` }))
    );
    t.diagnostic(`${times.join(', ')} ms of CPU time`);
    // Twice, since compiling goes on on other threads.
    assert.ok(Math.min(...times) <= 30, `${times} ms`);
  });
});

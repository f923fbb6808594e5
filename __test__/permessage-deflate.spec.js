'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { join } = require('node:path');
const { describe, it } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const zlib = require('node:zlib');

const { kStatusCode } = require('../lib/constants');
const { format, parse } = require('../lib/extension');
const PerMessageDeflate = require('../lib/permessage-deflate');
const agreed = require('./support/agreed');
const { generator } = require('./support/frames');
const { outcome } = require('./support/outcome');
const { internal } = require('./support/reference');
const until = require('./support/until');

const Reference = internal('permessage-deflate');

/** What a class makes of a header: the text of its answer, or its error. */
function negotiate(Class, options, header) {
  return outcome(() => {
    const extension = new Class(options);
    const params = extension.accept(parse(header)['permessage-deflate']);
    assert.strictEqual(extension.params, params);
    return format({ 'permessage-deflate': [params] });
  });
}

/** All combinations of one element of each list. */
function* combinations([first, ...rest]) {
  if (first === undefined) yield [];
  else for (const head of first) for (const tail of combinations(rest)) yield [head, ...tail];
}

/** Runs a script in a process of its own, which has to end by itself; gives what it prints. */
function runScript(script, env = process.env) {
  const options = { cwd: join(__dirname, '..'), env, timeout: 20_000 };
  return execFileSync(process.execPath, ['-e', script], options).toString();
}

describe('PerMessageDeflate', () => {
  describe('memoryLimit', () => {
    /** Runs a program in a process of its own, as the first value given holds; gives its output. */
    function run(program) {
      const script = `
        const { promisify } = require('node:util');
        const PerMessageDeflate = require('./lib/permessage-deflate');
        const text = Buffer.from('a message that is sent more than once, to tell its window');
        function agreed(options) {
          const extension = new PerMessageDeflate(options);
          extension.accept([{}]);
          return [
            promisify(extension.compress.bind(extension)),
            promisify(extension.decompress.bind(extension))
          ];
        }
        /** The lengths of messages that are alike; what they carry must arrive. */
        async function lengths([compress, decompress]) {
          const lengths = [];
          for (let i = 0; i < 3; i++) {
            const data = await compress(text, true);
            lengths.push(data.length);
            if (!text.equals(await decompress(data, true))) throw new Error('not the same');
          }
          return lengths;
        }
        (async () => console.log(JSON.stringify(await (${program})())))();`;
      return JSON.parse(runScript(script));
    }

    it('takes windows over within it', () => {
      const [first, second, third] = run('() => lengths(agreed({}))');
      assert.ok(first > 40 && second < 10 && third < 10);
    });

    it('has windows given up beyond it, and keeps those that are needed to decompress', () => {
      const [first, ...others] = run('() => lengths(agreed({ memoryLimit: 0 }))');
      assert.deepStrictEqual(others, [first, first]);
    });

    it('is what the first instance says that says it', () => {
      const [limited, unlimited] = run(`async () => {
        agreed({});
        const first = agreed({ memoryLimit: 1000 });
        const second = agreed({ memoryLimit: Infinity });
        return [await lengths(first), await lengths(second)];
      }`);
      // No compressor is that small.
      assert.deepStrictEqual(limited, Array(3).fill(limited[0]));
      assert.deepStrictEqual(unlimited, limited);
    });

    it('is a number of bytes', () => {
      for (const memoryLimit of [-1, Number.NaN, '1', null, 1n, {}]) {
        assert.throws(() => new PerMessageDeflate({ memoryLimit }), {
          name: 'TypeError',
          message: `The option "memoryLimit" must be a number of bytes: ${memoryLimit}`
        });
      }
      new PerMessageDeflate({ memoryLimit: undefined });
    });
  });

  it('has the name of the extension and the defaults of ws', () => {
    assert.strictEqual(PerMessageDeflate.extensionName, 'permessage-deflate');
    const extension = new PerMessageDeflate({ maxPayload: 2 ** 31 + 7, threshold: 0 });
    assert.strictEqual(extension._maxPayload, -(2 ** 31) + 7);
    assert.strictEqual(extension._threshold, 0);
    assert.strictEqual(new PerMessageDeflate()._threshold, 1024);
    assert.strictEqual(new PerMessageDeflate({ isServer: 1 })._isServer, true);
    const { params, _deflate, _inflate } = extension;
    assert.deepStrictEqual([params, _deflate, _inflate], [null, null, null]);
  });

  describe('negotiation', () => {
    it('offers what ws offers', () => {
      for (const [snct, cnct, smwb, cmwb] of combinations([
        [undefined, false, true],
        [undefined, false, true],
        [undefined, null, false, true, 10],
        [undefined, null, false, true, 11]
      ])) {
        const options = {
          serverNoContextTakeover: snct,
          clientNoContextTakeover: cnct,
          serverMaxWindowBits: smwb,
          clientMaxWindowBits: cmwb
        };
        assert.deepStrictEqual(
          Object.entries(new PerMessageDeflate(options).offer()),
          Object.entries(new Reference(options).offer())
        );
      }
    });

    it('comes to the result of ws, whatever the options and the header', () => {
      const bits = ['', '=8', '=10', '=15', '=7', '=x'];
      const headers = [];
      for (const [snct, cnct, smwb, cmwb] of combinations([
        ['', '; server_no_context_takeover'],
        ['', '; client_no_context_takeover'],
        ['', ...bits.map((value) => `; server_max_window_bits${value}`)],
        ['', ...bits.map((value) => `; client_max_window_bits${value}`)]
      ])) {
        headers.push(`permessage-deflate${cmwb}${snct}${smwb}${cnct}`);
      }
      headers.push(
        'permessage-deflate; foo',
        'permessage-deflate; server_no_context_takeover=1',
        'permessage-deflate; client_max_window_bits; client_max_window_bits=10',
        'permessage-deflate; server_max_window_bits=8, permessage-deflate',
        'permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate',
        'permessage-deflate, permessage-deflate; foo'
      );
      for (const [isServer, snct, cnct, smwb, cmwb] of combinations([
        [false, true],
        [undefined, false, true],
        [undefined, false, true],
        [undefined, false, true, 9, 12],
        [undefined, false, true, 9, 12]
      ])) {
        const options = {
          isServer,
          serverNoContextTakeover: snct,
          clientNoContextTakeover: cnct,
          serverMaxWindowBits: smwb,
          clientMaxWindowBits: cmwb
        };
        for (const header of headers) {
          assert.deepStrictEqual(
            negotiate(PerMessageDeflate, options, header),
            negotiate(Reference, options, header),
            `${JSON.stringify(options)} ${header}`
          );
        }
      }
    });

    it('answers as ws does where an option is no number of RFC 7692', () => {
      const numbers = [0, -0, -1, 1, 7, 7.5, 8, 8.5, 10.5, 14.9, 15, 15.5, 16, 255, 256, 1e9];
      const odd = [...numbers, NaN, Infinity, -Infinity, null, '9', ''];
      const headers = ['permessage-deflate', 'permessage-deflate; client_max_window_bits'];
      for (const bits of [8, 9, 10, 14, 15]) {
        for (const name of ['server', 'client']) {
          headers.push(`permessage-deflate; ${name}_max_window_bits=${bits}`);
        }
      }
      headers.push('permessage-deflate; server_max_window_bits=9, permessage-deflate');
      for (const [isServer, smwb, cmwb] of combinations([[false, true], odd, odd])) {
        const options = { isServer, serverMaxWindowBits: smwb, clientMaxWindowBits: cmwb };
        const offer = (Class) => format({ 'permessage-deflate': new Class(options).offer() });
        assert.strictEqual(offer(PerMessageDeflate), offer(Reference));
        for (const header of headers) {
          assert.deepStrictEqual(
            negotiate(PerMessageDeflate, options, header),
            negotiate(Reference, options, header),
            `${isServer} ${smwb} ${cmwb} ${header}`
          );
        }
      }
    });

    it('gives the native part no more parameters than decide what becomes of them', () => {
      const many = Array.from({ length: 8000 }, (_, i) => `a${i}`);
      for (const [header, message] of [
        [`permessage-deflate${';a'.repeat(8000)}`, 'Parameter "a" must have only a single value'],
        [`permessage-deflate;${many.join(';')}`, 'Unknown parameter "a0"'],
        [
          `permessage-deflate; server_no_context_takeover; ${many.join(';')}`,
          'Unknown parameter "a0"'
        ]
      ]) {
        for (const Class of [PerMessageDeflate, Reference]) {
          const { error } = negotiate(Class, { isServer: true }, header);
          assert.strictEqual(error, `Error undefined: ${message}`);
        }
      }
    });

    it('refuses numbers that are not written as RFC 7692 says', () => {
      for (const value of ['08', '0x9', '1e1', '+9', '9.0', '10_']) {
        assert.throws(() => new PerMessageDeflate().accept([{ server_max_window_bits: [value] }]), {
          name: 'TypeError',
          message: `Invalid value for parameter "server_max_window_bits": ${value}`
        });
      }
    });

    it('refuses a response without elements', () => {
      const message = 'No extension response was given';
      assert.throws(() => new PerMessageDeflate().accept([]), { name: 'Error', message });
    });

    it('returns the element that it was given, changed', () => {
      const extension = new PerMessageDeflate({ isServer: true });
      const offers = [{ client_max_window_bits: [true], server_max_window_bits: ['9'] }];
      assert.strictEqual(extension.accept(offers), offers[0]);
      assert.deepStrictEqual(offers, [{ server_max_window_bits: 9 }]);
    });
  });

  describe('compression', () => {
    const messages = [
      Buffer.alloc(0),
      Buffer.from('x'),
      Buffer.from(JSON.stringify({ user: 'somebody', text: 'something '.repeat(50) })),
      randomBytes(5000),
      Buffer.alloc(63 * 1024, 'abc'),
      Buffer.alloc(64 * 1024, 'abc'),
      randomBytes(300_000),
      Buffer.alloc(2 ** 21, 'large')
    ];

    it('understands ws, and ws understands it', async () => {
      for (const [isServer, parameters, windowed] of [
        [true, {}, {}],
        [false, { server_no_context_takeover: true, client_no_context_takeover: true }, {}],
        [true, { server_max_window_bits: '8', client_max_window_bits: '10' }, {}],
        [false, {}, { zlibDeflateOptions: { level: 1, memLevel: 3, strategy: 2 } }]
      ]) {
        for (const [from, to] of [
          [PerMessageDeflate, Reference],
          [Reference, PerMessageDeflate],
          [PerMessageDeflate, PerMessageDeflate]
        ]) {
          const sender = agreed({ ...windowed, isServer }, parameters, from);
          const receiver = agreed({ isServer: !isServer }, parameters, to);
          for (const message of [...messages, ...messages]) {
            const compressed = await sender.compress(message, true);
            assert.ok(Buffer.isBuffer(compressed));
            assert.ok(message.equals(await receiver.decompress(compressed, true)));
          }
          sender.extension.cleanup();
          receiver.extension.cleanup();
        }
      }
    });

    it('takes fragments', async () => {
      const { compress, decompress, extension } = agreed();
      for (const length of [3, 1000, 200_000]) {
        const message = randomBytes(length);
        const cut = Math.floor(length / 3);
        const parts = [message.subarray(0, cut), Buffer.alloc(0), message.subarray(cut)];
        const output = [];
        for (const [index, part] of parts.entries()) {
          const compressed = await compress(part, index === 2);
          output.push(await decompress(compressed, index === 2));
        }
        assert.ok(Buffer.concat(output).equals(message));
      }
      extension.cleanup();
    });

    it('takes strings and all kinds of bytes', async () => {
      const bytes = Buffer.from('gr\u00fc\u00dfe');
      for (const data of ['gr\u00fc\u00dfe', new Uint8Array(bytes), new DataView(bytes.buffer)]) {
        const { compress, decompress, extension } = agreed();
        const output = await decompress(await compress(data, true), true);
        const expected = typeof data === 'string' ? bytes : Buffer.from(data.buffer);
        assert.ok(output.equals(expected));
        extension.cleanup();
      }
      const { extension } = agreed();
      for (const data of [null, undefined, 5, {}]) {
        assert.throws(() => extension.compress(data, true, () => {}), {
          code: 'ERR_INVALID_ARG_TYPE'
        });
      }
      extension.cleanup();
    });

    it('compresses about as well as zlib', async () => {
      const words = 'the quick brown fox jumps over one lazy dog and never looks back'.split(' ');
      const texts = Array.from({ length: 200 }, (_, index) =>
        JSON.stringify(
          Array.from({ length: 12 }, (_, item) => ({
            id: index * 977 + item * 31,
            text: `${words[(index * 7 + item) % 13]} ${words[(index + item * 5) % 13]}`,
            price: ((index * 7919 + item * 104729) % 99991) / 100
          }))
        )
      );
      for (const level of [1, 2, 3, 4, 5, 6, 7, 8, 9, undefined]) {
        const options = { zlibDeflateOptions: { level } };
        const length = { ours: 0, theirs: 0 };
        for (const [name, Class] of [
          ['ours', PerMessageDeflate],
          ['theirs', Reference]
        ]) {
          const { compress, extension } = agreed(options, {}, Class);
          for (const text of texts) length[name] += (await compress(text, true)).length;
          extension.cleanup();
        }
        assert.ok(length.ours <= length.theirs * 1.03, `${level}: ${JSON.stringify(length)}`);
      }
    });

    it('has zlib-rs compress where OXWS_ENCODER says so', () => {
      // What either divides into other matches.
      const text = Array.from({ length: 500 }, (_, i) => (i * i * 7919) % 99991).join();
      const script = `
        const { PerMessageDeflate } = require('.');
        const extension = new PerMessageDeflate({ zlibDeflateOptions: { level: 5 } });
        extension.accept([{}]);
        const text = ${JSON.stringify(text)};
        extension.compress(text, true, (_, data) => console.log(data.toString('hex')));`;
      const run = (encoder) => {
        const { OXWS_ENCODER: _, ...env } = process.env;
        const hex = runScript(script, encoder ? { ...env, OXWS_ENCODER: encoder } : env).trim();
        const data = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.from([0, 0, 255, 255])]);
        const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
        assert.strictEqual(zlib.inflateRawSync(data, options).toString(), text);
        return hex;
      };
      assert.notStrictEqual(run('zlib'), run());
      assert.strictEqual(run('another'), run());
    });

    it('fills the window with a dictionary', async () => {
      const dictionary = Buffer.from('{"type":"message","from":"somebody","text":"');
      const options = { zlibDeflateOptions: { dictionary }, zlibInflateOptions: { dictionary } };
      for (const [from, to] of [
        [PerMessageDeflate, Reference],
        [Reference, PerMessageDeflate]
      ]) {
        const parameters = { client_no_context_takeover: true, server_no_context_takeover: true };
        const sender = agreed(options, parameters, from);
        const receiver = agreed({ ...options, isServer: true }, parameters, to);
        for (let count = 0; count < 3; count++) {
          const compressed = await sender.compress(dictionary, true);
          assert.ok(compressed.length < 12);
          assert.ok((await receiver.decompress(compressed, true)).equals(dictionary));
        }
        sender.extension.cleanup();
        receiver.extension.cleanup();
      }
    });

    it('shows the options as a stream of zlib does', async () => {
      const { compress, decompress, extension } = agreed({
        zlibDeflateOptions: { chunkSize: 256, level: 3, strategy: 1 }
      });
      await decompress(await compress('abc', true), true);
      const { _deflate, _inflate } = extension;
      const shown = [_deflate._chunkSize, _deflate._level, _deflate._strategy, _inflate._chunkSize];
      assert.deepStrictEqual(shown, [256, 3, 1, zlib.constants.Z_DEFAULT_CHUNK]);
      extension.cleanup();
    });

    it('throws what zlib throws of its options, with the first message', () => {
      for (const zlibOptions of [
        { level: 10 },
        { level: '6' },
        { level: Infinity },
        { memLevel: 0 },
        { memLevel: 10 },
        { strategy: 5 },
        { chunkSize: 1 },
        { chunkSize: null },
        { flush: 9 },
        { finishFlush: -1 },
        { maxOutputLength: 0 },
        { dictionary: 'text' },
        { dictionary: null },
        { highWaterMark: 'x' },
        // Not of these: they are taken as zlib takes them.
        { level: Number.NaN },
        { level: 5.5 },
        { windowBits: 99 },
        { dictionary: new ArrayBuffer(4) },
        { info: true, other: 1 }
      ]) {
        for (const [direction, createStream] of [
          ['compress', zlib.createDeflateRaw],
          ['decompress', zlib.createInflateRaw]
        ]) {
          const { extension } = agreed({
            zlibDeflateOptions: zlibOptions,
            zlibInflateOptions: zlibOptions
          });
          const options = { ...zlibOptions, windowBits: 15 };
          assert.deepStrictEqual(
            outcome(() => extension[direction](Buffer.alloc(1), true, () => {})).error,
            outcome(() => createStream(options).close()).error,
            `${direction} ${Object.keys(zlibOptions)}`
          );
          extension.cleanup();
        }
      }
    });
  });

  describe('errors', () => {
    it('are those of zlib for data that does not inflate', async () => {
      for (const data of [
        Buffer.from('something invalid'),
        Buffer.from([0x07]),
        Buffer.from([0x00, 0x01, 0x02, 0x03, 0x04]),
        Buffer.from([0xfc, 0xff, 0xff]),
        Buffer.concat([Buffer.from('something invalid'), Buffer.alloc(100_000)])
      ]) {
        const [ours, theirs] = await Promise.all(
          [PerMessageDeflate, Reference].map((Class) =>
            agreed({}, {}, Class)
              .decompress(data, true)
              .catch((error) => error)
          )
        );
        assert.deepStrictEqual(
          [ours.constructor, ours.message, ours.code, ours.errno],
          [theirs.constructor, theirs.message, theirs.code, theirs.errno]
        );
        assert.deepStrictEqual(Object.keys(ours), Object.keys(theirs));
        assert.strictEqual(ours[kStatusCode], 1007);
      }
    });

    it('have the text of zlib, whatever is wrong', async () => {
      const random = generator(5);
      const texts = new Set();
      for (let count = 0; count < 400; count++) {
        const data = Buffer.alloc(5 + random(300)).map(() => random(256));
        // The kind of the first block in turn, without the flag that it is the last.
        data[0] = (data[0] & 0xf8) | (2 * (count % 4));
        const expected = outcome(() =>
          zlib.inflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH })
        );
        const { decompress, extension } = agreed();
        const error = await decompress(data, false).catch((reason) => reason);
        if (expected.error === undefined) assert.ok(Buffer.isBuffer(error));
        else assert.strictEqual(`Error ${error.code}: ${error.message}`, expected.error);
        texts.add(error.message);
        extension.cleanup();
      }
      assert.ok(texts.size >= 6, [...texts].join());
    });

    it('are of class RangeError for output above maxPayload', async () => {
      const sender = agreed();
      for (const length of [26, 1000, 2 ** 24]) {
        const receiver = agreed({ maxPayload: 25 });
        const data = await sender.compress(Buffer.alloc(length), true);
        sender.extension.cleanup();
        const error = await receiver.decompress(data, true).catch((reason) => reason);
        assert.ok(error instanceof RangeError);
        assert.strictEqual(error.message, 'Max payload size exceeded');
        assert.strictEqual(error.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
        assert.strictEqual(error[kStatusCode], 1009);
        assert.strictEqual(receiver.extension._inflate, null);
        // It can be used again, and the limit is read each time.
        receiver.extension._maxPayload = length;
        assert.strictEqual((await receiver.decompress(data, true)).length, length);
        receiver.extension.cleanup();
      }
    });

    it('of the limit come before the memory is taken', async () => {
      const bomb = zlib.deflateRawSync(Buffer.alloc(2 ** 28), { level: 1 });
      const { decompress, extension } = agreed({ maxPayload: 2 ** 20 });
      const before = process.resourceUsage().maxRSS;
      await assert.rejects(decompress(bomb, true), { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
      assert.ok(process.resourceUsage().maxRSS - before < 32 * 1024);
      extension.cleanup();
    });
  });

  it('does not take what another copy of the package compresses', async () => {
    const { compress, extension } = agreed();
    const cache = { ...require.cache };
    const library = join(__dirname, '..', 'lib');
    for (const file of Object.keys(cache)) if (file.startsWith(library)) delete require.cache[file];
    const Copy = require('../lib/permessage-deflate');
    Object.assign(require.cache, cache);
    assert.notStrictEqual(Copy, PerMessageDeflate);
    const other = agreed({}, {}, Copy);
    const outputs = await Promise.all([compress('one', true), other.compress('the other', true)]);
    const inflated = outputs.map((output) =>
      zlib.inflateRawSync(output, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString()
    );
    assert.deepStrictEqual(inflated, ['one', 'the other']);
    extension.cleanup();
    other.extension.cleanup();
  });

  describe('cleanup', () => {
    it('fails what is being compressed, at once', () => {
      for (const length of [10, 100_000]) {
        const { extension } = agreed();
        const errors = [];
        extension.compress(Buffer.alloc(length), true, (error) => errors.push(error.message));
        extension.cleanup();
        assert.deepStrictEqual(errors, [
          'The deflate stream was closed while data was being processed'
        ]);
        assert.strictEqual(extension._deflate, null);
      }
    });

    it('drops what is being decompressed', async () => {
      const { compress, extension } = agreed();
      let calls = 0;
      for (const length of [10, 1_000_000]) {
        const data = await compress(Buffer.alloc(length), true);
        extension.decompress(data, true, () => calls++);
        extension.cleanup();
        assert.strictEqual(extension._inflate, null);
      }
      for (let count = 0; count < 20; count++) await turn();
      assert.strictEqual(calls, 0);
    });

    it('takes what waits for other connections out of the queue', async () => {
      const data = Buffer.alloc(100_000);
      const extensions = Array.from({ length: 6000 }, () => agreed().extension);
      let count = 0;
      for (const extension of extensions) {
        extension.compress(data, true, () => {
          count++;
        });
      }
      const { _limiter: limiter } = extensions[0]._deflate;
      assert.ok(limiter.jobs.length > 5000);
      for (const extension of extensions) extension.cleanup();
      assert.deepStrictEqual([count, limiter.jobs.length], [6000, 0]);
      await until(() => limiter.pending === 0, 'what had begun');
    });

    it('leaves an extension that can be used again', async () => {
      const { compress, decompress, extension } = agreed();
      for (let count = 0; count < 3; count++) {
        const data = await compress('again', true);
        assert.strictEqual(String(await decompress(data, true)), 'again');
        extension.cleanup();
        extension.cleanup();
      }
    });

    it('gives the memory back without a garbage collection', async () => {
      const before = process.memoryUsage.rss();
      for (let count = 0; count < 500; count++) {
        const { compress, extension } = agreed();
        await compress('memory', true);
        extension.cleanup();
      }
      // 500 compressors take some 190 MB.
      assert.ok(process.memoryUsage.rss() - before < 60e6);
    });
  });
});

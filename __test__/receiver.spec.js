'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const { kStatusCode } = require('../lib/constants');
const Receiver = require('../lib/receiver');
const PerMessageDeflate = require('../lib/permessage-deflate');
const { frame, generator } = require('./support/frames');
const { internal } = require('./support/reference');
const { uncaught } = require('./support/uncaught');

const KEY = Buffer.from([0x11, 0x22, 0x33, 0x44]);
const ROLES = [
  { name: 'server', isServer: true, key: KEY },
  { name: 'client', isServer: false, key: null }
];

/** Records what a receiver emits. */
function record(receiver) {
  const events = [];
  receiver.on('message', (data, isBinary) => events.push(['message', data, isBinary]));
  receiver.on('ping', (data) => events.push(['ping', data]));
  receiver.on('pong', (data) => events.push(['pong', data]));
  receiver.on('conclude', (code, reason) => events.push(['conclude', code, reason]));
  receiver.on('error', (error) => events.push(['error', error.code, error.message]));
  return events;
}

for (const { name, isServer, key } of ROLES) {
  describe(`Receiver as ${name}`, () => {
    it('emits text, binary, ping, pong and close', () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      receiver.write(
        Buffer.concat([
          frame(1, 'héllo', { key }),
          frame(2, Buffer.from([1, 2, 3]), { key }),
          frame(9, 'a', { key }),
          frame(10, '', { key }),
          frame(8, Buffer.from([0x03, 0xe8, 0x6f, 0x6b]), { key })
        ])
      );
      assert.deepStrictEqual(events, [
        ['message', Buffer.from('héllo'), false],
        ['message', Buffer.from([1, 2, 3]), true],
        ['ping', Buffer.from('a')],
        ['pong', Buffer.alloc(0)],
        ['conclude', 1000, Buffer.from('ok')]
      ]);
    });

    it('gives 1005 for a close frame without a code', () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      receiver.write(frame(8, '', { key }));
      assert.deepStrictEqual(events, [['conclude', 1005, Buffer.alloc(0)]]);
    });

    it('emits the same events however the bytes are cut', () => {
      const bytes = Buffer.concat([
        frame(1, 'first', { key }),
        frame(1, 'a', { fin: false, key }),
        frame(9, 'between', { key }),
        frame(0, 'b'.repeat(200), { fin: false, key }),
        frame(0, '', { key }),
        frame(2, Buffer.alloc(70_000, 7), { key }),
        frame(8, Buffer.from([0x0f, 0xa0]), { key })
      ]);
      const whole = new Receiver({ isServer });
      const expected = record(whole);
      whole.write(Buffer.from(bytes));
      assert.strictEqual(expected.length, 5);
      for (const size of [1, 2, 3, 7, 100, 65_536]) {
        const receiver = new Receiver({ isServer });
        const events = record(receiver);
        for (let at = 0; at < bytes.length; at += size) {
          receiver.write(Buffer.from(bytes.subarray(at, at + size)));
        }
        assert.deepStrictEqual(events, expected, `${size} bytes at a time`);
      }
    });

    it('ignores what follows a close frame', () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      receiver.write(Buffer.concat([frame(8, '', { key }), frame(1, 'late', { key })]));
      assert.strictEqual(events.length, 1);
    });

    it('fails on the wrong masking', async () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      receiver.write(frame(1, 'x', { key: key ? null : KEY }));
      await turn();
      const code = isServer ? 'WS_ERR_EXPECTED_MASK' : 'WS_ERR_UNEXPECTED_MASK';
      assert.strictEqual(events[0][1], code);
    });

    it('emits what precedes an error in the same chunk', async () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      receiver.write(Buffer.concat([frame(1, 'x', { key }), frame(5, '', { key })]));
      await turn();
      assert.deepStrictEqual(events, [
        ['message', Buffer.from('x'), false],
        ['error', 'WS_ERR_INVALID_OPCODE', 'Invalid WebSocket frame: invalid opcode 5']
      ]);
    });

    it('takes a limit that a listener raises for the next frame of the chunk', () => {
      const receiver = new Receiver({ isServer, maxPayload: 10 });
      const events = record(receiver);
      receiver.once('message', () => {
        receiver._maxPayload = 100;
      });
      receiver.write(
        Buffer.concat([frame(1, 'login', { key }), frame(1, 'x'.repeat(50), { key })])
      );
      assert.strictEqual(events.length, 2);
      assert.strictEqual(events[1][1].length, 50);
      assert.strictEqual(receiver._maxPayload, 100);
    });

    it('takes a limit that a listener lowers for the next frame of the chunk', async () => {
      const receiver = new Receiver({ isServer, maxPayload: 100 });
      const events = record(receiver);
      receiver.once('message', () => {
        receiver._maxPayload = 10;
      });
      receiver.write(Buffer.concat([frame(1, 'x', { key }), frame(1, 'x'.repeat(50), { key })]));
      await turn();
      assert.strictEqual(events[1][1], 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    });

    it('still fails when a listener raises the limit too little', async () => {
      const receiver = new Receiver({ isServer, maxPayload: 10 });
      const events = record(receiver);
      receiver.once('message', () => {
        receiver._maxPayload = 20;
      });
      receiver.write(Buffer.concat([frame(1, 'x', { key }), frame(1, 'x'.repeat(50), { key })]));
      await turn();
      assert.strictEqual(events[1][1], 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    });

    it('stops the validation of text when told so at run time', () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      receiver._skipUTF8Validation = true;
      receiver.write(frame(1, Buffer.from([0xff]), { key }));
      assert.deepStrictEqual(events, [['message', Buffer.from([0xff]), false]]);
    });

    it('fails at the first invalid byte of a text that is not complete', async () => {
      const receiver = new Receiver({ isServer });
      const events = record(receiver);
      const bytes = frame(1, Buffer.concat([Buffer.from([0x61, 0xff]), Buffer.alloc(1000)]), {
        key
      });
      receiver.write(bytes.subarray(0, 40));
      await turn();
      assert.strictEqual(events[0][1], 'WS_ERR_INVALID_UTF8');
    });
  });
}

describe('Receiver', () => {
  it('puts class, code and close code on an error', async () => {
    const receiver = new Receiver();
    receiver.write(frame(1, 'x', { rsv: 2 }));
    const [error] = await once(receiver, 'error');
    assert.ok(error instanceof RangeError);
    assert.strictEqual(error.code, 'WS_ERR_UNEXPECTED_RSV_2_3');
    assert.strictEqual(error[kStatusCode], 1002);
    assert.match(error.stack, /RSV2 and RSV3 must be clear/);
  });

  it('gives binary messages as `binaryType` says', async () => {
    const bytes = Buffer.concat([
      frame(2, 'ab', { fin: false }),
      frame(0, '', { fin: false }),
      frame(0, 'cd')
    ]);
    const data = {};
    for (const binaryType of ['nodebuffer', 'arraybuffer', 'fragments', 'blob']) {
      const receiver = new Receiver({ binaryType });
      receiver.on('message', (message) => {
        data[binaryType] = message;
      });
      receiver.write(Buffer.from(bytes));
    }
    assert.deepStrictEqual(data.nodebuffer, Buffer.from('abcd'));
    assert.ok(data.arraybuffer instanceof ArrayBuffer);
    assert.deepStrictEqual(Buffer.from(data.arraybuffer), Buffer.from('abcd'));
    assert.deepStrictEqual(data.fragments, [Buffer.from('ab'), Buffer.from('cd')]);
    assert.strictEqual(await data.blob.text(), 'abcd');
  });

  it('gives an unfragmented message as one fragment, an empty one as none', () => {
    const receiver = new Receiver({ binaryType: 'fragments' });
    const events = record(receiver);
    receiver.write(Buffer.concat([frame(2, 'ab'), frame(2, '')]));
    assert.deepStrictEqual(events, [
      ['message', [Buffer.from('ab')], true],
      ['message', [], true]
    ]);
  });

  it('delivers what follows a message whose listener throws', async () => {
    const receiver = new Receiver();
    const messages = [];
    receiver.on('message', (data) => {
      messages.push(data.toString());
      if (messages.length === 1) throw new Error('from a listener');
    });
    const error = await uncaught(() => {
      receiver.write(Buffer.concat([frame(1, 'a'), frame(1, 'b')]));
    });
    assert.strictEqual(error.message, 'from a listener');
    await turn();
    receiver.write(frame(1, 'c'));
    await turn();
    assert.deepStrictEqual(messages, ['a', 'b', 'c']);
  });

  it('delivers what follows a compressed message whose listener throws', async () => {
    const perMessageDeflate = new PerMessageDeflate();
    perMessageDeflate.accept([{}]);
    const receiver = new Receiver({ extensions: { 'permessage-deflate': perMessageDeflate } });
    const messages = [];
    receiver.on('message', (data) => {
      messages.push(data.toString());
      if (messages.length < 3) throw new Error('from a listener');
    });
    const compressed = Buffer.from([0x4a, 0x04, 0x00]);
    for (const opcode of [1, 2]) {
      const error = await uncaught(() => {
        receiver.write(Buffer.concat([frame(opcode, compressed, { rsv: 4 }), frame(9)]));
      });
      assert.strictEqual(error.message, 'from a listener');
    }
    receiver.write(frame(1, 'c'));
    receiver.end();
    await once(receiver, 'finish');
    assert.deepStrictEqual(messages, ['a', 'a', 'c']);
  });

  it('ends when a listener of `conclude` throws', async () => {
    const receiver = new Receiver();
    receiver.on('conclude', () => {
      throw new Error('from a listener');
    });
    const finished = once(receiver, 'finish');
    const error = await uncaught(() => receiver.write(frame(8)));
    assert.strictEqual(error.message, 'from a listener');
    await finished;
  });

  it('emits one event a turn without `allowSynchronousEvents`', async () => {
    const receiver = new Receiver({ allowSynchronousEvents: false });
    const events = record(receiver);
    receiver.write(Buffer.concat([frame(1, 'a'), frame(9, 'b'), frame(2, 'c'), frame(8)]));
    const counts = [events.length];
    for (let i = 0; i < 4; i++) {
      await turn();
      counts.push(events.length);
    }
    assert.deepStrictEqual(counts, [0, 1, 2, 4, 4]);
  });

  it('works when a listener writes to another receiver and to its own', () => {
    const outer = new Receiver();
    const inner = new Receiver();
    const events = record(inner);
    const seen = [];
    outer.on('message', (data) => {
      seen.push(data.toString());
      inner.write(frame(1, data));
      if (seen.length === 1) outer.write(frame(1, 'own'));
    });
    outer.write(Buffer.concat([frame(1, 'a'), frame(1, 'b')]));
    assert.deepStrictEqual(seen, ['a', 'b', 'own']);
    assert.strictEqual(events.length, 3);
  });

  it('takes more frames in a chunk than it decodes at once', () => {
    const receiver = new Receiver();
    const events = record(receiver);
    receiver.write(Buffer.concat(Array.from({ length: 10_000 }, (_, i) => frame(1, String(i)))));
    assert.strictEqual(events.length, 10_000);
    assert.deepStrictEqual(events[9_999], ['message', Buffer.from('9999'), false]);
  });

  it('decompresses through the object of the extension, frame by frame', async () => {
    const perMessageDeflate = new PerMessageDeflate();
    perMessageDeflate.accept([{}]);
    const calls = [];
    perMessageDeflate.decompress = (data, fin, callback) => {
      calls.push([data.toString(), fin]);
      setImmediate(callback, null, Buffer.from(data.toString().toUpperCase()));
    };
    const receiver = new Receiver({ extensions: { 'permessage-deflate': perMessageDeflate } });
    const events = record(receiver);
    receiver.write(
      Buffer.concat([frame(1, 'ab', { fin: false, rsv: 4 }), frame(0, 'cd'), frame(2, 'plain')])
    );
    assert.strictEqual(receiver._state, 5);
    for (let i = 0; i < 3; i++) await turn();
    assert.deepStrictEqual(calls, [
      ['ab', false],
      ['cd', true]
    ]);
    assert.deepStrictEqual(events, [
      ['message', Buffer.from('ABCD'), false],
      ['message', Buffer.from('plain'), true]
    ]);
    assert.strictEqual(receiver._state, 0);
  });

  it('fails when a message exceeds `maxPayload` once inflated', async () => {
    const perMessageDeflate = { decompress: (_data, _fin, done) => done(null, Buffer.alloc(11)) };
    const extensions = { 'permessage-deflate': perMessageDeflate };
    const receiver = new Receiver({ extensions, maxPayload: 10 });
    receiver.write(frame(1, 'x', { rsv: 4 }));
    const [error] = await once(receiver, 'error');
    assert.strictEqual(error.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    assert.strictEqual(error[kStatusCode], 1009);
  });

  it('fails when a text is not UTF-8 once inflated', async () => {
    const perMessageDeflate = {
      decompress: (_data, _fin, done) => done(null, Buffer.from([0xff]))
    };
    const receiver = new Receiver({ extensions: { 'permessage-deflate': perMessageDeflate } });
    receiver.write(frame(1, 'x', { rsv: 4 }));
    const [error] = await once(receiver, 'error');
    assert.strictEqual(error.code, 'WS_ERR_INVALID_UTF8');
    assert.strictEqual(error[kStatusCode], 1007);
  });

  it('passes the error of the extension on', async () => {
    const failure = new Error('from the extension');
    const receiver = new Receiver({
      extensions: { 'permessage-deflate': { decompress: (_data, _fin, done) => done(failure) } }
    });
    receiver.write(frame(1, 'x', { rsv: 4 }));
    assert.strictEqual((await once(receiver, 'error'))[0], failure);
  });

  it('fails with 1011 when the native part gives up, and only this connection', async (t) => {
    const native = require('../lib/native');
    const mock = t.mock.method(native, 'decode', () => {
      throw new Error('a panic');
    });
    const receiver = new Receiver();
    receiver.write(frame(1, 'x'));
    const [error] = await once(receiver, 'error');
    assert.strictEqual(error.message, 'Internal error: a panic');
    assert.strictEqual(error.code, 'ERR_OXWS_INTERNAL');
    assert.strictEqual(error[kStatusCode], 1011);
    mock.mock.restore();
    const other = new Receiver();
    const events = record(other);
    other.write(frame(1, 'x'));
    assert.strictEqual(events.length, 1);
  });

  it('coerces limits to 32-bit integers as ws does', () => {
    const Reference = internal('receiver');
    for (const value of [undefined, null, 0, -1, 1.9, '7', 2 ** 31, 2 ** 32 + 5, Number.NaN, {}]) {
      const options = { maxPayload: value, maxFragments: value, maxBufferedChunks: value };
      const ours = new Receiver(options);
      const theirs = new Reference(options);
      for (const field of ['_maxPayload', '_maxFragments', '_maxBufferedChunks']) {
        assert.strictEqual(ours[field], theirs[field], `${field} of ${String(value)}`);
      }
    }
  });
});

describe('Receiver beside that of ws', () => {
  const Reference = internal('receiver');

  /** Makes a stream of frames, most of them valid. */
  function randomStream(next, key) {
    const frames = [];
    let isFragmented = false;
    for (let i = 0, count = 1 + next(12); i < count; i++) {
      const kind = next(20);
      const payload = Buffer.alloc(next(8) === 0 ? next(70_000) : next(200), 0x61 + next(20));
      if (kind < 12) {
        const fin = next(3) > 0;
        frames.push(frame(isFragmented ? 0 : 1 + next(2), payload, { fin, key }));
        isFragmented = !fin;
      } else if (kind < 18) {
        frames.push(frame(9 + next(2), payload.subarray(0, next(126)), { key }));
      } else if (kind === 18) {
        const fin = next(2) > 0;
        frames.push(frame(next(16), payload, { fin, rsv: next(8), key: next(9) ? key : null }));
      } else {
        const code = Buffer.from([next(20), next(256)]);
        frames.push(frame(8, next(3) ? Buffer.concat([code, Buffer.from('why')]) : '', { key }));
      }
    }
    return Buffer.concat(frames);
  }

  for (const { name, isServer, key } of ROLES) {
    it(`emits the same events and errors as ${name}`, async () => {
      const next = generator(isServer ? 20_261 : 20_262);
      for (let run = 0; run < 400; run++) {
        const bytes = randomStream(next, key);
        const options = { isServer, maxPayload: 100_000, maxFragments: next(3) ? 0 : 2 };
        const pair = [new Receiver({ ...options }), new Reference({ ...options })];
        const events = pair.map(record);
        for (let at = 0; at < bytes.length; ) {
          const size = 1 + next(next(4) ? 1000 : 40_000);
          for (const receiver of pair) {
            if (!receiver.destroyed && !receiver.writableEnded) {
              receiver.write(Buffer.from(bytes.subarray(at, at + size)));
            }
          }
          at += size;
        }
        await turn();
        assert.deepStrictEqual(events[0], events[1], `run ${run}`);
      }
    });
  }
});

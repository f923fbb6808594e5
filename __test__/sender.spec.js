'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { Duplex } = require('node:stream');
const { setImmediate: turn } = require('node:timers/promises');

const PerMessageDeflate = require('../lib/permessage-deflate');
const Sender = require('../lib/sender');
const { frame } = require('./support/frames');
const { internal } = require('./support/reference');

const KEY = Buffer.from([0x11, 0x22, 0x33, 0x44]);

/** A socket that keeps what is written, a list of chunks per system call it stands for. */
function createSocket() {
  const socket = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      socket.writes.push([chunk]);
      callback();
    },
    writev(chunks, callback) {
      socket.writes.push(chunks.map(({ chunk }) => chunk));
      callback();
    }
  });
  socket.writes = [];
  socket.bytes = () => Buffer.concat(socket.writes.flat());
  return socket;
}

describe('Sender.frame', () => {
  const Reference = internal('sender');
  const generateMask = (key) => KEY.copy(key);

  it('gives the same parts as that of ws', () => {
    const payloads = [Buffer.alloc(0), '', 'text', 'h€llo', ...[1, 125, 126, 65535, 65536, 70_000]];
    for (const payload of payloads) {
      for (const mask of [false, true]) {
        for (const readOnly of [false, true]) {
          for (const fin of [false, true]) {
            const make = () =>
              typeof payload === 'number' ? Buffer.alloc(payload, 0x61) : payload;
            const options = () => ({ fin, rsv1: !fin, opcode: 2, mask, readOnly, generateMask });
            const ours = Sender.frame(make(), options());
            const theirs = Reference.frame(make(), options());
            assert.deepStrictEqual(ours, theirs, `${payload} ${mask} ${readOnly} ${fin}`);
          }
        }
      }
    }
  });

  it('masks with an unpredictable key by default, and puts it where the options say', () => {
    const keys = new Set();
    for (let i = 0; i < 3000; i++) {
      const maskBuffer = Buffer.alloc(4);
      const [header] = Sender.frame(Buffer.alloc(0), {
        opcode: 9,
        fin: true,
        mask: true,
        maskBuffer
      });
      assert.deepStrictEqual(header.subarray(2), maskBuffer);
      keys.add(maskBuffer.readUInt32LE());
    }
    assert.ok(keys.size > 2990);
  });

  it('leaves the payload alone where the key is zero', () => {
    const data = Buffer.from('abc');
    const options = { opcode: 2, fin: true, mask: true, readOnly: true, generateMask: () => {} };
    const list = Sender.frame(data, { ...options, maskBuffer: Buffer.alloc(4) });
    assert.strictEqual(list[1], data);
  });

  it('masks a payload in place unless it is read-only', () => {
    const data = Buffer.from('abcd');
    const list = Sender.frame(data, { opcode: 2, fin: true, mask: true, generateMask });
    assert.strictEqual(list[1], data);
    assert.deepStrictEqual(Buffer.concat(list), frame(2, 'abcd', { key: KEY }));
  });
});

describe('Sender', () => {
  it('writes a frame at once as header and payload', () => {
    const socket = createSocket();
    const sender = new Sender(socket);
    sender.send('hi', { fin: true });
    assert.deepStrictEqual(socket.writes, [[Buffer.from([0x81, 2]), Buffer.from('hi')]]);
  });

  it('sends what ws sends, in both roles', async () => {
    const Reference = internal('sender');
    const data = [
      'text',
      '',
      Buffer.from([1, 2, 3]),
      new Uint8Array([4, 5]),
      new Uint16Array([6, 7]).buffer,
      new DataView(new ArrayBuffer(3)),
      [8, 9],
      Buffer.alloc(200, 1),
      Buffer.alloc(70_000, 2),
      new Blob(['blob']),
      'after the blob'
    ];
    for (const mask of [false, true]) {
      const bytes = [];
      for (const Class of [Sender, Reference]) {
        const socket = createSocket();
        const sender = new Class(socket, {}, (key) => KEY.copy(key));
        if (sender.coalesce) sender.coalesce();
        for (const each of data)
          sender.send(each, { binary: typeof each !== 'string', fin: true, mask });
        sender.send('a', { fin: false, mask });
        sender.ping('p', mask);
        sender.send('b', { fin: true, mask });
        sender.pong(Buffer.from('q'), mask);
        sender.close(4000, 'bye', mask);
        for (let i = 0; i < 5; i++) await turn();
        bytes.push(socket.bytes());
      }
      assert.deepStrictEqual(bytes[0], bytes[1]);
    }
  });

  it('refuses what ws refuses, with the same errors', () => {
    const Reference = internal('sender');
    const attempts = [
      (sender) => sender.close(999),
      (sender) => sender.close(1005),
      (sender) => sender.close('1000'),
      (sender) => sender.close(1000, 'x'.repeat(124)),
      (sender) => sender.close(1000, { length: 3 }),
      (sender) => sender.close(1000, [1, 2]),
      (sender) => sender.close(1000, null),
      (sender) => sender.close(1000, new ArrayBuffer(4)),
      (sender) => sender.ping('x'.repeat(126), false),
      (sender) => sender.pong(Buffer.alloc(126), false),
      (sender) => sender.send(true, { fin: true }),
      (sender) => sender.send(Symbol('x'), { fin: true }),
      (sender) => sender.send(10n, { fin: true }),
      (sender) => sender.send(() => {}, { fin: true }),
      (sender) => sender.send({}, { fin: true })
    ];
    for (const attempt of attempts) {
      const [ours, theirs] = [Sender, Reference].map((Class) => {
        try {
          attempt(new Class(createSocket()));
        } catch (error) {
          return [error.constructor, error.code, error.message];
        }
        return null;
      });
      assert.deepStrictEqual(ours, theirs, String(attempt));
    }
  });

  it('keeps the order while a message is compressed', async () => {
    const perMessageDeflate = new PerMessageDeflate({ threshold: 0 });
    perMessageDeflate.accept([{}]);
    const finish = [];
    perMessageDeflate.compress = (data, _fin, callback) =>
      finish.push(() => callback(null, Buffer.from(data)));
    const socket = createSocket();
    const sender = new Sender(socket, { 'permessage-deflate': perMessageDeflate });
    sender.coalesce();
    const done = [];
    sender.send('first', { compress: true, fin: true }, () => done.push('first'));
    sender.ping('second', false, () => done.push('second'));
    sender.send('third', { fin: true }, () => done.push('third'));
    assert.strictEqual(sender._bufferedBytes, 'firstsecondthird'.length);
    await turn();
    assert.deepStrictEqual(socket.writes, []);
    finish[0]();
    assert.strictEqual(sender._bufferedBytes, 0);
    await turn();
    const expected = [frame(1, 'first', { rsv: 4 }), frame(9, 'second'), frame(1, 'third')];
    assert.deepStrictEqual(socket.bytes(), Buffer.concat(expected));
    assert.deepStrictEqual(done, ['first', 'second', 'third']);
  });

  it('gives every waiting callback the error of a blob that cannot be read', async () => {
    const failure = new Error('unreadable');
    const blob = new Blob(['x']);
    blob.arrayBuffer = () => Promise.reject(failure);
    const sender = new Sender(createSocket());
    const errors = [];
    sender.onerror = (error) => errors.push(['onerror', error]);
    sender.send(blob, { fin: true, binary: true }, (error) => errors.push(['first', error]));
    sender.send('behind', { fin: true }, (error) => errors.push(['second', error]));
    await turn();
    assert.deepStrictEqual(errors, [
      ['first', failure],
      ['second', failure],
      ['onerror', failure]
    ]);
  });

  it('gives the callbacks an error when the socket closes while a blob is read', async () => {
    const socket = createSocket();
    const sender = new Sender(socket);
    const messages = [];
    sender.send(new Blob(['x']), { fin: true, binary: true }, (error) =>
      messages.push(error.message)
    );
    socket.destroy();
    for (let i = 0; i < 3; i++) await turn();
    assert.deepStrictEqual(messages, ['The socket was closed while the blob was being read']);
  });
});

'use strict';

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { execFile } = require('node:child_process');
const net = require('node:net');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { Duplex } = require('node:stream');
const tls = require('node:tls');
const { setImmediate: turn } = require('node:timers/promises');
const { promisify } = require('node:util');

const { kTransport, kWebSocket } = require('../lib/constants');
const Sender = require('../lib/sender');
const certificate = require('./support/certificate');
const createFrameSink = require('./support/frame-sink');
const { frame, generator } = require('./support/frames');
const { uncaught } = require('./support/uncaught');
const until = require('./support/until');

describe('The frames of a tick', () => {
  it('leave in one write at its end', async () => {
    const { sender, writes } = createFrameSink();
    for (const text of ['a', 'b', 'c']) sender.send(text, { fin: true });
    sender.ping('d', false);
    assert.deepStrictEqual(writes, []);
    await turn();
    const expected = [frame(1, 'a'), frame(1, 'b'), frame(1, 'c'), frame(9, 'd')];
    assert.deepStrictEqual(writes, [Buffer.concat(expected)]);
  });

  it('are one buffer, also where those of several sockets alternate', async () => {
    const pairs = Array.from({ length: 3 }, () => createFrameSink());
    const sent = pairs.map(() => []);
    for (let i = 0; i < 100; i++) {
      for (const [index, { sender }] of pairs.entries()) {
        const text = `${index} ${i}`.repeat(index + 1);
        sender.send(text, { fin: true });
        sent[index].push(frame(1, text));
      }
    }
    await turn();
    for (const [index, { chunkCounts, writes }] of pairs.entries()) {
      assert.deepStrictEqual(chunkCounts, [1]);
      assert.deepStrictEqual(writes, [Buffer.concat(sent[index])]);
    }
  });

  it('are the same, however they alternate and whatever their lengths', async () => {
    const random = generator(19);
    for (const isMasked of [false, true]) {
      const key = Buffer.from([1, 0x80, 0xff, 7]);
      const pairs = Array.from({ length: 4 }, () => createFrameSink((target) => key.copy(target)));
      const sent = pairs.map(() => []);
      const called = pairs.map(() => []);
      for (let i = 0; i < 2000; i++) {
        const index = random(pairs.length);
        const length = [0, 1, 9, 40, 41, 125, 126, 300, 5000, 16_384, 16_385, 40_000][random(12)];
        const payload = Buffer.alloc(random(20) > 0 ? random(length + 1) : length, i);
        const callback = random(3) === 0 ? () => called[index].push(i) : undefined;
        const text = random(2) > 0 ? payload.toString('latin1') : payload;
        const { sender } = pairs[index];
        if (random(10) === 0) {
          sender.sendFrame(
            [frame(2, payload).subarray(0, 1), frame(2, payload).subarray(1)],
            callback
          );
          sent[index].push(frame(2, payload));
        } else {
          const opcode = typeof text === 'string' ? 1 : 2;
          sender.send(text, { binary: opcode === 2, fin: true, mask: isMasked }, callback);
          sent[index].push(frame(opcode, text, { key: isMasked ? key : null }));
        }
        if (random(200) === 0) await turn();
      }
      await until(
        () => pairs.every(({ socket }) => socket.writableLength === 0),
        'everything to be written'
      );
      await turn();
      for (const [index, { writes }] of pairs.entries()) {
        assert.ok(Buffer.concat(writes).equals(Buffer.concat(sent[index])));
        const sorted = called[index].toSorted?.((a, b) => a - b) ?? called[index];
        assert.deepStrictEqual(called[index], sorted);
      }
    }
  });

  it('that wait for a slow peer have memory of their own', async () => {
    const fast = Array.from({ length: 50 }, () => createFrameSink());
    // Takes nothing.
    const held = [];
    const slow = new Duplex({ read() {}, write: () => {} });
    const { write } = slow;
    slow.write = function (chunk, ...rest) {
      held.push(chunk);
      return write.call(this, chunk, ...rest);
    };
    const sender = new Sender(slow);
    sender.coalesce();
    slow[kWebSocket] = { [kTransport]: sender };
    for (let i = 0; i < 500; i++) {
      for (const pair of fast) pair.sender.send(Buffer.alloc(100), { fin: true });
      sender.send(Buffer.alloc(100), { fin: true });
      sender.flush();
      await null;
      if (i % 10 === 0) await turn();
    }
    assert.strictEqual(held.length, 500);
    const memory = new Set(held.map(({ buffer }) => buffer));
    let bytes = 0;
    for (const { byteLength } of memory) bytes += byteLength;
    assert.ok(bytes < 4 * 500 * 102, `${bytes} bytes for ${500 * 102}`);
  });

  it('leave at once when flushed, and the next ones at the end of the tick again', async () => {
    const { sender, socket, writes } = createFrameSink();
    sender.send('a', { fin: true });
    sender.flush();
    assert.deepStrictEqual(writes, [frame(1, 'a')]);
    await turn();
    await turn();
    sender.send('b', { fin: true });
    await turn();
    assert.deepStrictEqual(writes, [frame(1, 'a'), frame(1, 'b')]);
    assert.strictEqual(socket.writableCorked, 0);
  });

  it('call their callbacks in order, never synchronously', async () => {
    const { sender } = createFrameSink();
    const called = [];
    for (let i = 0; i < 5; i++) sender.send(String(i), { fin: true }, () => called.push(i));
    sender.flush();
    assert.deepStrictEqual(called, []);
    await until(
      () => called.length === 5,
      () => `five callbacks, not only ${called}`
    );
    assert.deepStrictEqual(called, [0, 1, 2, 3, 4]);
  });

  it('call their callbacks each in the async context of its `send()`', async () => {
    const { sender } = createFrameSink();
    const storage = new AsyncLocalStorage();
    const called = [];
    const note = () => called.push(storage.getStore());
    storage.run('a', () => sender.send('1', { fin: true }, note));
    storage.run('b', () => sender.send('2', { fin: true }, note));
    storage.run('c', () => sender.sendFrame([frame(2, Buffer.alloc(20_000))], note));
    await until(
      () => called.length === 3,
      () => `three callbacks, not only ${called}`
    );
    assert.deepStrictEqual(called, ['a', 'b', 'c']);
  });

  it('call the callbacks behind one that throws', async () => {
    const { sender } = createFrameSink();
    const called = [];
    const error = await uncaught(() => {
      sender.send('1', { fin: true }, () => {
        throw new Error('from a callback');
      });
      sender.send('2', { fin: true }, () => called.push(2));
    });
    assert.strictEqual(error.message, 'from a callback');
    assert.deepStrictEqual(called, [2]);
  });

  it('leave although another socket throws', async () => {
    const { sender, writes } = createFrameSink();
    const broken = createFrameSink();
    broken.socket._write = () => {
      throw new Error('from a socket');
    };
    const error = await uncaught(() => {
      broken.sender.send('a', { fin: true });
      sender.send('b', { fin: true });
    });
    assert.strictEqual(error.message, 'from a socket');
    assert.deepStrictEqual(writes, [frame(1, 'b')]);
  });

  it('keep their place among what users write to the socket', async () => {
    const { sender, socket, writes } = createFrameSink();
    sender.send('a', { fin: true });
    socket.write(frame(1, 'raw'));
    sender.send('b', { fin: true });
    sender.sendFrame([Buffer.from([0x81, 1]), Buffer.from('c')]);
    await turn();
    assert.deepStrictEqual(
      Buffer.concat(writes),
      Buffer.concat([frame(1, 'a'), frame(1, 'raw'), frame(1, 'b'), frame(1, 'c')])
    );
  });

  it('stay together with what a user corks', async () => {
    const { sender, socket, writes } = createFrameSink();
    socket.cork();
    sender.send('a', { fin: true });
    await turn();
    assert.deepStrictEqual(writes, []);
    socket.uncork();
    assert.deepStrictEqual(writes, [frame(1, 'a')]);
  });

  it('do not show what happens to a payload after `send()`', async () => {
    const { sender, writes } = createFrameSink();
    const small = Buffer.from('small');
    const large = Buffer.alloc(100_000, 'a');
    sender.send(small, { fin: true, binary: true });
    small.fill('x');
    sender.send(large, { fin: true, binary: true });
    large.fill('x');
    const [first] = writes;
    assert.deepStrictEqual(first.subarray(0, 7), frame(2, 'small'));
    assert.deepStrictEqual(first.subarray(7), frame(2, Buffer.alloc(100_000, 'a')));
  });

  it('do not change a frame that is sent to many', async () => {
    const list = Sender.frame(Buffer.from('shared'), { fin: true, opcode: 1, readOnly: false });
    const pairs = Array.from({ length: 3 }, () => createFrameSink());
    for (const { sender } of pairs) sender.sendFrame(list);
    await turn();
    for (const { writes } of pairs) assert.deepStrictEqual(writes, [frame(1, 'shared')]);
  });

  it('reach the socket before it is destroyed', async () => {
    const { sender, socket, writes } = createFrameSink();
    sender.send('last words', { fin: true });
    assert.strictEqual(socket.destroy(), socket);
    assert.deepStrictEqual(writes, [frame(1, 'last words')]);
    assert.ok(socket.destroyed);
    await once(socket, 'close');
  });

  it('reach the peer when the process exits, and when they are sent as it exits', async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const received = once(server, 'connection').then(async ([socket]) => {
      const chunks = [];
      for await (const chunk of socket) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
    const script = `
      const socket = require('node:net').connect(${server.address().port}, '127.0.0.1', () => {
        const sender = new (require('./lib/sender'))(socket);
        sender.coalesce();
        sender.send('bye', { fin: true });
        process.on('exit', () => sender.send('bye bye', { fin: true }));
        process.exit();
      });`;
    const options = { cwd: `${__dirname}/..`, timeout: 20_000 };
    await new Promise((resolve, reject) => {
      execFile(process.execPath, ['-e', script], options, (error) =>
        error ? reject(error) : resolve()
      );
    });
    assert.deepStrictEqual(await received, Buffer.concat([frame(1, 'bye'), frame(1, 'bye bye')]));
  });

  it('reach the peer when the first of all is sent as the process exits', async (t) => {
    const server = tls.createServer(certificate).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const received = once(server, 'secureConnection').then(async ([socket]) => {
      const chunks = [];
      for await (const chunk of socket) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
    const script = `
      const options = { host: '127.0.0.1', port: ${server.address().port}, rejectUnauthorized: false };
      const socket = require('node:tls').connect(options, () => {
        const sender = new (require('./lib/sender'))(socket);
        sender.coalesce();
        process.on('exit', () => sender.send('bye', { fin: true }));
        setTimeout(() => process.exit(), 50);
      });`;
    const options = { cwd: `${__dirname}/..`, timeout: 20_000 };
    await promisify(execFile)(process.execPath, ['-e', script], options);
    assert.deepStrictEqual(await received, frame(1, 'bye'));
  });

  it('report an error of the socket to each callback', async () => {
    const socket = new Duplex({
      read() {},
      writev: (_chunks, callback) => setImmediate(callback, new Error('EPIPE'))
    });
    socket.on('error', () => {});
    const sender = new Sender(socket);
    sender.coalesce();
    const errors = [];
    for (let i = 0; i < 3; i++)
      sender.send('x', { fin: true }, (error) => errors.push(error.message));
    await new Promise((resolve) => socket.on('close', resolve));
    assert.deepStrictEqual(errors, ['EPIPE', 'EPIPE', 'EPIPE']);
  });

  it('survive a frame longer than the memory they are cut from', async () => {
    const { sender, writes } = createFrameSink();
    const texts = Array.from({ length: 100 }, (_, i) =>
      String.fromCharCode(97 + (i % 26)).repeat(i * 150)
    );
    for (const text of texts) sender.send(text, { fin: true });
    await turn();
    await turn();
    assert.deepStrictEqual(
      Buffer.concat(writes),
      Buffer.concat(texts.map((text) => frame(1, text)))
    );
  });
});

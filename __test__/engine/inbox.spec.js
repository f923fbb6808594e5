'use strict';

// What arrives at connections of the engine: limits, large messages, the memory of both.

const assert = require('node:assert');
const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket } = require('../..');
const { getEngine } = require('../../lib/engine');
const { connect, connectRaw, join, open, serve } = require('../support/connections');
const { frame } = require('../support/frames');
const { uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');

const KEY = Buffer.from([1, 2, 3, 4]);
/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;

/** A raw connection that takes 10 bytes, and 100 once a message has come; and what comes. */
async function connectToRaise(t) {
  const { socket, ws } = await connectRaw(t, { maxPayload: 10 });
  const lengths = [];
  ws.on('error', (error) => lengths.push(error.code));
  ws.on('message', (data) => {
    lengths.push(data.length);
    ws._receiver._maxPayload = 100;
  });
  return { lengths, socket };
}

describe('What the engine receives', { skip }, () => {
  it('takes a limit that a listener raises for the next frame of the batch', async (t) => {
    const { lengths, socket } = await connectToRaise(t);
    const frames = [5, 50, 60].map((length) => frame(2, Buffer.alloc(length), { key: KEY }));
    socket.write(Buffer.concat(frames));
    await until(
      () => lengths.length === 3,
      () => `three messages, not only ${lengths}`
    );
    assert.deepStrictEqual(lengths, [5, 50, 60]);
  });

  it('takes a limit that a listener raises, however much was decoded by then', async (t) => {
    const { lengths, socket } = await connectToRaise(t);
    // More than one batch takes, and time for a task to decode all of it.
    const count = 1500;
    const small = frame(2, Buffer.alloc(5), { key: KEY });
    const rest = [50, 60].map((length) => frame(2, Buffer.alloc(length), { key: KEY }));
    socket.write(Buffer.concat([...Array(count).fill(small), ...rest]));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    await until(
      () => lengths.length === count + 2,
      () => `all, not only ${lengths.length}`
    );
    assert.deepStrictEqual(lengths, [...Array(count).fill(5), 50, 60]);
  });

  it('takes limits at run time as they are, those of the options as ws does', async (t) => {
    const { socket, ws } = await connectRaw(t, { maxPayload: 2 ** 32 + 10 });
    const seen = [];
    ws.on('error', (error) => seen.push(error.code));
    ws.on('message', (data) => {
      seen.push(data.length);
      ws._receiver._maxPayload = data.length === 10 ? 2 ** 32 + 11 : 5.5;
    });
    const frames = [10, 50, 6].map((length) => frame(2, Buffer.alloc(length), { key: KEY }));
    socket.write(Buffer.concat(frames));
    await until(
      () => seen.length === 3,
      () => `two messages and an error, not ${seen}`
    );
    assert.deepStrictEqual(seen, [10, 50, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH']);
  });

  it('still fails where a listener raises the limit too little', async (t) => {
    const { socket, ws } = await connectRaw(t, { maxPayload: 10 });
    const lengths = [];
    ws.on('message', (data) => {
      lengths.push(data.length);
      ws._receiver._maxPayload = 20;
    });
    socket.write(
      Buffer.concat([5, 50].map((length) => frame(2, Buffer.alloc(length), { key: KEY })))
    );
    const [error] = await once(ws, 'error');
    assert.strictEqual(error.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    assert.deepStrictEqual(lengths, [5]);
  });

  it('goes on when somebody transfers the memory of a message', async (t) => {
    const { peer, ws } = await connect(t);
    const received = [];
    peer.on('message', (data) => {
      received.push(data.toString());
      structuredClone(data.buffer, { transfer: [data.buffer] });
    });
    for (const text of ['first', 'second', 'third']) {
      ws.send(text);
      await until(() => received.includes(text), text);
    }
    assert.deepStrictEqual(received, ['first', 'second', 'third']);
  });

  for (const [title, transfer] of [
    ['structuredClone()', (memory) => structuredClone(memory, { transfer: [memory] })],
    ['transfer()', (memory) => memory.transfer?.()]
  ]) {
    it(`gives nobody else's connection other bytes when one calls ${title}`, async (t) => {
      const served = await serve(t);
      const pairs = [];
      for (let i = 0; i < 3; i++) pairs.push(await join(t, served, { perMessageDeflate: false }));
      const seen = pairs.map(() => []);
      const closed = [];
      for (const [index, { peer }] of pairs.entries()) {
        peer.on('error', () => {});
        peer.on('close', () => closed.push(index));
        peer.on('message', (data) => {
          seen[index].push(data.toString());
          if (index > 0 || seen[0].length > 1) return;
          try {
            transfer(data.buffer);
          } catch {
            // From Node.js 21 on what is refused throws.
          }
        });
      }
      const messages = await uncaughtDuring(async () => {
        pairs[0].ws.send('x'.repeat(200));
        for (const [index, { ws }] of pairs.entries()) {
          for (let i = 0; i < 1500; i++) ws.send(`${index}`.repeat(100));
        }
        for (const end = performance.now() + 50; performance.now() < end; );
        await until(
          () => seen.every((list, index) => list.length >= 1500 || closed.includes(index)),
          () => JSON.stringify([closed, seen.map((list) => list.length)])
        );
      });
      assert.deepStrictEqual(messages, []);
      for (const [index, list] of seen.entries()) {
        const others = list.slice(index === 0 ? 1 : 0);
        assert.ok(others.every((text) => text === `${index}`.repeat(100)));
      }
      if (title === 'structuredClone()') assert.deepStrictEqual(closed, []);
    });
  }

  it('gives a message that is kept no more memory than a small batch has', async (t) => {
    const { peer, ws } = await connect(t, { clientOptions: { perMessageDeflate: false } });
    for (const length of [1, 64, 65, 100, 5000]) {
      ws.send(Buffer.alloc(length, 1));
      const [data] = await once(peer, 'message');
      assert.ok(data.equals(Buffer.alloc(length, 1)));
      assert.ok(data.buffer.byteLength <= length + 14, `${data.buffer.byteLength} for ${length}`);
    }
  });

  for (const type of ['nodebuffer', 'arraybuffer', 'fragments', 'blob']) {
    it(`receives large messages into memory of their own, as ${type}`, async (t) => {
      const { peer, ws } = await connect(t);
      peer.on('message', (data, binary) => peer.send(data, { binary }));
      ws.binaryType = type;
      for (const length of [65536, 65536, 3_000_001, 100, 65536, 65536, 200_000]) {
        const sent = randomBytes(length);
        ws.send(sent);
        const [data, isBinary] = await once(ws, 'message');
        const parts = type === 'blob' ? [await data.arrayBuffer()] : [data].flat();
        assert.ok(Buffer.concat(parts.map((part) => Buffer.from(part))).equals(sent));
        assert.ok(isBinary);
        const text = 'ä€'.repeat(length / 4);
        ws.send(text);
        assert.strictEqual((await once(ws, 'message'))[0].toString(), text);
      }
    });
  }

  it('takes no more for a large message than what has arrived of it vouches for', {
    skip: process.env.OXWS_DRIVER === 'tokio'
  }, async (t) => {
    const { socket, ws } = await connectRaw(t, { maxPayload: 200 * 1024 * 1024 });
    const lengths = [];
    const { allocUnsafeSlow } = Buffer;
    const record = (length) => {
      lengths.push(length);
      return allocUnsafeSlow(length);
    };
    t.mock.method(Buffer, 'allocUnsafeSlow', record);
    ws.on('message', (data) => lengths.push(-data.length));
    const large = frame(2, Buffer.alloc(65536, 'a'), { key: KEY });
    for (let round = 0; round < 2; round++) {
      socket.write(large);
      await once(ws, 'message');
    }
    lengths.length = 0;
    // The header of 100 MiB, and nothing behind it.
    socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 6, 0x40, 0, 0, ...KEY]));
    await until(() => lengths.length > 0, 'memory for the message');
    assert.strictEqual(Math.max(...lengths), 65536);
    socket.write(Buffer.alloc(65536));
    await until(() => lengths.includes(1024 * 1024), 'more memory for it');
    await sleep(20);
    assert.strictEqual(Math.max(...lengths), 1024 * 1024);
  });

  it('fails where a large text is not UTF-8, before it is complete', async (t) => {
    const { socket, ws } = await connectRaw(t);
    ws.send('ready');
    socket.write(frame(1, Buffer.alloc(65536, 'a'), { key: KEY }));
    await once(ws, 'message');
    const bad = Buffer.alloc(100_000, 'a');
    bad[20_000] = 0xff;
    const failed = once(ws, 'error');
    socket.write(frame(1, bad, { key: KEY }).subarray(0, 50_000));
    const [error] = await failed;
    assert.strictEqual(error.code, 'WS_ERR_INVALID_UTF8');
    const [code] = await once(ws, 'close');
    assert.strictEqual(code, 1006);
  });

  it('goes on with a large message behind a pause, in bytes where somebody asks for them', async (t) => {
    const { socket, ws } = await connectRaw(t);
    const received = [];
    ws.on('message', (data) => received.push(data.length));
    const large = frame(2, Buffer.alloc(100_000, 'a'), { key: KEY });
    socket.write(large);
    await once(ws, 'message');
    socket.write(large.subarray(0, 40_000));
    await sleep(30);
    ws.pause();
    socket.write(large.subarray(40_000, 90_000));
    await sleep(30);
    assert.deepStrictEqual(received, [100_000]);
    ws._socket.on('data', () => {});
    ws.resume();
    socket.write(Buffer.concat([large.subarray(90_000), large]));
    await until(
      () => received.length === 3,
      () => `three messages, not only ${received}`
    );
    assert.deepStrictEqual(received, [100_000, 100_000, 100_000]);
  });

  it('does not mistake a new connection for one that ended in the same batch', async (t) => {
    const { url, wss } = await serve(t);
    const count = 30;
    let echoes = 0;
    wss.on('connection', (ws) => {
      ws.on('message', (data) => {
        // Of the frames behind this one some are still on the way.
        if (data.length === 1) ws.terminate();
        else ws.send(data);
      });
    });
    const run = () =>
      new Promise((resolve) => {
        const ws = new WebSocket(url);
        ws.on('open', () => {
          ws.send('x');
          for (let i = 0; i < 5; i++) ws.send('stray');
        });
        ws.on('close', () => {
          const next = new WebSocket(url);
          next.on('open', () => next.send('a whole message'));
          next.on('message', (data) => {
            assert.strictEqual(data.toString(), 'a whole message');
            echoes++;
            next.close();
          });
          next.on('close', resolve);
        });
        ws.on('error', () => {});
      });
    await Promise.all(Array.from({ length: count }, run));
    assert.strictEqual(echoes, count);
  });

  it('leaves nothing out of what was read when a listener closed its connection', async (t) => {
    const one = await connectRaw(t);
    const other = await connectRaw(t);
    const numbers = [];
    one.ws.on('message', (data) => {
      numbers.push(data.readUInt8(0));
      if (numbers.length === 1) one.ws.terminate();
    });
    // A task reads them in turns, into several batches.
    for (let number = 0; number < 40; number++) {
      const payload = Buffer.alloc(3000, number);
      for (const { socket } of [one, other]) socket.write(frame(2, payload, { key: KEY }));
      if (number % 4 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
    await once(one.ws, 'close');
    assert.ok(numbers.length > 0);
    assert.deepStrictEqual(numbers, [...numbers.keys()]);
  });

  it('leaves out all that follows what it leaves out of a connection that is closed', async (t) => {
    const { port, wss } = await serve(t);
    const ends = [];
    const closed = [];
    for (let index = 0; index < 2; index++) {
      const { socket, ws } = await connectRaw(t, undefined, { port, wss });
      const end = { numbers: [], socket, ws };
      closed.push(once(ws, 'close'));
      ws.on('message', (data) => {
        end.numbers.push(data.readUInt16BE(0));
        // The batch has a part of what this one has sent, the engine the rest.
        if (end.numbers.length === 1) ends[1 - index].ws.terminate();
      });
      ends.push(end);
    }
    const frames = Array.from({ length: 3000 }, (_value, number) => {
      const payload = Buffer.alloc(2);
      payload.writeUInt16BE(number);
      return frame(2, payload, { key: KEY });
    });
    ends[0].socket.write(frames[0]);
    ends[1].socket.write(Buffer.concat(frames));
    await until(() => ends.some(({ ws }) => ws.readyState === WebSocket.CLOSED), 'an end');
    for (const { socket } of ends) socket.destroy();
    await Promise.all(closed);
    assert.ok(ends.some(({ numbers }) => numbers.length > 0));
    for (const { numbers } of ends) assert.deepStrictEqual(numbers, [...numbers.keys()]);
  });

  it('delivers to the others what is behind an exception', async (t) => {
    const { url, wss } = await serve(t);
    const received = [];
    wss.on('connection', (ws) => {
      ws.on('message', (data) => {
        received.push(data.toString());
        if (data.toString() === 'throw') throw new Error('from a listener');
      });
    });
    const clients = await Promise.all(Array.from({ length: 5 }, () => open(t, url)));
    const errors = await uncaughtDuring(async () => {
      for (const client of clients) {
        client.send('throw');
        client.send('after');
      }
      await until(
        () => received.length === 10,
        () => `ten messages, not only ${received}`
      );
    });
    assert.strictEqual(received.filter((text) => text === 'after').length, 5);
    assert.deepStrictEqual(errors, Array(5).fill('from a listener'));
  });
});

'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const { getEngine } = require('../../lib/engine');
const native = require('../../lib/native');
const { join, serve } = require('../support/connections');
const until = require('../support/until');

/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;

/** In how many calls of the kernel the engine has written to a connection. */
function callsOf(ws) {
  const { _engine: engine, _id: id } = ws._socket._handle;
  return native.counters(engine.native, id)[3];
}

/** Some connections: the server's end and the client's of each, and what that has received. */
async function connectMany(t, count, options) {
  const served = await serve(t, options);
  const ends = [];
  for (let index = 0; index < count; index++) {
    const { peer: ws, ws: client } = await join(t, served);
    const received = [];
    client.on('message', (data, isBinary) => received.push(isBinary ? [...data] : data.toString()));
    ends.push({ client, received, ws });
  }
  return ends;
}

/** Waits until all have received so many messages; then it's known in how many calls. */
async function receiveAll(ends, count) {
  await until(() => ends.every(({ received }) => received.length >= count), `${count} messages`);
}

describe('The messages of a tick', { skip }, () => {
  it('leave in one call for a connection, whatever was sent to others in between', async (t) => {
    const ends = await connectMany(t, 5);
    const before = ends.map(({ ws }) => callsOf(ws));
    const texts = Array.from({ length: 10 }, (_, index) => `text ${index}`);
    for (const text of texts) for (const { ws } of ends) ws.send(text);
    const bytes = Buffer.from('as bytes');
    for (const { ws } of ends) for (let count = 0; count < 3; count++) ws.send(bytes);
    for (const { ws } of ends) for (let count = 0; count < 3; count++) ws.send('the same');
    await receiveAll(ends, 16);
    for (const [index, { received, ws }] of ends.entries()) {
      assert.deepStrictEqual(received, [
        ...texts,
        ...Array(3).fill([...bytes]),
        ...Array(3).fill('the same')
      ]);
      assert.strictEqual(callsOf(ws) - before[index], 1);
    }
  });

  it('leave so though a program looks before each whether something waits', async (t) => {
    const ends = await connectMany(t, 5);
    const before = ends.map(({ ws }) => callsOf(ws));
    const start = performance.now();
    for (let round = 0; round < 50; round++) {
      for (const { ws } of ends) {
        assert.strictEqual(ws.bufferedAmount, 0);
        ws.send(`${round}`);
      }
    }
    // Once in a millisecond everything is written out.
    const most = 2 + performance.now() - start;
    await receiveAll(ends, 50);
    for (const [index, { received, ws }] of ends.entries()) {
      assert.deepStrictEqual(
        received,
        Array.from({ length: 50 }, (_, round) => `${round}`)
      );
      assert.ok(callsOf(ws) - before[index] <= most, `${callsOf(ws) - before[index]} of ${most}`);
    }
  });

  it('are counted when they are too much for the kernel', async (t) => {
    const [{ client, received, ws }] = await connectMany(t, 1);
    client.pause();
    const payload = 'x'.repeat(1000);
    let count = 0;
    for (; ws.bufferedAmount === 0; count++) ws.send(payload);
    const waiting = ws.bufferedAmount;
    assert.ok(waiting <= 16 * 1024 + 2 * 1004, `${waiting}`);
    ws.send(payload);
    assert.strictEqual(ws.bufferedAmount, waiting + 1004);
    client.resume();
    await until(() => received.length === count + 1, 'all messages');
    assert.strictEqual(ws.bufferedAmount, 0);
  });

  it('leave so for frames that programs make as well', async (t) => {
    const { Sender } = require('../..');
    const ends = await connectMany(t, 3);
    const before = ends.map(({ ws }) => callsOf(ws));
    for (let count = 0; count < 4; count++) {
      const options = { fin: true, mask: false, opcode: 1, readOnly: false, rsv1: false };
      const list = Sender.frame(Buffer.from(`frame ${count}`), options);
      for (const { ws } of ends) ws._sender.sendFrame(list);
    }
    await receiveAll(ends, 4);
    for (const [index, { received, ws }] of ends.entries()) {
      assert.deepStrictEqual(received, ['frame 0', 'frame 1', 'frame 2', 'frame 3']);
      assert.strictEqual(callsOf(ws) - before[index], 1);
    }
  });

  it('keep their place among raw writes', async (t) => {
    const ends = await connectMany(t, 3);
    for (let count = 0; count < 3; count++) {
      for (const { ws } of ends) ws.send(`text ${count}`);
      for (const { ws } of ends) ws._socket.write(Buffer.from([0x82, 1, count]));
    }
    await receiveAll(ends, 6);
    for (const { received } of ends) {
      assert.deepStrictEqual(received, ['text 0', [0], 'text 1', [1], 'text 2', [2]]);
    }
  });

  for (const length of [20, 512, 5000]) {
    it(`are what they were when they were sent, ${length} bytes`, async (t) => {
      const ends = await connectMany(t, 3);
      const bytes = Buffer.alloc(length);
      for (let value = 1; value < 4; value++) {
        for (const { ws } of ends) {
          ws.send(bytes);
          ws.send(bytes);
          bytes[length - 1] += value;
        }
      }
      await receiveAll(ends, 6);
      const last = ends.map(({ received }) => received.map((message) => message.at(-1)));
      assert.deepStrictEqual(last, [
        [0, 0, 3, 3, 9, 9],
        [1, 1, 5, 5, 12, 12],
        [2, 2, 7, 7, 15, 15]
      ]);
    });
  }

  it('are told apart by their kind', async (t) => {
    const ends = await connectMany(t, 2);
    const bytes = Buffer.from('{"a":1}'.repeat(100));
    for (const { ws } of ends) {
      ws.send('text');
      ws.send('text', { binary: true });
      ws.ping('text');
      ws.send(bytes, { binary: false });
      ws.send(bytes);
      ws.send('text', { fin: false });
      ws.send('text');
      ws.send('text');
    }
    await receiveAll(ends, 6);
    const text = 'text';
    for (const { received } of ends) {
      assert.deepStrictEqual(received, [
        text,
        [...Buffer.from(text)],
        bytes.toString(),
        [...bytes],
        text + text,
        text
      ]);
    }
  });

  it('may be more than there is room for', async (t) => {
    const ends = await connectMany(t, 4);
    const counts = ends.map(() => 0);
    for (const [index, { client }] of ends.entries()) {
      client.removeAllListeners('message');
      client.on('message', (data) => {
        assert.strictEqual(data.readUInt32LE(), counts[index]++);
      });
    }
    const amount = 30_000;
    for (let number = 0; number < amount; number++) {
      const message = Buffer.alloc(number % 7 === 0 ? 600 : 20);
      message.writeUInt32LE(number);
      for (const { ws } of ends) ws.send(message);
    }
    await until(() => counts.every((count) => count === amount), 'all messages');
  });

  it('are taken back with the connection that still had to compress them', async (t) => {
    const ends = await connectMany(t, 3, {
      perMessageDeflate: { serverNoContextTakeover: true, threshold: 0 }
    });
    const isTaken = ({ ws }) => ws._socket._handle.mode === 'taken';
    await until(() => ends.every(isTaken), 'the engine compresses');
    for (const { ws } of ends) ws.send('a'.repeat(1000));
    ends[1].ws.terminate();
    for (const { ws } of [ends[0], ends[2]]) ws.send('b'.repeat(1000));
    await receiveAll([ends[0], ends[2]], 2);
    await turn();
    const expected = ['a'.repeat(1000), 'b'.repeat(1000)];
    assert.deepStrictEqual(
      ends.map(({ received }) => received),
      [expected, [], expected]
    );
  });
});

'use strict';

// What the engine does with topics, beyond what every transport does.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { kTopics, kTransport } = require('../../lib/constants');
const { getEngine } = require('../../lib/engine');
const native = require('../../lib/native');
const until = require('../support/until');
const { openRoom, receiveAll } = require('./room');

/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;

/** In how many calls of the kernel the engine has written to a connection. */
function callsOf(ws) {
  const { _engine: engine, _id: id } = ws._socket._handle;
  return native.counters(engine.native, id)[3];
}

/** Whether messages of topics reach a connection by one command for all. */
function isAttached(ws) {
  return ws[kTopics].isAttached;
}

describe('Topics of the engine', { skip }, () => {
  it('need one call of the kernel for a connection, and no sender', async (t) => {
    const { members, wss } = await openRoom(t, 4);
    for (const { ws } of members) ws.subscribe('a');
    const before = members.map(({ ws }) => callsOf(ws));
    for (let index = 0; index < 40; index++) {
      const { ws } = members[index % 4];
      if (index % 3 === 0) assert.strictEqual(ws.publish('a', `${index}`), 3);
      else assert.strictEqual(wss.publish('a', `${index}`), 4);
    }
    await receiveAll(members, 36);
    for (const [place, { received, ws }] of members.entries()) {
      const all = Array.from({ length: 40 }, (_, index) => index);
      const expected = all.filter((index) => index % 3 !== 0 || index % 4 !== place).map(String);
      await until(() => received.length >= expected.length, 'the rest');
      assert.deepStrictEqual(received, expected);
      assert.strictEqual(callsOf(ws) - before[place], 1);
      assert.strictEqual(ws[kTransport].sender, null);
      assert.ok(isAttached(ws));
    }
  });

  it('let a connection be apart while something is in the way, and no longer', async (t) => {
    const { members, wss } = await openRoom(t, 1);
    const [{ received, ws }] = members;
    ws.subscribe('a');
    const obstacles = {
      callback: () => new Promise((resolve) => ws.send('callback', resolve)),
      cork: () => {
        ws._socket.cork();
        setImmediate(() => ws._socket.uncork());
      },
      fragments: () => {
        ws.send('frag', { fin: false });
        setImmediate(() => ws.send('ments'));
      },
      blob: () => ws.send(new Blob(['blob'])),
      timeout: () => {
        ws._socket.setTimeout(100_000);
        setImmediate(() => ws._socket.setTimeout(0));
      },
      write: () => ws._socket.write(Buffer.from([0x81, 0]))
    };
    let number = 0;
    for (const [name, obstruct] of Object.entries(obstacles)) {
      assert.ok(isAttached(ws), `before: ${name}`);
      obstruct();
      assert.ok(!isAttached(ws), name);
      assert.strictEqual(wss.publish('a', `behind ${name}`), 1);
      await until(() => {
        wss.publish('a', `${number++}`);
        return isAttached(ws);
      }, `attached after: ${name}`);
    }
    wss.publish('a', 'end');
    await until(() => received.at(-1) === 'end', 'the end');
    const numbers = received.filter((text) => /^\d+$/.test(text)).map(Number);
    assert.deepStrictEqual(
      numbers,
      numbers.map((_, index) => index)
    );
    for (const name of Object.keys(obstacles)) {
      assert.ok(received.includes(`behind ${name}`), name);
    }
  });

  it('compress once for all that do, and not for the others', async (t) => {
    const room = await openRoom(t, 0, {
      perMessageDeflate: { serverNoContextTakeover: true, threshold: 100 }
    });
    const { wss } = room;
    const { join } = require('../support/connections');
    const ends = [];
    for (const perMessageDeflate of [true, false, true, { serverMaxWindowBits: 10 }]) {
      const { peer: ws, ws: client } = await join(t, room, { perMessageDeflate });
      const received = [];
      client.on('message', (data) => received.push(data.toString()));
      ends.push({ client, received, ws });
    }
    for (const { ws } of ends) ws.subscribe('a');
    await until(() => {
      wss.publish('a', '');
      return ends.every(({ ws }) => isAttached(ws));
    }, 'all attached');
    const bytes = () => ends.map(({ client }) => client._socket.bytesRead);
    wss.publish('a', 'begin');
    await until(() => ends.every(({ received }) => received.at(-1) === 'begin'), 'the beginning');
    const before = bytes();
    for (const { received } of ends) received.length = 0;
    const long = 'x'.repeat(5000);
    assert.strictEqual(wss.publish('a', long), 4);
    assert.strictEqual(wss.publish('a', 'short'), 4);
    assert.strictEqual(wss.publish('a', long, { compress: false }), 4);
    await receiveAll(ends, 3);
    for (const { received } of ends) assert.deepStrictEqual(received, [long, 'short', long]);
    const lengths = bytes().map((length, index) => length - before[index]);
    for (const index of [0, 2, 3]) assert.ok(lengths[index] < 5200, `${lengths[index]} bytes`);
    assert.strictEqual(lengths[1], 2 * 5004 + 7);
  });

  it('forget a connection before its number is given to another one', async (t) => {
    const { members, wss } = await openRoom(t, 2);
    /** A client without an end in the engine, so that no other number is free. */
    const knock = async () => {
      const accepted = once(wss, 'connection');
      const socket = net.connect(wss.address().port, '127.0.0.1');
      t.after(() => socket.destroy());
      socket.write(
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
      );
      const client = { received: '', ws: (await accepted)[0] };
      socket.on('data', (bytes) => {
        client.received += bytes;
      });
      return client;
    };
    const first = await knock();
    for (const { ws } of [...members, first]) ws.subscribe('a');
    const { _id: id } = first.ws._socket._handle;
    wss.publish('a', 'to the first');
    first.ws.terminate();
    await once(first.ws, 'close');
    const other = await knock();
    assert.strictEqual(other.ws._socket._handle._id, id);
    assert.strictEqual(wss.publish('a', 'to two'), 2);
    other.ws.subscribe('b');
    wss.publish('a', 'to two again');
    wss.publish('b', 'to the other');
    await receiveAll(members, 3);
    await until(() => other.received.includes('to the other'), 'the other');
    assert.ok(!other.received.includes('to two'), other.received);
  });

  it('give numbers of topics again', async (t) => {
    const { members, wss } = await openRoom(t, 2);
    const { _engine: engine } = members[0].ws._socket._handle;
    const before = native.topicsMemory(engine.native);
    for (let round = 0; round < 300; round++) {
      for (const { ws } of members) {
        for (let topic = 0; topic < 20; topic++) ws.subscribe(`${round} ${topic}`);
      }
      wss.publish(`${round} 7`, `${round}`);
      for (const { ws } of members) for (const topic of ws.topics) ws.unsubscribe(topic);
    }
    await receiveAll(members, 300);
    assert.strictEqual(members[0].received[299], '299');
    // What the table grows by stays; what it has for topics that are gone does not.
    assert.ok(native.topicsMemory(engine.native) - before < 5000);
  });

  it('keep more in a tick than is put in order at once', async (t) => {
    const { members, wss } = await openRoom(t, 3);
    for (const { ws } of members) for (const topic of ['a', 'b']) ws.subscribe(topic);
    const count = 30_000;
    for (let index = 0; index < count; index++)
      wss.publish(index % 2 === 0 ? 'a' : 'b', `${index}`);
    await receiveAll(members, count);
    for (const { received } of members) {
      assert.strictEqual(received.length, count);
      assert.ok(received.every((text, index) => text === `${index}`));
    }
  });

  it('give each message once where a connection falls behind between two flushes', async (t) => {
    const { members, wss } = await openRoom(t, 2);
    for (const { client, ws } of members) {
      ws.subscribe('a');
      client.pause();
    }
    const text = 't'.repeat(3000);
    let count = 0;
    // More than fits into the scratch, so that what waits is found while a message is added.
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 1000; index++) {
        assert.strictEqual(wss.publish('a', `${count++} ${text}`), 2);
      }
      await sleep(1);
    }
    for (const { client } of members) client.resume();
    await receiveAll(members, count);
    for (const { received } of members) {
      const numbers = received.map((message) => Number.parseInt(message, 10));
      assert.ok(numbers.every((number, index) => number === index));
      assert.strictEqual(numbers.length, count);
    }
  });

  it('reach those that are compressed since a moment', async (t) => {
    const { members, wss } = await openRoom(t, 2, { perMessageDeflate: true });
    for (const { ws } of members) ws.subscribe('a');
    const sent = [];
    for (let index = 0; index < 30; index++) {
      sent.push(`message ${index} of thirty`);
      assert.strictEqual(wss.publish('a', sent[index]), 2);
      await sleep(3);
    }
    await receiveAll(members, 30);
    for (const { received } of members) assert.deepStrictEqual(received, sent);
    const areAttached = () => {
      wss.publish('a', 'again');
      return members.every(({ ws }) => isAttached(ws));
    };
    await until(areAttached, 'attached', 50);
    const [{ client, received, ws }] = members;
    ws._receiver; // whoever asks for it gets a real one
    assert.ok(!isAttached(ws));
    wss.publish('a', 'and on');
    await until(() => received.at(-1) === 'and on', 'the message');
    client.close();
    await once(ws, 'close');
  });
});

'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const { uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const KILOBYTE = 1024;
const MEGABYTE = 1024 * KILOBYTE;
const ROLES = ['server', 'client'];

/** Joins with options on the side of a client, too. */
async function openPair(t, kind, role, options) {
  const { members, wss } = await openRoom(t, 1, options, kind, options);
  const [{ client, ws }] = members;
  return role === 'server' ? { far: client, near: ws, wss } : { far: ws, near: client, wss };
}

/** Sends until the peer takes no more and more than so much is buffered. */
async function fill(near, amount) {
  for (let sent = 0; near.bufferedAmount <= amount; sent++) {
    assert.ok(sent < 10_000, 'it never fills up');
    near.send(Buffer.alloc(64 * KILOBYTE));
    // Over TLS nothing is written at once.
    if (sent % 20 === 0 || near.bufferedAmount > amount) await sleep(10);
  }
}

/** Counts events. */
function count(emitter, event) {
  const counter = { events: 0 };
  emitter.on(event, () => counter.events++);
  return counter;
}

for (const kind of kinds) {
  for (const role of ROLES) {
    describe(`Backpressure of a ${role}, ${kind}`, () => {
      it('is told of, and its end once', async (t) => {
        const { far, near } = await openPair(t, kind, role, { highWaterMark: 100 * KILOBYTE });
        const drains = count(near, 'drain');
        assert.strictEqual(near.writableNeedDrain, false);
        for (let round = 0; round < 2; round++) {
          far.pause();
          await fill(near, 300 * KILOBYTE);
          assert.strictEqual(near.writableNeedDrain, true);
          // Over TLS there may have been some on the way.
          const before = drains.events;
          await sleep(20);
          assert.strictEqual(drains.events, before);
          far.resume();
          await once(near, 'drain');
          assert.strictEqual(near.bufferedAmount, 0);
          assert.strictEqual(near.writableNeedDrain, false);
          await sleep(20);
          assert.strictEqual(drains.events, before + 1);
        }
      });

      it('is told of for what leaves at the end of a tick', async (t) => {
        const { far, near } = await openPair(t, kind, role, { highWaterMark: KILOBYTE });
        const drains = count(near, 'drain');
        far.pause();
        await fill(near, 0);
        far.resume();
        await until(() => near.bufferedAmount === 0 && !near.writableNeedDrain, 'an end');
        far.pause();
        await fill(near, 0);
        near.send('last');
        await sleep(5);
        const before = drains.events;
        far.resume();
        await until(() => drains.events > before, "'drain'");
      });

      it('can be waited for', async (t) => {
        const { far, near } = await openPair(t, kind, role, {});
        await near.waitForDrain();
        far.pause();
        await fill(near, MEGABYTE);
        const order = [];
        const waits = [0, 500 * KILOBYTE].map((threshold) =>
          near.waitForDrain({ threshold }).then(() => {
            assert.ok(near.bufferedAmount <= threshold);
            order.push(threshold);
          })
        );
        await near.waitForDrain({ threshold: Number.MAX_SAFE_INTEGER });
        await sleep(20);
        assert.deepStrictEqual(order, []);
        far.resume();
        await Promise.all(waits);
        assert.strictEqual(near.bufferedAmount, 0);
        assert.strictEqual(near._socket.listenerCount('drain'), 0);
      });

      it('is not waited for beyond the end', async (t) => {
        const { far, near } = await openPair(t, kind, role, {});
        far.pause();
        await fill(near, MEGABYTE);
        const controller = new AbortController();
        const aborted = near.waitForDrain({ signal: controller.signal });
        const waiting = near.waitForDrain({ signal: new AbortController().signal });
        controller.abort(new Error('enough'));
        await assert.rejects(aborted, { message: 'enough' });
        near.terminate();
        await assert.rejects(waiting, { code: 'ERR_OXWS_CLOSED' });
        near.send('lost');
        await assert.rejects(near.waitForDrain(), { code: 'ERR_OXWS_CLOSED' });
      });

      it('drops messages beyond the limit', async (t) => {
        const options = { backpressurePolicy: 'drop', maxBackpressure: MEGABYTE };
        const { far, near } = await openPair(t, kind, role, options);
        const received = [];
        const dropped = [];
        far.on('message', (data) => received.push(Number(data.toString().split(' ')[0])));
        near.on('dropped', (data, isBinary) => {
          assert.strictEqual(isBinary, typeof data !== 'string');
          dropped.push(Number(data.toString().split(' ')[0]));
        });
        far.pause();
        const errors = [];
        let written = 0;
        const text = 'x'.repeat(3000);
        const messages = 6000;
        for (let index = 0; index < messages; index++) {
          const data = `${index} ${text}`;
          if (index % 3 === 0) near.send(Buffer.from(data));
          else if (index % 3 === 1) near.send(data);
          else near.send(data, (error) => (error ? errors.push(error) : written++));
          if (index % 500 === 0) {
            assert.ok(near.bufferedAmount <= MEGABYTE);
            await sleep(1);
          }
        }
        assert.ok(near.bufferedAmount > MEGABYTE / 2);
        assert.ok(near.bufferedAmount <= MEGABYTE);
        assert.ok(dropped.length > 0);
        far.resume();
        await near.waitForDrain();
        await until(() => received.length + dropped.length === messages, 'the rest');
        assert.deepStrictEqual(
          [...received].sort((a, b) => a - b),
          received
        );
        assert.strictEqual(new Set([...received, ...dropped]).size, messages);
        assert.strictEqual(errors.length, dropped.filter((index) => index % 3 === 2).length);
        assert.strictEqual(errors.length + written, messages / 3);
        for (const { code } of errors) assert.strictEqual(code, 'ERR_OXWS_DROPPED');
        assert.strictEqual(near.closeCause, null);
        near.send(`${messages} again`);
        await until(() => received.includes(messages), 'a message after it');
      });

      it('closes the connection beyond the limit', async (t) => {
        const { far, near } = await openPair(t, kind, role, { maxBackpressure: MEGABYTE });
        const dropped = count(near, 'dropped');
        far.pause();
        for (let index = 0; near.readyState === WebSocket.OPEN; index++) {
          assert.ok(index < 10_000, 'it is never closed');
          near.send(Buffer.alloc(50 * KILOBYTE));
          assert.ok(near.bufferedAmount <= MEGABYTE + 10);
          if (index % 20 === 0) await sleep(1);
        }
        assert.strictEqual(near.closeCause.code, 'ERR_OXWS_BACKPRESSURE');
        const ended = new Promise((resolve) => near.addEventListener('close', resolve));
        far.resume();
        const [code] = await once(far, 'close');
        assert.strictEqual(code, 1013);
        const event = await ended;
        assert.strictEqual(event.code, 1013);
        assert.strictEqual(event.cause, near.closeCause);
        assert.strictEqual(dropped.events, 0);
      });

      it('drops only what may be dropped', async (t) => {
        const { far, near } = await openPair(t, kind, role, { maxBackpressure: MEGABYTE });
        const dropped = count(near, 'dropped');
        far.pause();
        await fill(near, 900 * KILOBYTE);
        const before = near.bufferedAmount;
        near.send(Buffer.alloc(200 * KILOBYTE), { droppable: true });
        assert.strictEqual(dropped.events, 1);
        assert.strictEqual(near.bufferedAmount, before);
        const [error] = await new Promise((resolve) =>
          near.send('y'.repeat(200 * KILOBYTE), { droppable: true }, (...all) => resolve(all))
        );
        assert.strictEqual(error.code, 'ERR_OXWS_DROPPED');
        assert.strictEqual(near.readyState, WebSocket.OPEN);
        const [refused] = await new Promise((resolve) =>
          near.send(Buffer.alloc(200 * KILOBYTE), (...all) => resolve(all))
        );
        assert.strictEqual(refused.code, 'ERR_OXWS_BACKPRESSURE');
        assert.strictEqual(near.readyState, WebSocket.CLOSING);
      });

      it('drops all fragments of a message, or none', async (t) => {
        const options = { backpressurePolicy: 'drop', maxBackpressure: MEGABYTE };
        const { far, near } = await openPair(t, kind, role, options);
        const received = [];
        far.on('message', (data) => received.push(data.length));
        far.pause();
        await fill(near, 800 * KILOBYTE);
        near.send(Buffer.alloc(100 * KILOBYTE), { fin: false });
        for (let index = 0; index < 20; index++) {
          near.send(Buffer.alloc(100 * KILOBYTE), { fin: false });
        }
        near.send(Buffer.alloc(1));
        const dropped = count(near, 'dropped');
        near.send(Buffer.alloc(100), { fin: false });
        near.send(Buffer.alloc(100), { fin: false });
        near.send(Buffer.alloc(100));
        assert.strictEqual(dropped.events, 3);
        far.resume();
        await near.waitForDrain();
        near.send('last');
        await until(() => received.at(-1) === 4, 'the last message');
        assert.strictEqual(received.at(-2), 21 * 100 * KILOBYTE + 1);
      });

      it('is that of messages which are compressed', async (t) => {
        const { far, near } = await openPair(t, kind, role, {
          highWaterMark: 10 * KILOBYTE,
          maxBackpressure: 10 * MEGABYTE,
          perMessageDeflate: { threshold: 0 }
        });
        const drains = count(near, 'drain');
        let received = 0;
        far.on('message', () => received++);
        for (let round = 1; round <= 3; round++) {
          for (let index = 0; index < 10; index++) near.send('z'.repeat(200 * KILOBYTE));
          assert.ok(near.writableNeedDrain);
          await near.waitForDrain();
          await until(() => drains.events === round, "'drain'");
          await until(() => received === round * 10, 'the messages');
          await sleep(30);
          assert.strictEqual(drains.events, round);
        }
      });
    });
  }

  describe(`Backpressure of a topic, ${kind}`, () => {
    for (const way of ['publish', 'broadcast', 'send']) {
      it(`is that of each connection: ${way}`, async (t) => {
        const options = { backpressurePolicy: 'drop', maxBackpressure: 256 * KILOBYTE };
        const { members, wss } = await openRoom(t, 4, options, kind);
        const dropped = members.map(({ ws }) => count(ws, 'dropped'));
        for (const { ws } of members) ws.subscribe('a');
        members[0].client.pause();
        const messages = 8000;
        const prepared = wss.prepare('p'.repeat(2000));
        for (let index = 0; index < messages; index++) {
          const data = index % 2 === 0 ? prepared : `${'q'.repeat(2000)}`;
          if (way === 'publish') assert.strictEqual(wss.publish('a', data), 4);
          else if (way === 'broadcast') assert.strictEqual(wss.broadcast(data), 4);
          else for (const { ws } of members) ws.send(data);
          if (index % 10 === 0) await new Promise(setImmediate);
          if (index % 100 === 0) {
            assert.ok(members[0].ws.bufferedAmount <= 256 * KILOBYTE);
            for (const { ws } of members.slice(1)) await ws.waitForDrain();
          }
        }
        assert.ok(dropped[0].events > 0);
        members[0].client.resume();
        const counts = () =>
          members.map(({ received }, at) => received.length + dropped[at].events);
        await until(
          () => counts().every((each) => each === messages),
          () => `${counts()}`
        );
        assert.deepStrictEqual(
          dropped.slice(1).map(({ events }) => events),
          [0, 0, 0]
        );
      });
    }

    it('drops what may be dropped, under either policy', async (t) => {
      const { members, wss } = await openRoom(t, 2, { maxBackpressure: 256 * KILOBYTE }, kind);
      const [{ client, ws }, other] = members;
      const dropped = count(ws, 'dropped');
      for (const member of members) member.ws.subscribe('a');
      client.pause();
      for (let index = 0; index < 3000; index++) {
        wss.publish('a', 'm'.repeat(3000), { droppable: true });
        if (index % 10 === 0) await new Promise(setImmediate);
        if (index % 20 === 0) await other.ws.waitForDrain();
      }
      assert.ok(dropped.events > 0);
      assert.strictEqual(ws.readyState, WebSocket.OPEN);
      for (const send of [
        () => other.ws.publish('a', 'm'.repeat(300_000), { droppable: true }),
        () => wss.broadcast('m'.repeat(300_000), { droppable: true })
      ]) {
        send();
        assert.strictEqual(ws.readyState, WebSocket.OPEN);
        await other.ws.waitForDrain();
      }
      wss.broadcast('m'.repeat(300_000));
      assert.strictEqual(ws.readyState, WebSocket.CLOSING);
      assert.strictEqual(ws.closeCause.code, 'ERR_OXWS_BACKPRESSURE');
      assert.strictEqual(other.ws.readyState, WebSocket.OPEN);
    });
  });
}

describe('Backpressure', () => {
  it('is not limited by default', async (t) => {
    const { far, near } = await openPair(t, 'tcp', 'server', {});
    const events = ['drain', 'dropped'].map((name) => count(near, name));
    far.pause();
    await fill(near, 2 * MEGABYTE);
    assert.strictEqual(near.writableNeedDrain, false);
    near.send('more', { droppable: true });
    far.resume();
    await near.waitForDrain();
    assert.deepStrictEqual(events, [{ events: 0 }, { events: 0 }]);
  });

  it('is no matter of other connections where a listener throws', async (t) => {
    const options = { backpressurePolicy: 'drop', maxBackpressure: 10 };
    const { members, wss } = await openRoom(t, 2, options);
    const [{ client, ws }, other] = members;
    client.pause();
    await until(() => {
      ws._socket.write(Buffer.alloc(MEGABYTE));
      return ws._socket.writableLength > MEGABYTE;
    }, 'backpressure');
    ws.on('dropped', () => {
      throw new Error('of a listener');
    });
    const messages = await uncaughtDuring(async () => {
      assert.strictEqual(wss.broadcast('news'), 2);
      await until(() => other.received.length === 1, 'the message');
    });
    assert.deepStrictEqual(messages, ['of a listener']);
  });

  it('lets a program have properties of the same names', () => {
    const ws = new WebSocket(null, undefined, {});
    for (const name of ['closeCause', 'waitForDrain', 'writableNeedDrain']) {
      ws[name] = 1;
      assert.strictEqual(ws[name], 1);
    }
  });

  it('refuses options that are none', async () => {
    const wrong = [
      [{ highWaterMark: '1' }, TypeError, /"highWaterMark" must be a number/],
      [{ highWaterMark: -1 }, RangeError, /"highWaterMark" must be an integer from 0/],
      [{ maxBackpressure: 1.5 }, RangeError, /"maxBackpressure" must be an integer/],
      [{ maxBackpressure: true }, TypeError, /"maxBackpressure" must be a number/],
      [{ backpressurePolicy: 'wait' }, TypeError, /"backpressurePolicy" must be "close" or "drop"/]
    ];
    for (const [options, name, message] of wrong) {
      const expected = (error) => error instanceof name && message.test(error.message);
      assert.throws(() => new WebSocketServer({ noServer: true, ...options }), expected);
      assert.throws(() => new WebSocket('ws://127.0.0.1:1', options), expected);
    }
    const ws = new WebSocket(null, undefined, {});
    await assert.rejects(ws.waitForDrain(null), TypeError);
    await assert.rejects(ws.waitForDrain({ threshold: '1' }), TypeError);
    await assert.rejects(ws.waitForDrain({ threshold: -1 }), RangeError);
    await assert.rejects(ws.waitForDrain({ signal: {} }), TypeError);
    await assert.rejects(ws.waitForDrain({ signal: AbortSignal.abort() }), { name: 'AbortError' });
    await ws.waitForDrain();
  });
});

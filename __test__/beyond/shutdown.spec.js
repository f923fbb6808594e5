'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const { open } = require('../support/connections');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const KILOBYTE = 1024;

/** Keeps the process alive, which a `Duplex` doesn't. */
function stay(t) {
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
}

for (const kind of kinds) {
  describe(`The shutdown of a server, ${kind}`, () => {
    it('closes all connections, after what is buffered', async (t) => {
      stay(t);
      const { members, wss } = await openRoom(t, 5, {}, kind);
      for (const { client } of members) client.pause();
      const payload = 'x'.repeat(64 * KILOBYTE);
      for (const { ws } of members) for (let sent = 0; sent < 40; sent++) ws.send(payload);
      const ended = wss.shutdown({ reason: 'a deploy' });
      const reasons = members.map(async ({ client }) => {
        const [code, reason] = await once(client, 'close');
        return `${code} ${reason}`;
      });
      await sleep(20);
      for (const { client } of members) client.resume();
      assert.deepStrictEqual(await ended, { closed: 5, terminated: 0 });
      assert.deepStrictEqual(await Promise.all(reasons), Array(5).fill('1001 a deploy'));
      for (const { received } of members) assert.strictEqual(received.length, 41);
      assert.strictEqual(wss.clients.size, 0);
      assert.deepStrictEqual(await wss.shutdown(), { closed: 5, terminated: 0 });
    });

    it('terminates what does not answer in time', async (t) => {
      stay(t);
      const { members, wss } = await openRoom(t, 4, {}, kind);
      for (const { client } of members.slice(0, 2)) client.pause();
      const start = performance.now();
      const result = await wss.shutdown({ code: 1012, timeout: 200 });
      const time = performance.now() - start;
      assert.deepStrictEqual(result, { closed: 2, terminated: 2 });
      assert.ok(time >= 190 && time < 10_000, `after ${time} ms`);
    });

    it('terminates at once what is left when it is aborted', async (t) => {
      stay(t);
      const { members, wss } = await openRoom(t, 3, {}, kind);
      const controller = new AbortController();
      members[0].client.pause();
      const ended = wss.shutdown({ signal: controller.signal });
      await until(() => wss.clients.size === 1, 'two closes');
      controller.abort();
      assert.deepStrictEqual(await ended, { closed: 2, terminated: 1 });
    });
  });
}

describe('The shutdown of a server', () => {
  it('is spread, in random order', async (t) => {
    const { members, wss } = await openRoom(t, 40, {});
    const order = [];
    const times = [];
    const start = performance.now();
    for (const [index, { client }] of members.entries()) {
      client.on('close', () => {
        order.push(index);
        times.push(performance.now() - start);
      });
    }
    assert.deepStrictEqual(await wss.shutdown({ spread: 800 }), { closed: 40, terminated: 0 });
    await until(() => order.length === 40, 'all');
    assert.notDeepStrictEqual(
      order,
      [...order].sort((a, b) => a - b)
    );
    assert.ok(times[0] < 400 && times.at(-1) >= 780, `${times[0]} to ${times.at(-1)} ms`);
    for (let quarter = 1; quarter < 4; quarter++) {
      const early = times.filter((time) => time < quarter * 200 - 40).length;
      assert.ok(early <= quarter * 10, `${early} in ${quarter} quarters`);
    }
  });

  it('refuses connections meanwhile, with 503', async (t) => {
    const server = http.createServer();
    const wss = new WebSocketServer({ server });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `ws://127.0.0.1:${server.address().port}`;
    const ws = await open(t, url);
    ws.pause();
    const ended = wss.shutdown({ timeout: 300 });
    const late = new WebSocket(url);
    const [error] = await once(late, 'error');
    assert.strictEqual(error.message, 'Unexpected server response: 503');
    assert.deepStrictEqual(await ended, { closed: 0, terminated: 1 });
    assert.ok(server.listening);
  });

  it('ends where nobody is connected', async (t) => {
    const { wss } = await openRoom(t, 0, {});
    const closed = once(wss, 'close');
    assert.deepStrictEqual(await wss.shutdown({ spread: 60_000 }), { closed: 0, terminated: 0 });
    await closed;
  });

  it('needs to know the clients', async () => {
    const wss = new WebSocketServer({ noServer: true, clientTracking: false });
    await assert.rejects(wss.shutdown(), {
      message: 'shutdown() needs the option "clientTracking"'
    });
    assert.throws(() => wss.closeAllConnections(), /^Error: closeAllConnections\(\) needs/);
  });

  it('refuses options that are none', async () => {
    const wss = new WebSocketServer({ noServer: true });
    const wrong = [
      [null, TypeError],
      [{ code: 1005 }, TypeError],
      [{ code: '1001' }, TypeError],
      [{ reason: 1 }, TypeError],
      [{ reason: 'x'.repeat(124) }, RangeError],
      [{ spread: '1' }, TypeError],
      [{ spread: -1 }, RangeError],
      [{ timeout: Infinity }, RangeError],
      [{ signal: {} }, TypeError]
    ];
    for (const [options, name] of wrong) await assert.rejects(wss.shutdown(options), name);
    await wss.shutdown();
  });

  it('is what disposes of it', { skip: !Symbol.asyncDispose }, async (t) => {
    const { members, wss } = await openRoom(t, 1, {});
    await wss[Symbol.asyncDispose]();
    await until(() => members[0].received.length === 1, 'the end');
    assert.deepStrictEqual(members[0].received, ['(close 1001)']);
  });
});

describe('A connection', () => {
  it('is closed when it is disposed of', { skip: !Symbol.asyncDispose }, async (t) => {
    const { members, url } = await openRoom(t, 1, {});
    const [{ client, ws }] = members;
    const closed = once(ws, 'close');
    await client[Symbol.asyncDispose]();
    assert.strictEqual(client.readyState, WebSocket.CLOSED);
    assert.strictEqual((await closed)[0], 1000);
    await client[Symbol.asyncDispose]();
    const connecting = new WebSocket(url);
    await connecting[Symbol.asyncDispose]();
    assert.strictEqual(connecting.readyState, WebSocket.CLOSED);
  });

  it('is terminated with all others', async (t) => {
    const { members, wss } = await openRoom(t, 3, {});
    wss.closeAllConnections();
    await until(() => members.every(({ received }) => received.length === 1), 'the ends');
    for (const { received } of members) assert.deepStrictEqual(received, ['(close 1006)']);
    assert.ok(wss.address());
  });
});

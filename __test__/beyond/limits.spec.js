'use strict';

// Which handshakes a server takes on, and how long connections last.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const { open, serve } = require('../support/connections');
const { upgradeRequest } = require('../support/differential');
const refusal = require('../support/refusal');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

/** The response to a handshake that is refused: its status and its body. */
async function answerTo(ws) {
  const { body, status } = await refusal(ws);
  return `${status} ${body}`;
}

describe('The limits of a server', () => {
  it('are checked when it is made', () => {
    const cases = [
      [{ maxConnections: 0 }, RangeError],
      [{ maxConnections: '1' }, TypeError],
      [{ maxConnectionsPerAddress: 1.5 }, RangeError],
      [{ maxHandshakes: -1 }, RangeError],
      [{ addressOf: 'x' }, TypeError],
      [{ allowedOrigins: 'https://a' }, TypeError],
      [{ allowedOrigins: [1] }, TypeError],
      [{ maxLifetime: -1 }, RangeError],
      [{ jitter: 'x' }, TypeError]
    ];
    for (const [options, type] of cases) {
      const make = () => new WebSocketServer({ noServer: true, ...options });
      assert.throws(make, (error) => error instanceof type && error.message.includes('option'));
    }
    const none = { addressOf: null, allowedOrigins: undefined, maxConnections: null };
    assert.ok(new WebSocketServer({ noServer: true, ...none }));
  });

  it('are those of all connections, of which others take the places that get free', async (t) => {
    const { url, wss } = await serve(t, { maxConnections: 2 });
    const first = await open(t, url);
    await open(t, url);
    assert.strictEqual(await answerTo(new WebSocket(url)), '503 Too many connections');
    first.close();
    await once(first, 'close');
    await until(() => wss.clients.size === 1, 'a place');
    await open(t, url);
    assert.strictEqual(await answerTo(new WebSocket(url)), '503 Too many connections');
  });

  it('are those of an address', async (t) => {
    const { url } = await serve(t, {
      addressOf: (request) => request.headers['x-forwarded-for'],
      maxConnectionsPerAddress: 1
    });
    const from = (address) => ({ headers: { 'X-Forwarded-For': address } });
    await open(t, url, from('1.1.1.1'));
    const second = await open(t, url, from('2.2.2.2'));
    assert.strictEqual(
      await answerTo(new WebSocket(url, from('2.2.2.2'))),
      '429 Too many connections of this address'
    );
    second.terminate();
    await once(second, 'close');
    await sleep(20);
    await open(t, url, from('2.2.2.2'));
  });

  it('are those of the address of the peer where nothing else is said', async (t) => {
    const { url } = await serve(t, { maxConnectionsPerAddress: 1 });
    await open(t, url);
    assert.match(await answerTo(new WebSocket(url)), /^429 /);
    await open(t, url, { localAddress: '127.0.0.2' });
  });

  it('are those of handshakes in progress, which free their places as they end', async (t) => {
    const verify = [];
    const verifyClient = (_info, callback) => verify.push(callback);
    const { port, url } = await serve(t, { maxHandshakes: 2, verifyClient });
    const gone = net.connect(port, '127.0.0.1');
    gone.write(upgradeRequest());
    const waiting = new WebSocket(url);
    t.after(() => waiting.terminate());
    await until(() => verify.length === 2, 'two handshakes');
    const message = '503 Too many handshakes in progress';
    assert.strictEqual(await answerTo(new WebSocket(url)), message);
    gone.resetAndDestroy();
    await sleep(20);
    const refused = new WebSocket(url);
    await until(() => verify.length === 3, 'a third one');
    assert.strictEqual(await answerTo(new WebSocket(url)), message);
    const answered = answerTo(refused);
    verify[2](false, 401);
    assert.strictEqual(await answered, '401 Unauthorized');
    verify[1](true);
    await once(waiting, 'open');
    for (let index = 3; index < 5; index++) {
      const ws = new WebSocket(url);
      await until(() => verify.length === index + 1, 'one more');
      verify[index](true);
      await once(ws, 'open');
      ws.terminate();
    }
  });

  it('are origins', async (t) => {
    const { url, wss } = await serve(t, { allowedOrigins: ['https://a.example'] });
    await open(t, url, { origin: 'https://a.example' });
    await open(t, url);
    await open(t, url, { origin: 'https://a.example', protocolVersion: 8 });
    for (const protocolVersion of [8, 13]) {
      const ws = new WebSocket(url, { origin: 'https://b.example', protocolVersion });
      assert.strictEqual(await answerTo(ws), '403 Origin not allowed');
    }
    wss.options.allowedOrigins = (origin) => origin?.endsWith('.example');
    await open(t, url, { origin: 'https://b.example' });
    assert.match(await answerTo(new WebSocket(url)), /^403 /);
  });

  it('hold in a flood, whatever its handshakes become', async (t) => {
    const { port, url, wss } = await serve(t, { maxConnections: 10 });
    let most = 0;
    wss.on('connection', () => (most = Math.max(most, wss.clients.size)));
    const sockets = Array.from({ length: 200 }, (_value, index) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(upgradeRequest());
      if (index % 3 === 0) setTimeout(() => socket.destroy(), index % 7);
      return socket;
    });
    await sleep(200);
    for (const socket of sockets) socket.destroy();
    assert.ok(most > 0 && most <= 10, `${most}`);
    await until(() => wss.clients.size === 0, 'an end');
    const again = await Promise.all(Array.from({ length: 10 }, () => open(t, url)));
    assert.strictEqual(again.length, 10);
  });
});

for (const kind of kinds) {
  describe(`What a server limits, ${kind}`, () => {
    it('is how long a connection lasts', async (t) => {
      const timer = setInterval(() => {}, 1000);
      t.after(() => clearInterval(timer));
      const options = { jitter: 1500, maxLifetime: 2000 };
      const { members, wss } = await openRoom(t, 20, options, kind);
      const times = [];
      for (const { ws } of members) {
        ws.once('close', () => times.push(/for (\d+) ms/.exec(ws.closeCause.message)?.[1]));
      }
      await until(() => wss.clients.size === 0, 'all ends');
      await until(() => members.every(({ received }) => received.length > 0), 'both ends');
      for (const { received, ws } of members) {
        assert.deepStrictEqual(received, ['(close 1001)']);
        assert.strictEqual(ws.closeCause.code, 'ERR_OXWS_LIFETIME');
      }
      for (const time of times.map(Number)) assert.ok(time > 500 && time <= 2000, `${times}`);
      // Sooner ones first, and not all at once.
      assert.ok(new Set(times).size > 5 && Number(times[0]) < Number(times.at(-1)), `${times}`);
    });

    it('is how long a client wants to be connected', async (t) => {
      const timer = setInterval(() => {}, 1000);
      t.after(() => clearInterval(timer));
      const { members } = await openRoom(t, 1, {}, kind, { maxLifetime: 100 });
      const [code] = await once(members[0].ws, 'close');
      assert.strictEqual(code, 1001);
      assert.strictEqual(members[0].client.closeCause.code, 'ERR_OXWS_LIFETIME');
    });
  });
}

describe('A lifetime', () => {
  it('is forgotten with its connection', async (t) => {
    const { url } = await serve(t, { maxLifetime: 300 });
    for (let index = 0; index < 5; index++) {
      const ws = await open(t, url);
      ws.close(1000);
      assert.strictEqual((await once(ws, 'close'))[0], 1000);
      assert.strictEqual(ws.closeCause, null);
    }
    const last = await open(t, url);
    const [code] = await once(last, 'close');
    assert.strictEqual(code, 1001);
  });
});

'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const { open, serve } = require('../support/connections');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');
const refusal = require('../support/refusal');
const { uncaught } = require('../support/uncaught');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const KEY = Buffer.from([1, 2, 3, 4]);

for (const kind of kinds) {
  describe(`The option upgrade, ${kind}`, () => {
    it('says what a connection has for data, once it knows', async (t) => {
      const timer = setInterval(() => {}, 1000);
      t.after(() => clearInterval(timer));
      let count = 0;
      const upgrade = async (request) => {
        await sleep(5);
        return { data: { number: ++count, url: request.url } };
      };
      const { members } = await openRoom(t, 3, { upgrade }, kind);
      const numbers = members.map(({ ws }) => ws.data.number);
      assert.deepStrictEqual(numbers, [1, 2, 3]);
      assert.strictEqual(members[0].ws.data.url, '/');
      members[0].ws.send('text');
      await until(() => members[0].received.length === 1, 'a message');
    });
  });
}

describe('The option upgrade', () => {
  it('takes the place of other options', () => {
    const upgrade = () => {};
    for (const options of [
      { upgrade: 'x' },
      { upgrade, verifyClient: () => true },
      { handleProtocols: () => 'a', upgrade }
    ]) {
      assert.throws(() => new WebSocketServer({ noServer: true, ...options }), TypeError);
    }
  });

  it('may be synchronous, and let everybody in', async (t) => {
    const { url, wss } = await serve(t, { upgrade: () => {} });
    const accepted = once(wss, 'connection');
    await open(t, url);
    const [ws] = await accepted;
    assert.strictEqual(ws.data, undefined);
    assert.strictEqual(
      ws.transport,
      process.env.OXWS_TRANSPORT === 'stream' ? 'stream' : ws.transport
    );
  });

  it('chooses the subprotocol and adds headers', async (t) => {
    const results = [
      [{}, 'a'],
      [{ protocol: 'b' }, 'b'],
      [{ headers: { 'X-One': '1', 'Set-Cookie': ['c=1', 'd=2'] } }, 'a'],
      [{ headers: new Headers({ 'X-One': '2' }) }, 'a'],
      [{ headers: [['X-One', '3']] }, 'a']
    ];
    let result;
    const { url } = await serve(t, { upgrade: async () => result });
    const seen = [];
    for (const [each, protocol] of results) {
      result = each;
      const ws = new WebSocket(url, ['a', 'b']);
      t.after(() => ws.terminate());
      const [[{ headers }]] = await Promise.all([once(ws, 'upgrade'), once(ws, 'open')]);
      assert.strictEqual(ws.protocol, protocol);
      seen.push(headers['x-one'], headers['set-cookie']);
    }
    const none = undefined;
    assert.deepStrictEqual(seen, [
      none,
      none,
      none,
      none,
      '1',
      ['c=1', 'd=2'],
      '2',
      none,
      '3',
      none
    ]);
    result = { protocol: null };
    const ws = new WebSocket(url, ['a']);
    const [error] = await once(ws, 'error');
    assert.strictEqual(error.message, 'Server sent no subprotocol');
  });

  it('refuses by an object or a Response', async (t) => {
    let result;
    const { url } = await serve(t, { upgrade: async () => result });
    result = { body: 'who are you?', headers: { 'WWW-Authenticate': 'Basic' }, status: 401 };
    const refused = await refusal(new WebSocket(url));
    assert.deepStrictEqual([refused.status, refused.body], [401, 'who are you?']);
    assert.strictEqual(refused.headers['www-authenticate'], 'Basic');
    result = { status: 404 };
    assert.strictEqual((await refusal(new WebSocket(url))).body, 'Not Found');
    result = Response.json({ why: 'full' }, { headers: { 'Retry-After': '5' }, status: 503 });
    const { body, headers, status } = await refusal(new WebSocket(url));
    assert.deepStrictEqual([status, body], [503, '{"why":"full"}']);
    assert.strictEqual(headers['content-type'], 'application/json');
    assert.strictEqual(headers['retry-after'], '5');
  });

  it('answers 500 for what it throws or can not mean, and says so', async (t) => {
    const failures = [
      () => Promise.reject(new Error('the database is down')),
      () => {
        throw new Error('at once');
      },
      () => true,
      () => ({ protocol: 'not offered' }),
      () => ({ protocol: 1 }),
      () => ({ headers: { 'X-One': 'a\r\nX-Two: b' } }),
      () => ({ headers: { 'Sec-WebSocket-Accept': 'x' } }),
      () => ({ status: 101 }),
      () => ({ body: 1, status: 400 })
    ];
    let upgrade;
    const { url, wss } = await serve(t, { upgrade: (request) => upgrade(request) });
    wss.on('connection', () => assert.fail('nobody is let in'));
    for (upgrade of failures) {
      const failed = once(wss, 'upgradeError');
      const { status } = await refusal(new WebSocket(url));
      assert.strictEqual(status, 500);
      const [error, request] = await failed;
      assert.ok(error instanceof Error && request instanceof http.IncomingMessage, `${error}`);
    }
    assert.strictEqual(wss.clients.size, 0);
  });

  it('warns once where nobody listens for that', async (t) => {
    const { url } = await serve(t, { upgrade: () => Promise.reject(new Error('unheard')) });
    const warned = once(process, 'warning');
    assert.strictEqual((await refusal(new WebSocket(url))).status, 500);
    const [warning] = await warned;
    assert.match(warning.message, /nobody listens for 'upgradeError': Error: unheard/);
  });

  it('leaves what arrives meanwhile to the connection', async (t) => {
    let decide;
    const { port, wss } = await serve(t, { upgrade: () => new Promise((is) => (decide = is)) });
    const socket = net.connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    const texts = Array.from({ length: 300 }, (_value, number) => `${number} ${'x'.repeat(200)}`);
    socket.write(upgradeRequest());
    const frames = texts.map((text) => frame(1, Buffer.from(text), { key: KEY }));
    for (const each of frames.slice(0, 150)) socket.write(each);
    await until(() => decide !== undefined, 'a request');
    for (const each of frames.slice(150)) socket.write(each);
    await sleep(30);
    const received = [];
    wss.on('connection', (ws) => ws.on('message', (data) => received.push(`${data}`)));
    decide({ data: 1 });
    await until(() => received.length === 300, 'all of them');
    assert.deepStrictEqual(received, texts);
  });

  it('learns by a signal that the client has left', async (t) => {
    for (const leave of ['end', 'resetAndDestroy', 'destroy']) {
      let request;
      let decide;
      const upgrade = (it) => {
        request = it;
        return new Promise((is) => (decide = is));
      };
      const { port, wss } = await serve(t, { upgrade });
      wss.on('connection', () => assert.fail('there is nobody'));
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(upgradeRequest());
      await until(() => request !== undefined, 'a request');
      assert.strictEqual(request.signal.aborted, false);
      const aborted = once(request.signal, 'abort');
      socket[leave]();
      await aborted;
      assert.strictEqual(request.signal.reason.code, 'ERR_OXWS_CLIENT_GONE');
      decide({ data: 1 });
      await sleep(20);
      assert.strictEqual(wss.clients.size, 0);
      socket.destroy();
    }
  });

  it('makes no signal of a client that stays', async (t) => {
    let signal;
    const upgrade = (request) => {
      ({ signal } = request);
    };
    const { url, wss } = await serve(t, { upgrade });
    const accepted = once(wss, 'connection');
    const client = await open(t, url);
    const [ws] = await accepted;
    client.close();
    await once(ws, 'close');
    assert.strictEqual(signal.aborted, false);
  });

  it('works by hand as well, and counts among the handshakes', async (t) => {
    const waiting = [];
    const upgrade = () => new Promise((resolve) => waiting.push(resolve));
    const wss = new WebSocketServer({ maxHandshakes: 1, noServer: true, upgrade });
    const server = http.createServer();
    server.on('upgrade', (request, socket, head) => {
      wss.handleUpgrade(request, socket, head, (ws) => wss.emit('connection', ws, request));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      for (const ws of wss.clients) ws.terminate();
      server.close();
    });
    const url = `ws://127.0.0.1:${server.address().port}`;
    const first = new WebSocket(url);
    await until(() => waiting.length === 1, 'a request');
    assert.strictEqual((await refusal(new WebSocket(url))).status, 503);
    waiting[0]({ data: 'ours' });
    await once(first, 'open');
    assert.deepStrictEqual(
      [...wss.clients].map(({ data }) => data),
      ['ours']
    );
    first.terminate();
  });

  it('has nothing to do with what listeners of the connection throw', async (t) => {
    const { url, wss } = await serve(t, { upgrade: async () => ({}) });
    wss.on('upgradeError', () => assert.fail('it did not fail'));
    wss.on('connection', () => {
      throw new Error('in the listener');
    });
    const error = await uncaught(async () => {
      const ws = new WebSocket(url);
      ws.on('error', () => {});
      t.after(() => ws.terminate());
    });
    assert.strictEqual(error.message, 'in the listener');
  });
});

'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const connections = require('../support/connections');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const ENDS = [
  ['client', 'ws'],
  ['ws', 'client']
];

const OPTIONS = { promises: true };
const BOTH = { clientOptions: OPTIONS, serverOptions: OPTIONS };
const connect = (t) => connections.connect(t, BOTH);
const open = (t, url, options) => connections.open(t, url, { ...OPTIONS, ...options });
const serve = (t, options) => connections.serve(t, { ...OPTIONS, ...options });

/** Keeps the process alive, which a `Duplex` doesn't. */
function stay(t) {
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
}

/** The messages of a loop as text, up to its end. */
async function collect(ws, into = []) {
  for await (const { data, isBinary } of ws) into.push(isBinary ? [...data] : data.toString());
  return into;
}

for (const kind of kinds) {
  for (const [near, far] of ENDS) {
    describe(`Promises of a connection, ${kind}, ${near}`, () => {
      it('tell that it is open, and how it is closed', async (t) => {
        stay(t);
        const { members } = await openRoom(t, 1, OPTIONS, kind, OPTIONS);
        const { [near]: ws, [far]: peer } = members[0];
        assert.deepStrictEqual(await ws.opened, { extensions: '', protocol: '' });
        assert.strictEqual(ws.opened, ws.opened);
        const { closed } = ws;
        peer.close(4000, 'done');
        assert.deepStrictEqual(await closed, { code: 4000, reason: 'done', wasClean: true });
        assert.strictEqual(ws.closed, closed);
        assert.deepStrictEqual((await peer.closed).wasClean, true);
      });

      it('tell of an end without a closing handshake', async (t) => {
        stay(t);
        const { members } = await openRoom(t, 1, OPTIONS, kind, OPTIONS);
        const { [near]: ws } = members[0];
        const { closed } = ws;
        const loop = collect(ws);
        ws.terminate();
        assert.deepStrictEqual(await closed, { code: 1006, reason: '', wasClean: false });
        await assert.rejects(loop, { code: 'ERR_OXWS_CLOSED' });
        await assert.rejects(collect(ws), { code: 'ERR_OXWS_CLOSED' });
        await assert.rejects(ws.sendAsync('late'), /not open/);
      });

      it('give all messages to a loop, in order, up to a clean end', async (t) => {
        stay(t);
        const { members } = await openRoom(t, 1, OPTIONS, kind, OPTIONS);
        const { [near]: ws, [far]: peer } = members[0];
        const loop = collect(ws);
        const expected = [];
        for (let index = 0; index < 300; index++) {
          expected.push(index % 7 ? `m${index}` : [index % 256]);
          peer.send(index % 7 ? `m${index}` : Buffer.from([index % 256]));
        }
        peer.close(1000);
        assert.deepStrictEqual(await loop, expected);
        assert.deepStrictEqual(await collect(ws), []);
      });

      it('hold the peer back while a loop is busy', async (t) => {
        stay(t);
        const { members } = await openRoom(t, 1, OPTIONS, kind, OPTIONS);
        const { [near]: ws, [far]: peer } = members[0];
        let arrived = 0;
        ws.on('message', () => arrived++);
        const payload = Buffer.alloc(64 * 1024);
        let count = 0;
        const loop = (async () => {
          for await (const { data } of ws) {
            if (count++ === 0) await sleep(300);
            assert.strictEqual(data.length, payload.length);
          }
        })();
        for (let index = 0; index < 400; index++) peer.send(payload);
        await sleep(200);
        assert.ok(arrived < 40, `${arrived} have arrived`);
        assert.ok(peer.bufferedAmount > 0 || kind === 'http2', 'nothing waits');
        peer.close();
        await loop;
        assert.strictEqual(count, 400);
      });

      it('wait until a message is written', async (t) => {
        stay(t);
        const { members } = await openRoom(t, 1, OPTIONS, kind, OPTIONS);
        const { [near]: ws, [far]: peer } = members[0];
        const received = once(peer, 'message');
        assert.strictEqual(await ws.sendAsync('x', { binary: true }), undefined);
        assert.deepStrictEqual([...(await received)], [Buffer.from('x'), true]);
        peer.pause();
        const controller = new AbortController();
        const sent = Array.from({ length: 500 }, () => {
          return ws.sendAsync(Buffer.alloc(64 * 1024), { signal: controller.signal });
        });
        setTimeout(() => controller.abort(new Error('enough')), 50);
        const results = await Promise.allSettled(sent);
        assert.strictEqual(results.at(-1).reason.message, 'enough');
        const late = ws.sendAsync('late');
        ws.terminate();
        await assert.rejects(late);
      });
    });
  }
}

describe('Promises of a connection', () => {
  it('give each message to one of several loops', async (t) => {
    const { peer, ws } = await connect(t);
    const loops = [[], []];
    const ends = loops.map((into) => collect(ws, into));
    for (let index = 0; index < 10; index++) peer.send(`${index}`);
    peer.close();
    await Promise.all(ends);
    assert.deepStrictEqual(loops.flat().sort(), [...'0123456789']);
    assert.ok(loops.every(({ length }) => length > 0));
  });

  it('keep for the next loop what a loop has not taken', async (t) => {
    const { peer, ws } = await connect(t);
    const received = [];
    peer.send('0');
    for await (const { data } of ws) {
      received.push(`${data}`);
      break;
    }
    for (let index = 1; index < 300; index++) peer.send(`${index}`);
    await sleep(50);
    peer.close();
    await collect(ws, received);
    assert.deepStrictEqual(
      received,
      Array.from({ length: 300 }, (_, index) => `${index}`)
    );
  });

  it('do not keep a close waiting after a loop', async (t) => {
    const { peer, ws } = await connect(t);
    peer.send('x');
    for await (const _ of ws) break;
    for (let index = 0; index < 200; index++) peer.send(Buffer.alloc(1024));
    await sleep(50);
    const start = performance.now();
    ws.close();
    assert.strictEqual((await ws.closed).wasClean, true);
    assert.ok(performance.now() - start < 5000);
  });

  it('leave a connection paused that the program has paused', async (t) => {
    const { peer, ws } = await connect(t);
    ws.pause();
    const received = [];
    const loop = collect(ws, received);
    peer.send('x');
    await sleep(50);
    assert.deepStrictEqual(received, []);
    assert.ok(ws.isPaused);
    ws.resume();
    await until(() => received.length === 1, 'the message');
    peer.close();
    await loop;
  });

  it('miss no message that comes with the handshake', async (t) => {
    const { url, wss } = await serve(t);
    wss.on('connection', (peer) => {
      peer.send('first');
      peer.close();
    });
    const ws = new WebSocket(url, OPTIONS);
    await ws.opened;
    await null;
    assert.deepStrictEqual(await collect(ws), ['first']);
    const other = new WebSocket(url, OPTIONS);
    assert.deepStrictEqual(await collect(other), ['first']);
  });

  it('are rejected by a handshake that fails, and nothing else is', async (t) => {
    const server = net.createServer((socket) => socket.end('HTTP/1.1 404 Not Found\r\n\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `ws://127.0.0.1:${server.address().port}`;
    const ws = new WebSocket(url, OPTIONS);
    await assert.rejects(ws.opened, { message: 'Unexpected server response: 404' });
    assert.strictEqual((await ws.closed).code, 1006);
    await assert.rejects(ws.opened, { message: 'Unexpected server response: 404' });
    const unheard = new WebSocket(url, OPTIONS);
    assert.ok(unheard.opened instanceof Promise);
    await unheard.closed;
    const loop = new WebSocket(url, OPTIONS);
    await assert.rejects(collect(loop), { message: 'Unexpected server response: 404' });
    const early = new WebSocket(url);
    early.on('error', () => {});
    await assert.rejects(early.sendAsync('x'), /readyState 0/);
  });

  it('throw in the loop what has ended the connection', async (t) => {
    const { socket, ws } = await connections.connectRaw(t, OPTIONS);
    const loop = collect(ws);
    socket.write(Buffer.from([0x81, 0x01, 0x61]));
    await assert.rejects(loop, { code: 'WS_ERR_EXPECTED_MASK' });
    assert.strictEqual(ws.closeCause.code, 'WS_ERR_EXPECTED_MASK');
  });

  it('agree on a protocol and extensions', async (t) => {
    const { url } = await serve(t, { perMessageDeflate: true });
    const ws = await open(t, url, { protocols: ['a'] });
    const { extensions, protocol } = await ws.opened;
    assert.deepStrictEqual([extensions, protocol], ['permessage-deflate', 'a']);
  });

  it('refuse options that are none', async (t) => {
    const { ws } = await connect(t);
    await assert.rejects(ws.sendAsync('x', null), TypeError);
    await assert.rejects(ws.sendAsync('x', 1), TypeError);
    await assert.rejects(ws.sendAsync('x', { signal: {} }), TypeError);
    await assert.rejects(ws.sendAsync('x', { signal: AbortSignal.abort(new Error('no')) }), /no/);
    for (const wrong of [{ lifetimeSignal: {} }, { promises: 1 }]) {
      assert.throws(() => new WebSocket('ws://127.0.0.1', wrong), TypeError);
      assert.throws(() => new WebSocketServer({ noServer: true, ...wrong }), TypeError);
    }
  });

  it('make room for what a program calls so', async (t) => {
    const { ws } = await connect(t);
    Object.assign(ws, { closed: false, opened: 1, sendAsync: 2 });
    assert.deepStrictEqual([ws.closed, ws.opened, ws.sendAsync], [false, 1, 2]);
    // Flags of these names are read before they are set.
    const { peer, ws: plain } = await connections.connect(t);
    assert.deepStrictEqual([plain.closed, peer.opened], [undefined, undefined]);
    await plain.sendAsync('x');
    assert.deepStrictEqual([plain.closed, plain.listenerCount('error')], [undefined, 0]);
    class Own extends WebSocket {
      closed = 'own';
    }
    const own = new Own(null, undefined, {});
    assert.strictEqual(own.closed, 'own');
  });

  it('are made when they are asked for', async (t) => {
    const { ws } = await connect(t);
    assert.strictEqual(ws.listenerCount('error'), 0);
    assert.ok(ws.closed instanceof Promise);
    assert.strictEqual(ws.listenerCount('error'), 1);
  });
});

describe('The signal of a client', () => {
  it('gives up the handshake', async (t) => {
    const { url } = await serve(t);
    const reason = new Error('not now');
    const signals = [AbortSignal.abort(reason)];
    const controller = new AbortController();
    signals.push(controller.signal);
    const clients = signals.map(
      (lifetimeSignal) => new WebSocket(url, { ...OPTIONS, lifetimeSignal })
    );
    const errors = clients.map((ws) => once(ws, 'error'));
    controller.abort(reason);
    for (const [index, ws] of clients.entries()) {
      const [error] = await errors[index];
      assert.match(error.message, /before the connection was established/);
      assert.strictEqual(ws.closeCause, reason);
      await assert.rejects(ws.opened, reason);
    }
  });

  it('terminates an open connection, and lets go of one that is closed', async (t) => {
    const controller = new AbortController();
    const { lifetimeSignal = controller.signal } = {};
    const { url } = await serve(t);
    const ws = await open(t, url, { lifetimeSignal });
    controller.abort('text');
    assert.deepStrictEqual(await ws.closed, { code: 1006, reason: '', wasClean: false });
    assert.strictEqual(ws.closeCause.code, 'ABORT_ERR');
    assert.strictEqual(ws.closeCause.cause, 'text');
    const late = new AbortController();
    const other = await open(t, url, { lifetimeSignal: late.signal });
    other.close();
    await other.closed;
    late.abort();
    assert.strictEqual(other.closeCause, null);
  });
});

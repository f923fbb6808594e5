'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const { connectRaw } = require('../support/connections');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const ROLES = ['server', 'client'];
const BEAT = { interval: 80, timeout: 80 };
const ROOT = JSON.stringify(path.join(__dirname, '../..'));

/** Both ends of a connection, of which the near one has a heartbeat. */
async function openPair(t, kind, role, { near = {}, far = {} } = {}) {
  // A `Duplex` doesn't keep the process alive, nor does a heartbeat.
  const timer = setInterval(() => {}, 1000);
  t.after(() => clearInterval(timer));
  const watched = { heartbeat: BEAT, ...near };
  const [server, client] = role === 'server' ? [watched, far] : [far, watched];
  const { members, wss } = await openRoom(t, 1, server, kind, { autoPong: true, ...client });
  const [{ client: other, ws }] = members;
  return role === 'server' ? { far: other, near: ws, wss } : { far: ws, near: other, wss };
}

/** Counts some events. */
function count(emitter, ...names) {
  const counter = { events: 0 };
  for (const name of names) emitter.on(name, () => counter.events++);
  return counter;
}

/** Runs a program in a process of its own, which talks by messages; it ends with the test. */
async function run(t, code) {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child = spawn(process.execPath, ['-e', code], {
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  });
  t.after(() => child.kill('SIGKILL'));
  const [first] = await once(child, 'message');
  return { child, first };
}

for (const kind of kinds) {
  for (const role of ROLES) {
    describe(`The heartbeat of a ${role}, ${kind}`, () => {
      it('ends a connection whose peer is silent', async (t) => {
        const { far, near } = await openPair(t, kind, role, { far: { autoPong: false } });
        const events = count(near, 'error', 'ping', 'pong', 'message');
        const pings = count(far, 'ping');
        const start = performance.now();
        const event = await new Promise((resolve) => near.addEventListener('close', resolve));
        const time = performance.now() - start;
        assert.strictEqual(event.code, 1006);
        assert.strictEqual(event.cause.code, 'ERR_OXWS_HEARTBEAT');
        assert.strictEqual(near.closeCause, event.cause);
        assert.match(event.cause.message, /^Nothing was received for 80 ms, nor for 80 ms after a/);
        assert.strictEqual(events.events, 0);
        assert.strictEqual(pings.events, 1);
        assert.ok(time > 120, `after ${time} ms`);
      });

      it('lets a peer live that answers, and keeps the answers to itself', async (t) => {
        const { far, near } = await openPair(t, kind, role);
        const events = count(near, 'ping', 'pong', 'message', 'close');
        assert.strictEqual(near.latency, null);
        await until(() => near.latency !== null, 'an answer');
        const pings = count(far, 'ping');
        await until(() => pings.events >= 4, 'pings');
        assert.strictEqual(events.events, 0);
        assert.ok(near.latency > 0 && near.latency < 5000, `${near.latency} ms`);
        assert.strictEqual(near.readyState, WebSocket.OPEN);
        // What the program asks for itself it gets.
        near.ping('ours');
        const [data] = await once(near, 'pong');
        assert.strictEqual(data.toString(), 'ours');
        assert.strictEqual(near.closeCause, null);
        assert.strictEqual(far.latency, null);
      });

      it('takes messages for life, and asks for no more', async (t) => {
        const near = { heartbeat: { interval: 400, timeout: 400 } };
        const { far, near: end } = await openPair(t, kind, role, {
          far: { autoPong: false },
          near
        });
        const pings = count(far, 'ping');
        for (let round = 0; round < 16; round++) {
          far.send('here');
          await sleep(80);
        }
        assert.strictEqual(end.readyState, WebSocket.OPEN);
        assert.strictEqual(pings.events, 0);
      });

      it('lets a connection live of which something is unread', async (t) => {
        const { far, near } = await openPair(t, kind, role, { far: { autoPong: false } });
        let received = 0;
        near.on('message', () => received++);
        near.pause();
        far.send('unread');
        await sleep(600);
        assert.strictEqual(near.readyState, WebSocket.OPEN);
        assert.strictEqual(received, 0);
        near.resume();
        await once(near, 'close');
        assert.strictEqual(received, 1);
      });

      const skip = kind === 'duplex' || role === 'client';
      it('lets a peer live that takes what waits', { skip }, async (t) => {
        const { far, near } = await openPair(t, kind, role, {
          far: { autoPong: false },
          near: { heartbeat: { interval: 100, timeout: 3000 } }
        });
        let received = 0;
        far.on('message', () => received++);
        far.pause();
        for (let sent = 0; sent < 1600; sent++) near.send(Buffer.alloc(32 * 1024));
        for (const end = performance.now() + 4000; performance.now() < end && received < 1200; ) {
          // Enough for the kernel to let the sender know.
          const before = received;
          far.resume();
          const isOver = () => near.readyState !== WebSocket.OPEN;
          await until(() => received >= before + 60 || isOver(), 'messages', 1);
          far.pause();
          await sleep(400);
          assert.strictEqual(near.readyState, WebSocket.OPEN, `after ${received} messages`);
        }
      });

      it('ends with the closing handshake', async (t) => {
        const { far, near } = await openPair(t, kind, role, { far: { autoPong: false } });
        const pings = count(far, 'ping');
        far.pause();
        near.close(1000);
        await sleep(400);
        assert.strictEqual(near.readyState, WebSocket.CLOSING);
        far.resume();
        const [code] = await once(near, 'close');
        assert.strictEqual(code, 1000);
        assert.strictEqual(near.closeCause, null);
        assert.strictEqual(pings.events, 0);
      });

      it('is that of compressed connections, whoever reads their bytes', async (t) => {
        const near = { perMessageDeflate: true };
        const { far, near: end } = await openPair(t, kind, role, {
          far: { perMessageDeflate: true },
          near
        });
        const events = count(end, 'pong', 'close');
        const pings = count(far, 'ping');
        const texts = [];
        end.on('message', (data) => texts.push(data.toString()));
        for (let round = 1; round <= 3; round++) {
          far.send(`${round}`.repeat(100));
          // From the second one on the program has the receiver.
          if (round === 2) assert.ok(end._receiver);
          const before = pings.events;
          await until(() => texts.length === round && pings.events > before + 1, 'pings');
        }
        await until(() => end.latency !== null, 'an answer');
        assert.strictEqual(events.events, 0);
        assert.strictEqual(end.readyState, WebSocket.OPEN);
      });
    });
  }
}

describe('A heartbeat', () => {
  it('takes each byte for life', async (t) => {
    const { socket, ws } = await connectRaw(t, { heartbeat: { interval: 200, timeout: 200 } });
    // A masked frame of 100 bytes, one at a time.
    socket.write(Buffer.from([0x82, 0x80 | 100, 0, 0, 0, 0]));
    for (let sent = 0; sent < 12; sent++) {
      await sleep(80);
      socket.write(Buffer.from([sent]));
    }
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
    await once(ws, 'close');
    assert.strictEqual(ws.closeCause.code, 'ERR_OXWS_HEARTBEAT');
  });

  it('is that of one connection, though another one had its number before', async (t) => {
    const { addMember, members } = await openRoom(t, 1, {
      heartbeat: { interval: 100, timeout: 400 }
    });
    for (let round = 0; round < 20; round++) {
      const { client, ws } = members.at(-1);
      client.terminate();
      await once(ws, 'close');
      await addMember();
    }
    const { ws } = members.at(-1);
    await until(() => ws.latency !== null, 'an answer');
    await sleep(300);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });

  it('passes on pongs that nobody has asked for', async (t) => {
    const { socket, ws } = await connectRaw(t, { heartbeat: BEAT });
    const pongs = [];
    ws.on('pong', (data) => pongs.push(data.toString()));
    for (const text of ['', 'abcd', 'abcde']) {
      const payload = Buffer.from(text);
      socket.write(
        Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload])
      );
    }
    await until(() => pongs.length === 3, 'three pongs');
    assert.deepStrictEqual(pongs, ['', 'abcd', 'abcde']);
  });

  it('kills nobody while the event loop is blocked', async (t) => {
    const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', heartbeat: BEAT });
    t.after(() => wss.close());
    await once(wss, 'listening');
    const connected = once(wss, 'connection');
    await run(
      t,
      `const { WebSocket } = require(${ROOT});
      const ws = new WebSocket('ws://127.0.0.1:${wss.address().port}');
      ws.on('open', () => {
        process.send('open');
        setInterval(() => ws.send('here'), 300);
      });`
    );
    const [ws] = await connected;
    t.after(() => ws.terminate());
    await until(() => ws.latency !== null, 'an answer');
    for (const time of [500, 1500]) {
      const end = performance.now() + time;
      while (performance.now() < end);
      await sleep(200);
      assert.strictEqual(ws.readyState, WebSocket.OPEN);
    }
  });

  it('kills nobody while the process is stopped', async (t) => {
    const { child, first: port } = await run(
      t,
      `const { WebSocketServer } = require(${ROOT});
      const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', heartbeat: 80 });
      wss.on('listening', () => process.send(wss.address().port));`
    );
    const ws = new WebSocket(`ws://127.0.0.1:${port}`);
    t.after(() => ws.terminate());
    const pings = count(ws, 'ping');
    await once(ws, 'open');
    await until(() => pings.events > 1, 'pings');
    child.kill('SIGSTOP');
    await sleep(1000);
    child.kill('SIGCONT');
    const before = pings.events;
    await until(() => pings.events > before + 2, 'more pings');
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });

  it('keeps no process alive', async (t) => {
    const { child } = await run(
      t,
      `const { WebSocket, WebSocketServer } = require(${ROOT});
      const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', heartbeat: 60_000 });
      wss.on('connection', (ws) => ws.close());
      wss.on('listening', () => {
        const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port, { heartbeat: 60_000 });
        ws.on('close', () => {
          wss.close();
          process.send('closed');
          process.disconnect();
        });
      });`
    );
    if (child.exitCode === null) await once(child, 'exit');
    assert.strictEqual(child.exitCode, 0);
  });

  it('refuses options that are none', () => {
    const wrong = [
      [true, TypeError, /"heartbeat" must be a number or an object/],
      ['1', TypeError, /"heartbeat" must be a number or an object/],
      [0, RangeError, /"heartbeat" must be an integer from 1/],
      [1.5, RangeError, /"heartbeat" must be an integer/],
      [{}, TypeError, /"heartbeat.interval" must be a number/],
      [{ interval: -1 }, RangeError, /"heartbeat.interval" must be an integer from 1/],
      [{ interval: 1, timeout: '1' }, TypeError, /"heartbeat.timeout" must be a number/],
      [{ interval: 1, timeout: 2 ** 31 }, RangeError, /"heartbeat.timeout" must be an integer/]
    ];
    for (const [heartbeat, name, message] of wrong) {
      const expected = (error) => error instanceof name && message.test(error.message);
      assert.throws(() => new WebSocketServer({ noServer: true, heartbeat }), expected);
      assert.throws(() => new WebSocket('ws://127.0.0.1:1', { heartbeat }), expected);
    }
    for (const heartbeat of [undefined, null, false, 1, { interval: 1 }]) {
      new WebSocketServer({ noServer: true, heartbeat });
    }
    assert.strictEqual(new WebSocket(null, undefined, {}).latency, null);
  });
});

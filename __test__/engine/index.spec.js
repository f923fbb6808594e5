'use strict';

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { execFile, fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');

const { Sender, WebSocket, WebSocketServer } = require('../..');
const { kTransport } = require('../../lib/constants');
const EngineConnection = require('../../lib/engine/connection');
const { getEngine } = require('../../lib/engine');
const { connect, connectRaw, join, open, serve } = require('../support/connections');
const { frame } = require('../support/frames');
const { uncaught, uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');

const root = path.join(__dirname, '../..');
const KEY = Buffer.from([1, 2, 3, 4]);
/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;

/** Whether a WebSocket is carried by the engine. */
function isNative(ws) {
  return ws._socket._handle instanceof EngineConnection;
}

/** Whether there is a sender for a WebSocket. */
function hasSender(ws) {
  return ws[kTransport].sender !== null;
}

describe('The engine', { skip }, () => {
  it('carries both ends of a plain connection', async (t) => {
    const { peer, ws } = await connect(t);
    assert.ok(isNative(ws));
    assert.ok(isNative(peer));
    assert.ok(ws._socket instanceof net.Socket);
    assert.strictEqual(ws._socket.constructor, net.Socket);
    assert.notStrictEqual(ws._socket._handle.fd, peer._socket._handle.fd);
  });

  it('carries connections of unix sockets', async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-'));
    const server = http.createServer().listen(path.join(folder, 'socket'));
    await once(server, 'listening');
    const wss = new WebSocketServer({ server });
    t.after(() => {
      for (const ws of wss.clients) ws.terminate();
      server.close();
      fs.rmSync(folder, { recursive: true });
    });
    wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
    const ws = await open(t, `ws+unix:${folder}/socket`);
    ws.send('over a path');
    const [data] = await once(ws, 'message');
    assert.strictEqual(data.toString(), 'over a path');
    assert.ok(isNative(ws));
  });

  const refused = {
    'events have a turn of the event loop each': { allowSynchronousEvents: false },
    'masking keys are made by the user': { generateMask: (key) => key.fill(1) }
  };
  for (const [title, clientOptions] of Object.entries(refused)) {
    it(`leaves a connection to the stream transport where ${title}`, async (t) => {
      const { peer, ws } = await connect(t, { clientOptions });
      peer.on('message', (data) => peer.send(data));
      ws.send('hi');
      assert.strictEqual((await once(ws, 'message'))[0].toString(), 'hi');
      assert.ok(!isNative(ws));
    });
  }

  it('leaves a socket alone that somebody has changed', async (t) => {
    const { url, wss } = await serve(t);
    const written = [];
    wss.on('headers', (_headers, { socket }) => {
      const { write } = socket;
      socket.write = function (chunk, ...rest) {
        written.push(chunk.length);
        return write.call(this, chunk, ...rest);
      };
    });
    wss.on('connection', (ws) => ws.send('seen'));
    const ws = new WebSocket(url);
    await once(ws, 'message');
    const [peer] = wss.clients;
    assert.ok(!isNative(peer));
    assert.strictEqual(written.length, 2);
    ws.terminate();
    await once(peer, 'close');
  });

  it('can be switched off', async () => {
    const script = `
      const { getEngine } = require('./lib/engine');
      process.stdout.write(String(getEngine()));`;
    const env = { ...process.env, OXWS_TRANSPORT: 'stream' };
    const options = { cwd: root, env, timeout: 20_000 };
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], options);
    assert.strictEqual(stdout, 'null');
  });

  it('gives the bytes to whoever begins to look at them, without losing one', async (t) => {
    const { socket, ws } = await connectRaw(t);
    const seen = [];
    const messages = [];
    ws.on('message', (data) => messages.push(data.toString()));
    const first = frame(1, 'first', { key: KEY });
    const second = frame(1, 'second', { key: KEY });
    // The first frame is under way when somebody begins to look.
    const before = ws._socket.bytesRead;
    socket.write(first.subarray(0, 8));
    await until(() => ws._socket.bytesRead === before + 8, 'the begin of the first frame');
    ws._socket.on('data', (chunk) => seen.push(Buffer.from(chunk)));
    socket.write(first.subarray(8));
    await until(() => messages.length === 1, 'the first message');
    socket.write(second);
    await until(() => messages.length === 2, 'both messages');
    assert.deepStrictEqual(messages, ['first', 'second']);
    // Masked or not: who listens later sees what the receiver has left.
    assert.strictEqual(Buffer.concat(seen).length, second.length);
  });

  it('gives a real receiver to whoever asks for it', async (t) => {
    const { socket, ws } = await connectRaw(t, { maxPayload: 10 });
    const messages = [];
    ws.on('message', (data) => messages.push(data.length));
    assert.strictEqual(ws._receiver._maxPayload, 10);
    ws._receiver._maxPayload = 100;
    socket.write(frame(2, Buffer.alloc(50), { key: KEY }));
    await until(() => messages.length > 0, 'the message');
    assert.deepStrictEqual(messages, [50]);
  });

  it('makes no sender for a connection that sends nothing', async (t) => {
    const { peer, ws } = await connect(t);
    const { socket, ws: third } = await connectRaw(t);
    const received = once(peer, 'message');
    const ponged = once(third, 'pong');
    ws.send('to the peer');
    socket.write(frame(10, 'unasked for', { key: KEY }));
    await received;
    await ponged;
    for (const silent of [peer, third]) {
      silent.pause();
      silent.resume();
      assert.strictEqual(silent.bufferedAmount, 0);
      assert.ok(!hasSender(silent));
      const closed = once(silent, 'close');
      silent.terminate();
      await closed;
      assert.ok(!hasSender(silent));
    }
    assert.ok(hasSender(ws));
  });

  for (const [title, send] of Object.entries({
    'a message': (ws) => ws.send('x'),
    'a ping': (ws) => ws.ping('x'),
    'a pong': (ws) => ws.pong('x'),
    'a close frame': (ws) => ws.close(1000, 'x')
  })) {
    it(`makes a sender for ${title}, in both roles`, async (t) => {
      for (const role of ['client', 'server']) {
        const { peer, ws } = await connect(t);
        const [from, to] = role === 'client' ? [ws, peer] : [peer, ws];
        const events = ['message', 'ping', 'pong', 'close'];
        const arrived = Promise.race(events.map((event) => once(to, event)));
        assert.ok(!hasSender(from));
        send(from);
        assert.ok(hasSender(from));
        assert.ok((await arrived).some((value) => String(value) === 'x'));
      }
    });
  }

  it('makes a sender for whoever asks for it, whenever that is', async (t) => {
    for (const isClosed of [false, true]) {
      const { peer, ws } = await connect(t);
      if (isClosed) {
        const closed = once(peer, 'close');
        ws.terminate();
        await closed;
      }
      const sender = peer._sender;
      assert.ok(sender instanceof Sender);
      assert.strictEqual(peer._sender, sender);
      assert.strictEqual(sender._socket, peer._socket);
      assert.deepStrictEqual([sender._state, sender._bufferedBytes], [0, 0]);
    }
  });

  it('sends what a sender is given that was asked for, in its place', async (t) => {
    const { peer, ws } = await connect(t);
    const messages = [];
    ws.on('message', (data) => messages.push(String(data)));
    peer._sender.sendFrame(Sender.frame(Buffer.from('a'), { fin: true, opcode: 1 }));
    peer.send('b');
    peer._sender.send('c', { fin: true });
    await until(() => messages.length === 3, 'three messages');
    assert.deepStrictEqual(messages, ['a', 'b', 'c']);
  });

  it('sends by what has become of `Sender.prototype` by then', async (t) => {
    const { peer, ws } = await connect(t);
    const { send } = Sender.prototype;
    t.after(() => {
      Sender.prototype.send = send;
    });
    const arrived = once(ws, 'message');
    Sender.prototype.send = function (data, ...rest) {
      send.call(this, `<${data}>`, ...rest);
    };
    peer.send('x');
    assert.strictEqual(String((await arrived)[0]), '<x>');
  });

  it('keeps frames and raw writes in order, corked or not', async (t) => {
    const { socket, ws } = await connectRaw(t);
    const chunks = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    ws.send('a');
    ws._socket.write(frame(1, 'b'));
    ws.send('c');
    ws._socket.cork();
    ws.send('d');
    ws._socket.write(frame(1, 'e'));
    ws.send('f');
    await turn();
    const corked = Buffer.concat(chunks).length;
    ws._socket.uncork();
    ws.send('g');
    const expected = Buffer.concat([...'abcdefg'].map((text) => frame(1, text)));
    await until(() => Buffer.concat(chunks).length >= expected.length, 'all frames');
    assert.deepStrictEqual(Buffer.concat(chunks), expected);
    assert.ok(corked <= 9);
  });

  it('counts what a slow peer does not take, and calls back when it has', async (t) => {
    const { socket, ws } = await connectRaw(t);
    socket.pause();
    const called = [];
    const payload = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    while (ws.bufferedAmount === 0) {
      const number = sent++;
      ws.send(payload, () => called.push(number));
    }
    ws.send('behind', () => called.push('behind'));
    const { length } = ws._socket._writableState;
    assert.strictEqual(ws.bufferedAmount, length);
    assert.ok(length > 6 && length <= payload.length + 20);
    await sleep(20);
    assert.ok(!called.includes('behind'));
    const drained = once(ws._socket, 'drain');
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
    });
    socket.resume();
    await drained;
    await until(() => received >= sent * (payload.length + 10) + 8, 'all that was sent');
    await until(() => called.length > sent, 'all callbacks');
    assert.deepStrictEqual(called, [...Array(sent).keys(), 'behind']);
    assert.strictEqual(ws.bufferedAmount, 0);
  });

  it('calls back in the order of the calls, whatever was sent how', async (t) => {
    const { ws } = await connect(t);
    const called = [];
    const note = (number) => () => called.push(number);
    ws.send('small', note(1));
    ws.send(Buffer.alloc(40_000), note(2));
    ws._socket.write(frame(1, 'raw', { key: KEY }), note(3));
    ws.send('behind', note(4));
    ws.ping('', undefined, note(5));
    await until(
      () => called.length === 5,
      () => `five callbacks, not only ${called}`
    );
    assert.deepStrictEqual(called, [1, 2, 3, 4, 5]);
  });

  it('calls back without an error what the kernel has when the socket is destroyed', async (t) => {
    const { peer, ws } = await connect(t);
    const errors = [];
    const received = once(peer, 'message');
    ws.send('last words', (error) => errors.push(error));
    ws.terminate();
    assert.strictEqual((await received)[0].toString(), 'last words');
    assert.deepStrictEqual(errors, [null]);
  });

  it('reports what is sent behind the end of the socket, behind what was sent before', async (t) => {
    const { ws } = await connect(t);
    const results = [];
    ws.send('before', (error) => results.push(error));
    ws._socket.end();
    ws.send('behind', (error) => results.push(error.code));
    await until(() => results.length === 2, 'both callbacks');
    assert.deepStrictEqual(results, [null, 'ERR_STREAM_WRITE_AFTER_END']);
  });

  it('calls the callbacks behind one that throws, each in its context', async (t) => {
    const { ws } = await connect(t);
    const storage = new AsyncLocalStorage();
    let called;
    const error = await uncaught(() => {
      storage.run('first', () =>
        ws.send('a', () => {
          throw new Error('from a callback');
        })
      );
      storage.run('second', () =>
        ws.send('b', () => {
          called = storage.getStore();
        })
      );
    });
    assert.strictEqual(error.message, 'from a callback');
    await until(() => called, 'the callback behind');
    assert.strictEqual(called, 'second');
  });

  it('sends at once what listeners of `exit` send', async (t) => {
    const { url, wss } = await serve(t);
    const received = [];
    wss.on('connection', (ws) => ws.on('message', (data) => received.push(data.toString())));
    const script = `
      const { WebSocket } = require('.');
      const ws = new WebSocket('${url}');
      ws.on('open', () => {
        ws.send('in the tick');
        process.on('exit', () => ws.send('while exiting'));
        process.exit();
      });`;
    const options = { cwd: root, timeout: 20_000 };
    await promisify(execFile)(process.execPath, ['-e', script], options);
    await until(
      () => received.length === 2,
      () => `both messages, not only ${received}`
    );
    assert.deepStrictEqual(received, ['in the tick', 'while exiting']);
  });

  it('sends the same to many, whatever came in between and whatever becomes of the bytes', async (t) => {
    const server = await serve(t);
    const pairs = [await join(t, server), await join(t, server), await join(t, server)];
    const clients = pairs.map(({ ws }) => ws);
    const peers = pairs.map(({ peer }) => peer);
    const received = clients.map(() => []);
    clients.forEach((ws, i) => {
      ws.on('message', (data, isBinary) => received[i].push(`${isBinary} ${data}`));
    });
    const bytes = Buffer.from('one');
    const long = 'ä€'.repeat(6000);
    const sends = [
      ['same', {}],
      ['same', { binary: true }],
      ['', {}],
      ['', {}],
      [long, {}],
      [bytes, {}],
      ['one', {}]
    ];
    for (const [data, options] of sends) for (const peer of peers) peer.send(data, options);
    for (const peer of peers) {
      peer.send(bytes);
      bytes[0]++;
    }
    // Masked, so each in its own way.
    const heard = [];
    for (const peer of peers) peer.on('message', (data) => heard.push(data.toString()));
    for (const ws of clients) ws.send('from a client');
    for (const peer of peers) peer.send('end');
    const common = ['false same', 'true same', 'false ', 'false ', `false ${long}`];
    await until(
      () => received.every((list) => list.at(-1) === 'false end') && heard.length === 3,
      () => `the end of ${received.map(({ length }) => length)}, ${heard}`
    );
    received.forEach((list, i) => {
      const last = `true ${String.fromCharCode('o'.charCodeAt() + i)}ne`;
      assert.deepStrictEqual(list, [...common, 'true one', 'false one', last, 'false end']);
    });
    assert.deepStrictEqual(heard, Array(3).fill('from a client'));
  });

  it('calls back in the context of each send, also behind a callback that throws', async (t) => {
    const storage = new AsyncLocalStorage();
    const { peer, ws } = await connect(t);
    const seen = [];
    const sendAll = async (size) => {
      const total = seen.length + 3;
      for (const name of ['one', 'two', 'three']) {
        storage.run(name, () =>
          peer.send(Buffer.alloc(size), () => {
            seen.push(storage.getStore());
            if (name === 'one') throw new Error('from a callback');
          })
        );
      }
      await until(
        () => seen.length === total,
        () => `${total} callbacks, not only ${seen}`
      );
    };
    const errors = await uncaughtDuring(async () => {
      await sendAll(10);
      ws.pause();
      setTimeout(() => ws.resume(), 50);
      await Promise.all([sendAll(8 * 1024 * 1024), once(ws, 'message')]);
      await turn();
    });
    assert.deepStrictEqual(errors, ['from a callback', 'from a callback']);
    assert.deepStrictEqual(seen, ['one', 'two', 'three', 'one', 'two', 'three']);
  });

  it('keeps the addresses of both ends', async (t) => {
    const { peer, port, ws } = await connect(t);
    assert.strictEqual(peer._socket.localPort, port);
    assert.strictEqual(peer._socket.localAddress, '127.0.0.1');
    assert.strictEqual(peer._socket.remotePort, ws._socket.localPort);
    assert.deepStrictEqual(ws._socket.address(), {
      address: '127.0.0.1',
      family: 'IPv4',
      port: peer._socket.remotePort
    });
  });

  it('refuses to send a socket to another process', async (t) => {
    const { peer } = await connect(t);
    const child = fork('--eval', { execArgv: ['--eval', 'process.once("message", () => {})'] });
    t.after(() => child.kill());
    assert.throws(() => child.send('socket', peer._socket), /cannot be sent to another process/);
  });

  it('runs events in the context in which the connection was made', async (t) => {
    const storage = new AsyncLocalStorage();
    const { url } = await serve(t);
    const stores = await Promise.all(
      ['one', 'two'].map((name) =>
        storage.run(name, async () => {
          const ws = new WebSocket(url);
          const opened = once(ws, 'open');
          const closed = new Promise((resolve) => {
            ws.on('message', () => {});
            ws.on('close', () => resolve(storage.getStore()));
          });
          await opened;
          ws.close();
          return closed;
        })
      )
    );
    assert.deepStrictEqual(stores, ['one', 'two']);
    assert.strictEqual(storage.getStore(), undefined);
  });

  it('puts off the timeout of an active socket', async (t) => {
    const { peer, ws } = await connect(t);
    const order = [];
    peer._socket.setTimeout(400, () => order.push('active'));
    // The time of this one begins later, and ends first.
    new net.Socket().setTimeout(400, () => order.push('idle'));
    while (order.length === 0) {
      ws.send('active');
      await sleep(10);
    }
    await until(() => order.length > 1, 'the timeout of the active one');
    assert.deepStrictEqual(order, ['idle', 'active']);
  });

  it('leaves no descriptor behind', async (t) => {
    const { url, wss } = await connect(t);
    const descriptors = () => fs.readdirSync('/proc/self/fd').length;
    if (!fs.existsSync('/proc/self/fd')) return t.skip('there is no /proc');
    const before = descriptors();
    for (let i = 0; i < 90; i++) {
      const ws = new WebSocket(url);
      await once(ws, 'open');
      if (i % 3 === 0) ws.close();
      else if (i % 3 === 1) ws.terminate();
      else ws._socket.resetAndDestroy();
      await once(ws, 'close');
    }
    await until(
      () => wss.clients.size === 1,
      () => `the end of ${wss.clients.size - 1} clients`
    );
    await until(
      () => descriptors() <= before + 1,
      () => `no more descriptors than the ${before} before, there are ${descriptors()}`
    );
  });

  it('ends with a worker, also with one that is terminated', async () => {
    const script = `
      const { WebSocket, WebSocketServer } = require(${JSON.stringify(root)});
      const { parentPort } = require('node:worker_threads');
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
        ws.on('message', () => parentPort.postMessage('echoed'));
        ws.on('open', () => ws.send('x'));
      });
      wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;
    const workers = Array.from({ length: 3 }, () => new Worker(script, { eval: true }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const codes = await Promise.all(workers.map((worker) => worker.terminate()));
    assert.deepStrictEqual(codes, [1, 1, 1]);
  });

  it('lets a process exit with connections that are unreferenced', async (t) => {
    const { url } = await serve(t);
    const script = `
      const { WebSocket } = require('.');
      const ws = new WebSocket('${url}');
      ws.on('open', () => ws._socket.unref());`;
    const options = { cwd: root, timeout: 20_000 };
    await promisify(execFile)(process.execPath, ['-e', script], options);
  });
});

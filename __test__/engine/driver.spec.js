'use strict';

const assert = require('node:assert');
const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs/promises');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');

const { WebSocket } = require('../..');
const { DriverChoice } = require('../../lib/engine/driver');
const { getEngine } = require('../../lib/engine');
const { connect, open, serve } = require('../support/connections');
const { parseFrames, upgradeRequest, upgradeResponse } = require('../support/differential');
const { frame } = require('../support/frames');
const until = require('../support/until');

const root = path.join(__dirname, '../..');
const skip =
  getEngine() === null
    ? 'there is no engine'
    : os.availableParallelism() === 1
      ? 'there is one processor'
      : false;

/** Runs a script in a process whose engine is driven in one way; returns what it printed. */
async function run(driver, script, threads = '') {
  const env = { ...process.env, OXWS_DRIVER: driver, OXWS_THREADS: threads };
  const options = { cwd: root, env, timeout: 20_000 };
  return (await promisify(execFile)(process.execPath, ['-e', script], options)).stdout;
}

/** Has a task drive the engine, until the test ends. */
function useTask(t) {
  t.after(() => getEngine().setTasked(false));
  getEngine().setTasked(true);
}

describe('The driver of the engine', { skip }, () => {
  for (const driver of ['loop', 'tokio']) {
    it(`is pinned to ${driver} by the environment`, async () => {
      const script = `
        const { getEngine } = require('./lib/engine');
        console.log(getEngine().isTasked);`;
      assert.strictEqual(await run(driver, script), `${driver === 'tokio'}\n`);
    });

    it(`is none in Bun, whose libuv ends the process: ${driver}`, async () => {
      const script = `
        Object.defineProperty(process.versions, 'bun', { value: '1.4.5' });
        const { getEngine } = require('./lib/engine');
        console.log(getEngine());`;
      assert.strictEqual(await run(driver, script), 'null\n');
    });

    it(`lets a process end, with what it sent last: ${driver}`, async (t) => {
      const { wss, url } = await serve(t);
      const received = new Promise((resolve) => {
        wss.on('connection', (ws) => {
          ws.send('go');
          ws.on('message', (data) => resolve(data.toString()));
        });
      });
      const script = `
        const { WebSocket } = require('.');
        const ws = new WebSocket('${url}');
        ws.on('message', () => {
          ws.send('last');
          ws._socket.unref();
        });`;
      const [text] = await Promise.all([received, run(driver, script)]);
      assert.strictEqual(text, 'last');
    });

    it(`reads no more than a bounded amount ahead of JavaScript: ${driver}`, async (t) => {
      const script = `
        const { WebSocketServer } = require('.');
        const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
          console.log(wss.address().port);
        });
        let received = 0;
        wss.on('connection', (ws) => {
          ws.once('message', () => {
            const { rss } = process.memoryUsage();
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
            console.log(ws._socket.bytesRead);
            console.log(process.memoryUsage().rss - rss);
          });
          ws.on('message', (data) => {
            received += data.length;
            if (data.length === 1) console.log(received);
          });
          ws.on('close', () => wss.close());
        });`;
      const env = { ...process.env, OXWS_DRIVER: driver };
      const server = spawn(process.execPath, ['-e', script], { cwd: root, env });
      t.after(() => server.kill());
      const lines = require('node:readline').createInterface(server.stdout)[Symbol.asyncIterator]();
      const next = async () => Number((await lines.next()).value);
      const ws = new WebSocket(`ws://127.0.0.1:${await next()}`);
      await once(ws, 'open');
      const part = Buffer.alloc(10_000, 'x');
      const count = 3200;
      for (let i = 0; i < count; i++) ws.send(part);
      ws.send('x');
      const ahead = await next();
      assert.ok(ahead < 1024 * 1024, `${ahead} bytes ahead`);
      const grown = await next();
      assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes more`);
      assert.strictEqual(await next(), count * part.length + 1);
      ws.close();
      await once(server, 'exit');
    });
  }

  describe('while JavaScript is busy', () => {
    /**
     * Connects two processes of which one, here of either role, is busy until it is told to go on;
     * gives the frames that it sends meanwhile, at least as many as are awaited, all of them in the
     * end, and what it prints.
     */
    async function pingBusy(t, role, { prepare = '', during = '', frames, awaited = 0 }) {
      const script = `
        const { readSync } = require('node:fs');
        const { WebSocket, WebSocketServer } = require('.');
        const use = (ws) => {
          ws.on('ping', (data) => console.log('ping ' + data));
          ws.on('close', () => process.exit());
          ${prepare}
          setTimeout(() => {
            process.send('busy');
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
            ${during}
            readSync(0, Buffer.alloc(1));
          }, 50);
        };
        const { PORT, ROLE } = process.env;
        if (ROLE === 'client') {
          const ws = new WebSocket('ws://127.0.0.1:' + PORT, { perMessageDeflate: false });
          ws.on('open', () => use(ws));
        } else {
          const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
            process.send(wss.address().port);
          });
          wss.on('connection', use);
        }`;
      const env = { ...process.env, OXWS_DRIVER: 'tokio', ROLE: role };
      const listener = net.createServer();
      const accepted = once(listener, 'connection');
      t.after(() => listener.close());
      if (role === 'client') {
        listener.listen(0, '127.0.0.1');
        await once(listener, 'listening');
        env.PORT = listener.address().port;
      }
      const stdio = ['pipe', 'pipe', 'inherit', 'ipc'];
      const child = spawn(process.execPath, ['-e', script], { cwd: root, env, stdio });
      const ended = once(child, 'close');
      t.after(() => child.kill());
      let printed = '';
      child.stdout.on('data', (chunk) => {
        printed += chunk;
      });
      let socket;
      if (role === 'client') {
        [socket] = await accepted;
        const [request] = await once(socket, 'data');
        socket.write(upgradeResponse(String(request)));
      } else {
        socket = net.connect((await once(child, 'message'))[0], '127.0.0.1');
        socket.write(upgradeRequest());
        await once(socket, 'data');
      }
      t.after(() => socket.destroy());
      for (const stream of [socket, child.stdin]) stream.on('error', () => {}); // it may be gone
      let bytes = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
      });
      const key = role === 'server' ? Buffer.from([1, 2, 3, 4]) : null;
      await once(child, 'message');
      for (const [opcode, payload] of frames) {
        socket.write(frame(opcode, payload, { key }));
        await sleep(20);
      }
      await until(() => parseFrames(bytes).length >= awaited, `${awaited} frames while it is busy`);
      await sleep(100);
      const meanwhile = parseFrames(bytes);
      child.stdin.end('.');
      await sleep(50);
      socket.end();
      await ended;
      return { meanwhile, finally: parseFrames(bytes), printed: printed.trim().split('\n') };
    }

    const pong = (payload, role) => ({ first: 0x8a, isMasked: role === 'client', payload });
    const text = (payload, role) => ({ ...pong(payload, role), first: 0x81 });

    for (const role of ['server', 'client']) {
      it(`a ping is answered, as ${role}`, async (t) => {
        const result = await pingBusy(t, role, {
          prepare: `
            const { kTransport } = require('./lib/constants');
            const hasSender = () => ws[kTransport].sender !== null;
            const before = ws._socket.bytesWritten;
            ws.on('ping', () => console.log(ws._socket.bytesWritten - before, hasSender()));`,
          frames: [
            [9, 'one'],
            [9, ''],
            [10, 'x'],
            [9, 'two']
          ],
          awaited: 3
        });
        const pongs = ['one', '', 'two'].map((payload) => pong(payload, role));
        assert.deepStrictEqual(result.meanwhile, pongs);
        assert.deepStrictEqual(result.finally, pongs);
        const written = role === 'client' ? 24 : 12;
        // The engine has answered, without the sender that JavaScript would need.
        const answered = `${written} false`;
        const events = ['ping one', 'ping', 'ping two'].flatMap((event) => [event, answered]);
        assert.deepStrictEqual(
          result.printed.map((line) => line.trim()),
          events
        );
      });

      it(`a ping behind a message waits for what that is answered with, as ${role}`, async (t) => {
        const result = await pingBusy(t, role, {
          prepare: "ws.on('message', () => ws.send('answer'));",
          frames: [
            [9, 'before'],
            [1, 'question'],
            [9, 'behind']
          ],
          awaited: 1
        });
        assert.deepStrictEqual(result.meanwhile, [pong('before', role)]);
        const frames = [pong('before', role), text('answer', role), pong('behind', role)];
        assert.deepStrictEqual(result.finally, frames);
      });

      it(`a ping waits for what is sent in the same tick, as ${role}`, async (t) => {
        const during = "ws.send('first');";
        const result = await pingBusy(t, role, { during, frames: [[9, 'x']] });
        assert.deepStrictEqual(result.meanwhile, []);
        assert.deepStrictEqual(result.finally, [text('first', role), pong('x', role)]);
      });

      it(`a ping that has come isn't answered once it's paused, as ${role}`, async (t) => {
        const during = 'ws.pause(); setTimeout(() => ws.terminate(), 20);';
        const result = await pingBusy(t, role, { during, frames: [[9, 'x']] });
        assert.deepStrictEqual(result.finally, []);
      });

      const refusals = {
        'autoPong is taken back': 'ws._autoPong = false;',
        'it is closing': 'ws.close();'
      };
      for (const [title, prepare] of Object.entries(refusals)) {
        it(`a ping isn't answered where ${title}, as ${role}`, async (t) => {
          const result = await pingBusy(t, role, { prepare, frames: [[9, 'x']] });
          assert.deepStrictEqual(
            result.meanwhile.filter(({ first }) => first === 0x8a),
            []
          );
          assert.deepStrictEqual(
            result.finally.filter(({ first }) => first === 0x8a),
            []
          );
          assert.deepStrictEqual(result.printed, ['ping x']);
        });
      }

      const patches = {
        'WebSocket.prototype.pong':
          'const p = WebSocket.prototype.pong; WebSocket.prototype.pong =',
        'pong of the object': 'const p = ws.pong; ws.pong =',
        'Sender.prototype.pong': `const { Sender } = WebSocket;
          const p = Sender.prototype.pong; Sender.prototype.pong =`
      };
      for (const [title, patch] of Object.entries(patches)) {
        it(`a ping goes through a ${title} that was replaced, as ${role}`, async (t) => {
          const prepare = `${patch} function (...parameters) {
              console.log('pong ' + parameters[0]);
              p.apply(this, parameters);
            };`;
          // From the first ping on the engine knows.
          const frames = [[9, 'known']];
          const result = await pingBusy(t, role, { prepare, frames });
          assert.ok(result.printed.includes('pong known'), result.printed.join());
          assert.ok(result.finally.length >= 1);
        });
      }
    }
  });

  it('is chosen by the load where the environment leaves it open', {
    timeout: 60_000
  }, async () => {
    const script = `
      const { WebSocket, WebSocketServer } = require('.');
      const { getEngine } = require('./lib/engine');
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        const clients = Array.from({ length: 40 }, () => {
          return new WebSocket('ws://127.0.0.1:' + wss.address().port);
        });
        for (const ws of clients) {
          ws.on('open', () => ws.send('x'));
          ws.on('message', (data) => {
            ws.send(data);
            if (!getEngine().isTasked) return;
            console.log('moved');
            process.exit();
          });
        }
      });
      wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;
    assert.strictEqual(await run('auto', script), 'moved\n');
  });

  it('may be several tasks, each with connections of its own', { timeout: 60_000 }, async () => {
    const script = `
      const { WebSocket, WebSocketServer } = require('.');
      const count = 500;
      let open = 8;
      const engines = new Set();
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        for (let number = 0; number < 8; number++) connect(number);
      });
      wss.on('connection', (ws) => {
        engines.add(ws._socket._handle._engine);
        ws.on('message', (data) => ws.send(data));
      });
      function connect(number) {
        const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
        let received = 0;
        ws.on('open', () => {
          engines.add(ws._socket._handle._engine);
          for (let i = 0; i < count; i++) ws.send(number + ' ' + i);
        });
        ws.on('message', (data) => {
          if (data.toString() !== number + ' ' + received++) throw new Error(data.toString());
          if (received === count) ws.close();
        });
        ws.on('close', () => {
          if (--open > 0) return;
          wss.close();
          console.log([...engines].map(({ isTasked }) => isTasked).join());
        });
      }`;
    assert.strictEqual(await run('tokio', script, '2'), 'true,true\n');
    assert.strictEqual(await run('loop', script, '2'), 'false\n');
    assert.strictEqual(await run('tokio', script, 'some'), 'true\n');
  });

  it('moves under load without losing, doubling or reordering a message', async (t) => {
    const { wss, url } = await serve(t);
    const engine = getEngine();
    t.after(() => engine.setTasked(false));
    wss.on('connection', (ws) =>
      ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    );
    const count = 4000;
    const lengths = [4, 20, 300, 5000];
    const clients = await Promise.all(Array.from({ length: 12 }, () => open(t, url)));
    let isDone = false;
    const echoes = clients.map(
      (ws, number) =>
        new Promise((resolve) => {
          let sent = 0;
          let received = 0;
          const send = () => {
            // Now and then one that is too long to be copied.
            const length = sent % 500 === 499 ? 100_000 : lengths[(sent + number) % lengths.length];
            const data = Buffer.alloc(length, sent % 251);
            data.writeUInt32LE(sent++);
            ws.send(data, sent % 10 === 0 ? () => {} : undefined);
          };
          ws.on('message', (data) => {
            assert.strictEqual(data.readUInt32LE(), received);
            if (data.length > 4) assert.strictEqual(data[data.length - 1], received % 251);
            if (++received === count) resolve();
            else if (sent < count) send();
          });
          for (let i = 0; i < 16; i++) send();
        })
    );
    const all = Promise.all(echoes).then(() => {
      isDone = true;
    });
    let moves = 0;
    while (!isDone) {
      engine.setTasked(moves % 2 === 0);
      moves++;
      if (moves % 3 === 0) await sleep(1);
      else await turn();
    }
    await all;
    assert.ok(moves > 20, `${moves} moves`);
    for (const ws of clients) ws.close();
    await Promise.all(clients.map((ws) => once(ws, 'close')));
  });

  it('gives a number to another connection only when nothing of the old one is on the way', async (t) => {
    const { wss, url } = await serve(t);
    useTask(t);
    const strays = [];
    wss.on('connection', (ws) => {
      ws.on('message', (data) => {
        if (data.length === 1) ws.terminate();
        else ws.send(data);
      });
    });
    const round = async (number) => {
      const ws = new WebSocket(url);
      ws.on('error', () => {});
      await once(ws, 'open');
      ws.send('x');
      for (let i = 0; i < 50; i++) ws.send('stray');
      ws.terminate();
      const next = new WebSocket(url);
      next.on('message', (data) => {
        if (data.toString() !== `whole ${number}`) strays.push(data.toString());
        next.close();
      });
      await once(next, 'open');
      next.send(`whole ${number}`);
      await once(next, 'close');
    };
    for (let i = 0; i < 20; i++) await Promise.all([0, 1, 2, 3].map(round));
    assert.deepStrictEqual(strays, []);
  });

  it('counts exactly what waits while a task writes', async (t) => {
    useTask(t);
    const { peer, ws } = await connect(t);
    peer.pause();
    const part = Buffer.alloc(10_000);
    while (ws.bufferedAmount === 0) {
      for (let i = 0; i < 10; i++) ws.send(part);
      await turn();
    }
    const called = [];
    ws.send('behind', () => called.push('behind'));
    await sleep(20);
    assert.deepStrictEqual(called, []);
    assert.ok(ws.bufferedAmount > 0);
    peer.resume();
    await until(() => called.length > 0, 'the callback');
    assert.strictEqual(ws.bufferedAmount, 0);
  });

  it('writes long payloads in their place, whoever writes them', async (t) => {
    useTask(t);
    const { peer, ws } = await connect(t);
    const received = [];
    ws.on('message', (data) => received.push(`${data[0]} ${data.length}`));
    const expected = [];
    const called = [];
    for (let i = 0; i < 60; i++) {
      const data = Buffer.alloc([20, 200_000, 300_000][i % 3], i);
      expected.push(`${i} ${data.length}`);
      peer.send(data, i % 7 === 0 ? () => called.push(i) : undefined);
    }
    assert.ok(peer.bufferedAmount > 0);
    await until(
      () => received.length === expected.length,
      () => `all, not only ${received}`
    );
    assert.strictEqual(peer.bufferedAmount, 0);
    assert.deepStrictEqual(received, expected);
    assert.deepStrictEqual(called, [0, 7, 14, 21, 28, 35, 42, 49, 56]);
  });

  it('lives beside another copy of itself', { timeout: 60_000 }, async (t) => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'oxws-copy-'));
    t.after(() => fs.rm(folder, { recursive: true }));
    const names = (await fs.readdir(root)).filter((name) =>
      /^(index|binding)\..*(js|node)$/.test(name)
    );
    for (const name of [...names, 'lib', 'package.json']) {
      await fs.cp(path.join(root, name), path.join(folder, name), { recursive: true });
    }
    const script = `
      const copies = [require('.'), require(${JSON.stringify(folder)})];
      let open = 2;
      for (const [index, { WebSocketServer }] of copies.entries()) {
        const { WebSocket } = copies[1 - index];
        const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
          const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
          ws.on('open', () => ws.send('x'.repeat(100_000)));
          ws.on('message', (data) => {
            console.log(data.length, ws._socket._handle._engine.isTasked);
            ws.close();
            wss.close();
          });
        });
        wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
      }`;
    assert.strictEqual(await run('tokio', script, '2'), '100000 true\n100000 true\n');
    assert.strictEqual(await run('loop', script), '100000 false\n100000 false\n');
  });

  it('ends with workers that have several tasks each', { timeout: 60_000 }, async () => {
    const script = `
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const { readdirSync } = require('node:fs');
      const code = \`
        const { WebSocket, WebSocketServer } = require('.');
        const { parentPort } = require('node:worker_threads');
        const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
          let busy = 0;
          for (let i = 0; i < 6; i++) {
            const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
            ws.on('open', () => ws.send('x'.repeat(30_000)));
            ws.on('message', (data) => ws.send(data));
            ws.once('message', () => {
              if (++busy === 6) parentPort.postMessage('busy');
            });
          }
        });
        wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));\`;
      async function round() {
        const workers = [0, 1, 2].map(() => new Worker(code, { eval: true }));
        await Promise.all(workers.map((worker) => once(worker, 'message')));
        await Promise.all(workers.map((worker) => worker.terminate()));
      }
      (async () => {
        await round();
        const before = descriptors();
        for (let i = 0; i < 3; i++) await round();
        console.log(descriptors() - before);
      })();
      function descriptors() {
        try {
          return readdirSync('/proc/self/fd').length;
        } catch {
          return 0;
        }
      }`;
    assert.strictEqual(await run('tokio', script, '2'), '0\n');
  });

  it('ends with a worker whose connections are busy', async () => {
    const script = `
      const { WebSocket, WebSocketServer } = require(${JSON.stringify(root)});
      const { parentPort } = require('node:worker_threads');
      require(${JSON.stringify(path.join(root, 'lib/engine'))}).getEngine().setTasked(true);
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
        let count = 0;
        ws.on('message', (data) => {
          if (++count === 100) parentPort.postMessage('busy');
          ws.send(data);
        });
        ws.on('open', () => {
          for (let i = 0; i < 50; i++) ws.send('x');
        });
      });
      wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 3 }, () => new Worker(script, { eval: true }));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      const codes = await Promise.all(workers.map((worker) => worker.terminate()));
      assert.deepStrictEqual(codes, [1, 1, 1]);
    }
  });
});

/** A choice whose clock is turned by hand, and the moves that it makes. */
function choose() {
  const moves = [];
  let time = 0;
  const choice = new DriverChoice(
    (isTasked) => {
      moves.push(isTasked);
      return true;
    },
    () => time
  );
  /** As many dispatches as are looked at together, in a time. */
  const window = (connections, ms) => {
    for (let i = 0; i < 128; i++) {
      time += ms / 128;
      choice.note(connections);
    }
  };
  return { moves, window };
}

describe('The choice of the driver', () => {
  it('goes to the task when many connections are busy, back when few are', () => {
    const { moves, window } = choose();
    for (let i = 0; i < 10; i++) window(1, 10);
    assert.deepStrictEqual(moves, []);
    window(30, 10);
    assert.deepStrictEqual(moves, [true]);
    for (let i = 0; i < 200; i++) window(8, 10);
    assert.deepStrictEqual(moves, [true]);
    window(2, 10);
    assert.deepStrictEqual(moves, [true, false]);
    window(30, 10);
    assert.deepStrictEqual(moves, [true, false, true]);
  });

  it('does not take bursts for load, and goes back when there is little to do', () => {
    const { moves, window } = choose();
    window(500, 5000);
    assert.deepStrictEqual(moves, []);
    window(500, 100);
    window(500, 5000);
    assert.deepStrictEqual(moves, [true, false]);
  });

  it('moves less and less where that is not worth it', () => {
    const { moves, window } = choose();
    for (let i = 0; i < 6000; i++) window(moves.at(-1) ? 1 : 30, 10);
    // A minute, in which the stays on the loop have grown from one second on.
    assert.ok(moves.length >= 8 && moves.length <= 16, `${moves.length} moves`);
  });

  it('tries again later where the work can not be moved now', () => {
    let attempts = 0;
    let time = 0;
    const choice = new DriverChoice(
      () => ++attempts > 1,
      () => time++ / 100
    );
    for (let i = 0; i < 384; i++) choice.note(30);
    assert.strictEqual(attempts, 2);
  });
});

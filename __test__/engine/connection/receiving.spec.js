'use strict';

// What a connection receives, and when: beside others, paused, at its end, and where listeners
// interfere.

const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const { describe, it } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');

const { connectRaw, serve } = require('../../support/connections');
const {
  closed,
  compare,
  perform,
  oxws,
  sleep,
  upgradeRequest
} = require('../../support/differential');
const { frame } = require('../../support/frames');
const { inBothRoles, KEY } = require('../../support/roles');
const { uncaughtDuring } = require('../../support/uncaught');
const until = require('../../support/until');

/** Holds the event loop up for as long as it takes what was written to arrive. */
function holdUp(milliseconds = 50) {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

/**
 * How long what a peer has written may take until it is read, in milliseconds: also by a task whose
 * thread has to be scheduled first. What follows is meant to come after that.
 */
const ARRIVAL = 60;

/** Connections that different threads read have no order among them. */
const hasOrder = !(Number(process.env.OXWS_THREADS) > 1);

/** Runs a script with several connections in each role, on ws and here. */
function withSeveral(title, count, script) {
  for (const role of ['server', 'client']) {
    it(`${title}, as ${role}`, { skip: !hasOrder && 'several threads read' }, () =>
      compare(async (world) => {
        const opened = [];
        for (let i = 0; i < count; i++) opened.push(await world.open(role));
        const key = role === 'server' ? KEY : null;
        const incoming = (opcode, payload, options) => frame(opcode, payload, { key, ...options });
        await sleep(10);
        await script({ opened, incoming, note: world.note.bind(world), role, world });
      })
    );
  }
}

describe('Messages of several connections that arrive at once', () => {
  for (const action of ['terminate', 'pause', 'close']) {
    withSeveral(`where the first listener calls ${action}() of the others`, 3, async (test) => {
      const { incoming, note, opened } = test;
      let isFirst = true;
      for (const [index, { websocket }] of opened.entries()) {
        websocket.on('message', (data) => {
          note(index, data);
          if (!isFirst) return;
          isFirst = false;
          for (const other of opened) if (other.websocket !== websocket) other.websocket[action]();
        });
      }
      for (const { peer } of opened) peer.socket.write(incoming(1, 'hello'));
      holdUp();
      await sleep(20);
      note('then');
      for (const { websocket } of opened) websocket.resume();
      await sleep(20);
    });
  }

  withSeveral('where a listener pauses another one, and that ends', 2, async (test) => {
    const { incoming, note, opened } = test;
    const [first, second] = opened;
    first.websocket.on('message', () => second.websocket.pause());
    second.websocket.on('message', (data) => note(data));
    second.websocket.on('error', (error) => note(error.code));
    second.websocket.on('close', (code) => note('close', code));
    first.peer.socket.write(incoming(1, 'hello'));
    second.peer.socket.write(Buffer.concat([incoming(1, 'unread'), incoming(3, '')]));
    holdUp();
    await sleep(20);
    note('paused');
    second.websocket.terminate();
    await closed(second.websocket);
    await sleep(20);
  });

  withSeveral('run ticks and microtasks in between', 3, async ({ incoming, note, opened }) => {
    for (const [index, { websocket }] of opened.entries()) {
      websocket.on('message', (data) => {
        note(index, data);
        process.nextTick(() => {
          note(index, 'tick', data);
          Promise.resolve().then(() => note(index, 'microtask of a tick', data));
        });
        Promise.resolve().then(() => note(index, 'microtask', data));
      });
    }
    for (const { peer } of opened) {
      peer.socket.write(Buffer.concat([incoming(1, 'a'), incoming(1, 'b')]));
    }
    holdUp();
    await sleep(20);
  });

  withSeveral('call back what was sent, before those of the next', 2, async (test) => {
    const { incoming, note, opened } = test;
    for (const [index, { websocket }] of opened.entries()) {
      websocket.on('message', (data) => {
        note(index, data);
        websocket.send('answer', () => note(index, 'sent'));
      });
    }
    for (const { peer } of opened) peer.socket.write(incoming(1, 'hello'));
    holdUp();
    await sleep(20);
  });

  for (const [where, schedule] of [
    ['tick', (action) => process.nextTick(action)],
    ['microtask', (action) => queueMicrotask(action)]
  ]) {
    it(`go on after an exception in a ${where}`, async () => {
      const notes = [];
      const messages = await uncaughtDuring(async () => {
        await perform(oxws, async (world) => {
          const opened = [];
          for (let i = 0; i < 4; i++) opened.push(await world.openServer());
          for (const [index, { websocket }] of opened.entries()) {
            websocket.on('message', (data) => {
              notes.push(`${index} ${data}`);
              schedule(() => {
                throw new Error(`${index} ${data}`);
              });
            });
          }
          for (const { peer } of opened) peer.socket.write(frame(1, 'hello', { key: KEY }));
          holdUp();
          await until(
            () => notes.length === 4,
            () => notes.join()
          );
          await sleep(20);
        });
      });
      assert.deepStrictEqual(notes.sort(), ['0 hello', '1 hello', '2 hello', '3 hello']);
      assert.deepStrictEqual(messages.sort(), notes);
    });
  }

  it('stay with their WebSocket behind an exception, whoever gets its number', async (t) => {
    const { WebSocketServer } = oxws;
    const server = http.createServer();
    const wss = new WebSocketServer({ noServer: true });
    t.after(() => server.close());
    const waiting = [];
    server.on('upgrade', (...request) => waiting.push(request));
    const port = await new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(server.address().port));
    });
    const world = await perform(oxws, async (world) => {
      const peers = [await world.dial(port), await world.dial(port)];
      const seen = [];
      const messages = await uncaughtDuring(async () => {
        for (const { socket } of peers) socket.write(upgradeRequest());
        await until(() => waiting.length === 2, 'both requests');
        wss.handleUpgrade(...waiting.shift(), (first) => {
          first.on('message', (data) => {
            seen.push(`first ${data}`);
            if (seen.length > 1) return;
            first.terminate();
            wss.handleUpgrade(...waiting.shift(), (second) => {
              second.on('message', (other) => seen.push(`second ${other}`));
              second.terminate();
            });
            throw new Error('on purpose');
          });
        });
        peers[0].socket.write(
          Buffer.concat([frame(1, 'a', { key: KEY }), frame(1, 'b', { key: KEY })])
        );
        await until(() => seen.length > 0, 'a message');
        await sleep(50);
      });
      assert.deepStrictEqual(messages, ['on purpose']);
      assert.deepStrictEqual(seen, ['first a', 'first b']);
    });
    assert.deepStrictEqual(world, []);
  });
});

describe('The end of a connection that has messages', () => {
  inBothRoles('comes after the microtasks of the last one', async (test) => {
    const { incoming, note, peer, websocket } = test;
    websocket.on('message', async () => {
      note('message', websocket.readyState);
      await null;
      note('microtask', websocket.readyState);
      websocket.send('answer');
    });
    websocket.on('close', (code) => note('close', code));
    peer.socket.end(incoming(1, 'hello'));
    await closed(websocket);
    note((await peer.frames()).length);
  });

  inBothRoles('comes after an error, whose close frame arrives', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    socket.on('data', () => {});
    websocket.on('error', (error) => note('error', error.code, websocket.readyState));
    websocket.on('close', (code) => note('close', code));
    peer.socket.end(incoming(3, ''));
    note((await peer.frames()).map(({ first, payload }) => [first, payload.length]));
    await closed(websocket);
  });

  for (const how of ['receiver', 'listener']) {
    inBothRoles(`with an invalid frame behind what shows the ${how}`, async (test) => {
      const { incoming, note, peer, socket, websocket } = test;
      websocket.on('message', (data) => {
        note('message', data);
        if (how === 'receiver') websocket._receiver;
        else socket.on('data', () => {});
      });
      websocket.on('error', (error) => note('error', error.code));
      websocket.on('close', (code) => note('close', code));
      peer.socket.write(Buffer.concat([incoming(2, 'a'), incoming(0, 'b'), incoming(1, 'c')]));
      note((await peer.frames()).length);
      await peer.until(({ isEnded }) => isEnded);
      note('ended');
      peer.socket.end();
      await closed(websocket);
    });

    inBothRoles(`with frames of all kinds behind what shows the ${how}`, async (test) => {
      const { incoming, note, peer, socket, websocket } = test;
      for (const event of ['ping', 'pong', 'close']) {
        websocket.on(event, (...values) => note(event, ...values));
      }
      websocket.on('message', (data) => {
        note('message', data);
        if (how === 'receiver') websocket._receiver;
        else socket.on('data', () => {});
      });
      const opcodes = [1, 2, 9, 10, 1, 8];
      const frames = opcodes.map((opcode) => incoming(opcode, opcode === 8 ? '' : 'data'));
      peer.socket.write(Buffer.concat(frames));
      note((await peer.frames()).length);
      peer.socket.end();
      await closed(websocket);
    });
  }

  for (const role of ['server', 'client']) {
    it(`closes once where a message was under way when the receiver was read, as ${role}`, () =>
      compare(async (world) => {
        const key = role === 'server' ? KEY : null;
        const { peer, websocket } = await world.open(role);
        const { close } = websocket;
        websocket.close = (...values) => {
          world.note('close()', ...values);
          return close.apply(websocket, values);
        };
        websocket.on('error', (error) => world.note('error', error.code));
        websocket.on('close', (code) => world.note('close', code));
        peer.socket.write(frame(1, 'begin', { fin: false, key }));
        await sleep(30);
        websocket._receiver._maxPayload = 1000;
        peer.socket.write(frame(3, '', { key }));
        await peer.frames();
        peer.socket.end(frame(8, Buffer.from([3, 234]), { key }));
        await closed(websocket);
      }));
  }
});

describe('A paused connection', () => {
  inBothRoles('is read until that is too much, as any socket', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    websocket.on('message', (data) => note(data.length));
    websocket.on('ping', (data) => note(data.length));
    websocket.pause();
    await sleep(10);
    const most = socket.readableHighWaterMark;
    const before = socket.bytesRead;
    for (const length of [10, most - 100, 90]) {
      const frame = incoming(length < 126 ? 9 : 2, Buffer.alloc(length));
      const due = socket.bytesRead + frame.length;
      peer.socket.write(frame);
      await until(() => socket.bytesRead >= due, 'the frame to be read');
    }
    peer.socket.write(incoming(9, Buffer.alloc(100)));
    await sleep(50);
    note(socket.bytesRead - before);
    websocket.terminate();
    await closed(websocket);
  });

  inBothRoles('gives what it had read when somebody has asked for its receiver', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    websocket.on('message', (data) => note(String(data)));
    websocket.once('message', () => {
      socket.pause();
      note(typeof websocket._receiver);
      socket.pause();
    });
    for (const texts of [['one', 'two'], ['three']]) {
      const frames = Buffer.concat(texts.map((text) => incoming(1, text)));
      const due = socket.bytesRead + frames.length;
      peer.socket.write(frames);
      await until(() => socket.bytesRead >= due, 'the frames to be read');
      await sleep(5);
    }
    websocket.terminate();
    await closed(websocket);
  });

  inBothRoles('gives no more than the read in which a listener pauses it again', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    websocket.on('message', (data) => {
      note(String(data));
      websocket.pause();
    });
    websocket.pause();
    await sleep(10);
    for (const texts of [['one', 'two'], ['three'], ['four', 'five']]) {
      const frames = Buffer.concat(texts.map((text) => incoming(1, text)));
      const due = socket.bytesRead + frames.length;
      peer.socket.write(frames);
      await until(() => socket.bytesRead >= due, 'the frames to be read');
    }
    for (let i = 0; i < 3; i++) {
      websocket.resume();
      await sleep(20);
      note('had time');
    }
  });

  inBothRoles('gets the rest of a read after a large message, too', async (test) => {
    const { incoming, note, peer, websocket } = test;
    websocket.on('message', (data) => note(data.length));
    websocket.on('ping', (data) => {
      note(String(data));
      websocket.pause();
    });
    await sleep(10);
    peer.socket.write(incoming(2, Buffer.alloc(70_000)));
    await sleep(ARRIVAL);
    const frames = [incoming(9, 'ping'), incoming(1, 'message'), incoming(2, Buffer.alloc(300))];
    peer.socket.write(Buffer.concat(frames));
    await sleep(ARRIVAL);
    note('had time');
    websocket.terminate();
    await closed(websocket);
  });

  for (const methods of [['terminate', 'resume'], ['terminate']]) {
    const title = methods.map((name) => `${name}()`).join(' and ');

    inBothRoles(`gives what is unread at ${title} as ws does`, async (test) => {
      const { incoming, note, peer, socket, websocket } = test;
      websocket.on('ping', (data) => note(data.length, websocket.readyState));
      websocket.pause();
      await sleep(10);
      const frame = incoming(9, 'unread');
      const due = socket.bytesRead + frame.length;
      peer.socket.write(frame);
      await until(() => socket.bytesRead >= due, 'the frame to be read');
      const isClosed = closed(websocket);
      for (const name of methods) websocket[name]();
      await isClosed;
      note('closed');
    });
  }

  inBothRoles('calls back before it gives what had to wait', async (test) => {
    const { incoming, note, peer, websocket } = test;
    websocket.on('message', (data) => note(String(data)));
    websocket.pause();
    peer.socket.write(incoming(1, 'message'));
    await sleep(20);
    websocket.send('sent', () => note('called back'));
    websocket.resume();
    await sleep(20);
  });

  for (const how of ['resetAndDestroy', 'destroy', 'end']) {
    for (const payload of [null, 'unread']) {
      const what = `${how}()${payload === null ? '' : ', something unread'}`;

      inBothRoles(`is told of its peer's ${what}`, async (test) => {
        const { incoming, note, peer, socket, websocket } = test;
        websocket.on('message', (data) => note('message', data));
        websocket.on('close', (code) => note('close', code, websocket.isPaused));
        websocket.pause();
        await sleep(10);
        if (payload !== null) peer.socket.write(incoming(1, payload));
        await sleep(ARRIVAL);
        peer.socket[how]();
        await sleep(50);
        note(websocket.readyState, socket.destroyed);
        websocket.resume();
        if (how === 'end') peer.socket.destroy();
        await closed(websocket);
      });

      inBothRoles(`is told of ${what} while a stream pauses it`, async (test) => {
        const { incoming, note, peer, websocket, world } = test;
        const stream = world.WebSocket.createWebSocketStream(websocket, {
          readableHighWaterMark: 1
        });
        for (const event of ['end', 'error', 'close']) {
          stream.on(event, (error) => note('stream', event, error?.message));
        }
        websocket.on('close', (code) => note('close', code, websocket.isPaused));
        peer.socket.write(incoming(2, 'fills the stream'));
        await sleep(ARRIVAL);
        note(websocket.isPaused);
        if (payload !== null) peer.socket.write(incoming(1, payload));
        await sleep(ARRIVAL);
        peer.socket[how]();
        await sleep(50);
        note(websocket.readyState);
        stream.resume();
        if (how === 'end') peer.socket.destroy();
        await closed(websocket);
        await sleep(10);
      });
    }
  }

  for (const [title, end] of [
    ['is reset', ({ socket }) => socket.resetAndDestroy()],
    ['is destroyed', ({ socket }) => socket.destroy()],
    ['is terminated', ({ websocket }) => websocket.terminate()],
    [
      'shows its bytes, and is terminated',
      async ({ socket, websocket }) => {
        socket.on('data', () => {});
        websocket.pause();
        await sleep(20);
        websocket.terminate();
      }
    ],
    [
      'has shown its receiver, and is terminated',
      ({ websocket }) => {
        websocket._receiver;
        websocket.terminate();
      }
    ]
  ]) {
    inBothRoles(`gives what it had when it ${title}`, async (test) => {
      const { incoming, note, peer, websocket } = test;
      for (const event of ['message', 'ping', 'close']) {
        websocket.on(event, (value) => note(event, value, websocket.readyState));
      }
      websocket.pause();
      await sleep(10);
      peer.socket.write(Buffer.concat([incoming(1, 'a'), incoming(9, 'b'), incoming(2, 'c')]));
      await sleep(20);
      await end(test);
      await closed(websocket);
    });
  }

  inBothRoles('that is terminated tells of an invalid frame', async (test) => {
    const { incoming, note, peer, websocket } = test;
    for (const event of ['message', 'close']) websocket.on(event, (value) => note(event, value));
    websocket.on('error', (error) => note('error', error.code));
    websocket.pause();
    peer.socket.write(Buffer.concat([incoming(1, 'unread'), incoming(3, '')]));
    await sleep(30);
    websocket.terminate();
    await closed(websocket);
    await sleep(10);
  });

  inBothRoles('gives the fragments of a message that it had when it was closed', async (test) => {
    const { incoming, note, peer, websocket, world, role } = test;
    const key = role === 'server' ? KEY : null;
    websocket.binaryType = 'fragments';
    websocket.on('message', (data) => note('message', data));
    websocket.pause();
    peer.socket.write(
      Buffer.concat([frame(2, 'first', { fin: false, key }), incoming(0, 'second')])
    );
    // Events of another connection come in between.
    const other = await world.open(role);
    other.websocket.on('message', () => {});
    await sleep(20);
    websocket.terminate();
    other.peer.socket.write(incoming(2, 'other'));
    holdUp();
    await closed(websocket);
  });
});

describe('A connection that is terminated', () => {
  for (const perMessageDeflate of [false, true]) {
    const kind = perMessageDeflate ? 'a young compressed' : 'a';

    it(`in 'open' gives what came behind the handshake, on ${kind} connection`, () =>
      compare(async (world) => {
        const behind = Buffer.concat([frame(1, 'first'), frame(9, 'ping'), frame(2, 'second')]);
        const extensions = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
        const headers = perMessageDeflate ? extensions : {};
        const { websocket } = await world.handshakeClient({ perMessageDeflate }, headers, behind);
        world.record(websocket);
        websocket.on('open', () => websocket.terminate());
        await closed(websocket);
      }));
  }

  for (const isPaused of [false, true]) {
    it(`by its listener${isPaused ? ', paused before,' : ''} loses nothing in between`, async (t) => {
      const { socket, ws } = await connectRaw(t);
      const seen = [];
      ws.on('message', (data) => {
        seen.push(Number(data.toString()));
        if (seen.length > 1) return;
        if (isPaused) ws.pause();
        ws.terminate();
      });
      const numbers = Array.from({ length: 12_000 }, (_, i) => String(i).padStart(10, '0'));
      socket.write(Buffer.concat(numbers.map((number) => frame(1, number, { key: KEY }))));
      await closed(ws);
      assert.ok(seen.length > 1000);
      assert.deepStrictEqual(seen, Object.keys(seen).map(Number));
    });
  }

  inBothRoles('by a write that fails reads no more', async (test) => {
    // A task has read it before.
    if (process.env.OXWS_DRIVER === 'tokio') return test.note('skipped');
    const { incoming, note, peer, websocket } = test;
    websocket.on('message', (data) => note('message', data));
    websocket.on('close', (code) => note('close', code));
    peer.socket.write(incoming(1, 'unread'));
    peer.socket.resetAndDestroy();
    setTimeout(() => {
      websocket.send('a');
      websocket.send('b');
    }, 1);
    holdUp(5);
    await closed(websocket);
  });
});

describe('A connection', () => {
  for (const type of ['arraybuffer', 'fragments']) {
    inBothRoles(
      `gives what it has read as ${type}, set after the receiver was looked at`,
      (test) => {
        const { incoming, note, peer, websocket } = test;
        websocket.on('message', (data) => note(data));
        peer.socket.write(Buffer.concat([incoming(2, 'one'), incoming(2, 'two')]));
        holdUp();
        note(websocket._receiver !== null);
        websocket.binaryType = type;
        return sleep(20);
      }
    );
  }

  it('takes what a socket that flows was given back before the upgrade', () =>
    compare(async (world) => {
      const server = http.createServer();
      const wss = new world.WebSocketServer({ noServer: true });
      server.on('upgrade', (request, socket) => {
        socket.resume();
        socket.unshift(frame(1, 'two', { key: KEY }));
        wss.handleUpgrade(request, socket, frame(1, 'one', { key: KEY }), (websocket) => {
          world.record(websocket);
          world.defer(() => websocket.terminate());
        });
      });
      const peer = await world.dial(await world.serveHttp(server));
      peer.socket.write(upgradeRequest());
      await peer.takeHead();
      peer.socket.write(frame(1, 'three', { key: KEY }));
      await sleep(50);
    }));

  it('answers pings that come with many messages, however late they are read', async (t) => {
    const { socket, ws } = await connectRaw(t);
    const counts = { message: 0, ping: 0, pong: 0 };
    ws.on('message', () => counts.message++);
    ws.on('ping', () => counts.ping++);
    const seen = [];
    socket.on('data', (chunk) => seen.push(chunk));
    const closes = [];
    ws.on('close', (code) => closes.push(code));
    const pair = Buffer.concat([
      frame(2, Buffer.alloc(5000), { key: KEY }),
      frame(9, 'ping', { key: KEY })
    ]);
    socket.write(Buffer.concat(Array.from({ length: 200 }, () => pair)));
    holdUp(100);
    await until(
      () => counts.ping === 200 || closes.length > 0,
      () => JSON.stringify(counts)
    );
    assert.deepStrictEqual(closes, []);
    assert.strictEqual(counts.message, 200);
    await until(() => Buffer.concat(seen).length === 200 * 6, 'all pongs');
  });

  /** A server's end of a connection whose client, on another thread, sends as fast as it can. */
  async function overload(t, script) {
    const { port, wss } = await serve(t, { perMessageDeflate: false });
    const code = `
      const socket = require('node:net').connect(${port}, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(${JSON.stringify(upgradeRequest())});
      socket.once('data', () => { const send = () => { ${script} }; send(); });`;
    const worker = new Worker(code, { eval: true });
    t.after(() => worker.terminate());
    const [ws] = await once(wss, 'connection');
    return ws;
  }

  it('lets others have their turn beside large messages', async (t) => {
    const ws = await overload(
      t,
      `const data = Buffer.alloc(14 + 8 * 1024 * 1024);
      data.set([0x82, 0xff, 0, 0, 0, 0, 0, 0x80]);
      socket.write(data, send);
      if (socket.writableLength < 4 * data.length) send();`
    );
    let count = 0;
    let most = 0;
    ws.on('message', () => count++);
    while (count < 24) {
      const before = count;
      await turn();
      most = Math.max(most, count - before);
    }
    assert.ok(most <= 2, `${most} messages of 8 MiB in a turn`);
  });

  it('asks for no more than one turn of the event loop, however much arrives', async (t) => {
    const ws = await overload(
      t,
      `const data = Buffer.concat(Array(20_000).fill(Buffer.from([0x82, 0x84, 0, 0, 0, 0, 1, 2, 3, 4])));
      while (socket.write(data));
      socket.once('drain', send);`
    );
    let count = 0;
    let most = 0;
    ws.on('message', () => count++);
    while (count < 2_000_000) {
      await turn();
      const resources = process.getActiveResourcesInfo();
      most = Math.max(most, resources.filter((type) => type === 'Immediate').length);
    }
    assert.ok(most <= 3, `${most} immediates`);
  });
});

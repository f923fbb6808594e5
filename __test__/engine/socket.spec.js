'use strict';

// The socket of a WebSocket, behind its hand-over to the engine: what it does beside that of ws.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');

const { WebSocket } = require('../..');
const { getEngine } = require('../../lib/engine');
const { connect, join } = require('../support/connections');
const { attempt, closed, compare, sleep, upgradeRequest } = require('../support/differential');
const { inBothRoles, watch } = require('../support/roles');
const until = require('../support/until');

const root = path.join(__dirname, '../..');
/** What can be read of a socket. */
function look(socket) {
  return [
    socket instanceof net.Socket,
    socket.constructor === net.Socket,
    Object.prototype.toString.call(socket),
    socket.remoteAddress,
    socket.remoteFamily,
    typeof socket.remotePort,
    socket.localAddress,
    socket.localFamily,
    typeof socket.localPort,
    Object.keys(socket.address()).join(),
    socket.readyState,
    socket.connecting,
    socket.pending,
    socket.destroyed,
    socket.closed,
    socket.errored,
    socket.timeout,
    socket.allowHalfOpen,
    socket.readable,
    socket.readableFlowing,
    socket.readableEnded,
    socket.readableAborted,
    socket.readableDidRead,
    socket.isPaused(),
    socket.writable,
    socket.writableEnded,
    socket.writableFinished,
    socket.writableLength,
    socket.writableNeedDrain,
    socket.writableCorked,
    socket.writableHighWaterMark,
    typeof socket._handle?.fd,
    typeof socket._handle?.getAsyncId(),
    socket._handle?.hasRef()
  ];
}

describe('The socket of a WebSocket', () => {
  inBothRoles('looks like that of ws', async ({ note, peer, socket, websocket }) => {
    note(...look(socket));
    peer.socket.end();
    await closed(websocket);
    await sleep(5);
    note(...look(socket));
  });

  inBothRoles('knows its addresses when it is closed', async ({ note, socket, websocket }) => {
    websocket.terminate();
    await closed(websocket);
    note(socket.remoteAddress, typeof socket.remotePort, socket.localAddress, socket.address());
  });

  inBothRoles('counts bytes', async ({ incoming, note, peer, socket, websocket }) => {
    const [read, written] = [socket.bytesRead, socket.bytesWritten];
    const counts = () => [socket.bytesRead - read, socket.bytesWritten - written];
    note(read > 0, written > 0, ...counts());
    const received = once(websocket, 'message');
    peer.socket.write(incoming(1, 'x'.repeat(200)));
    await received;
    note(...counts());
    websocket.send('small');
    websocket.send(Buffer.alloc(100_000));
    socket.write(Buffer.alloc(10));
    note(...counts());
    const ponged = once(websocket, 'ping');
    peer.socket.write(incoming(9, 'ping'));
    await ponged;
    await sleep(5);
    note(...counts());
    websocket.terminate();
    await closed(websocket);
    note(...counts());
  });

  const ends = {
    'end()': ({ socket }) => socket.end(),
    'end() with bytes': ({ socket }) => socket.end('the end'),
    'end() with a callback': ({ note, socket }) => socket.end(() => note('ended')),
    'end() behind a message': ({ socket, websocket }) => {
      websocket.send('before');
      socket.end();
    },
    'destroy()': ({ socket }) => socket.destroy(),
    'destroy() with an error': ({ socket }) => socket.destroy(new Error('why not')),
    'destroySoon()': ({ socket, websocket }) => {
      websocket.send('before');
      socket.destroySoon();
    },
    'resetAndDestroy()': ({ socket }) => socket.resetAndDestroy(),
    'terminate()': ({ websocket }) => websocket.terminate(),
    'the end of the peer': ({ peer }) => peer.socket.end(),
    'the reset of the peer': ({ peer }) => peer.socket.resetAndDestroy(),
    'the end of the peer behind a message': ({ incoming, note, peer, websocket }) => {
      websocket.on('message', (data) => note('message', data));
      peer.socket.end(incoming(2, 'last'));
    },
    'the end of the peer, and messages behind it': ({ note, peer, socket, websocket }) => {
      socket.on('end', () => {
        websocket.send('too late', (error) => note('sent', error));
        note(attempt(() => socket.write('x')));
      });
      peer.socket.end();
    }
  };
  for (const [title, end] of Object.entries(ends)) {
    inBothRoles(`ends as that of ws: ${title}`, async (test) => {
      const { note, peer, socket, websocket } = test;
      watch(test);
      let peerError;
      peer.socket.on('error', ({ code }) => {
        peerError = code;
      });
      peer.socket.on('end', () => peer.socket.end());
      const isClosed = closed(websocket);
      note(attempt(() => void end(test)));
      await isClosed;
      await peer.until(({ isClosed: peerIsClosed }) => peerIsClosed);
      await sleep(5);
      note(peer.bytes.length, peerError);
      note(socket.destroyed, socket.readyState, socket._handle);
    });
  }

  inBothRoles('has a timeout', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    watch(test);
    note(socket.setTimeout(200) === socket, socket.timeout);
    const timedOut = once(socket, 'timeout');
    // The time of this one begins later, and ends first.
    let isActive = true;
    new net.Socket().setTimeout(200, () => {
      isActive = false;
      note('idle');
    });
    while (isActive) {
      peer.socket.write(incoming(1, 'active'));
      await once(websocket, 'message');
      await sleep(10);
    }
    await timedOut;
    socket.setTimeout(0);
    note(socket.timeout);
    await sleep(250);
  });

  inBothRoles('takes settings', async ({ note, socket, websocket }) => {
    const settings = [
      () => socket.setNoDelay() === socket,
      () => socket.setNoDelay(false) === socket,
      () => socket.setKeepAlive(true, 60_000) === socket,
      () => socket.setKeepAlive(false) === socket,
      () => socket.unref() === socket && !socket._handle.hasRef(),
      () => socket.ref() === socket && socket._handle.hasRef()
    ];
    for (const setting of settings) note(attempt(setting));
    websocket.terminate();
    await closed(websocket);
    for (const setting of settings.slice(0, 4)) note(attempt(setting));
    note(attempt(() => socket.ref() === socket && socket.unref() === socket));
  });

  inBothRoles('keeps raw writes in their place, with their callbacks', async (test) => {
    const { note, peer, socket, websocket } = test;
    const order = [];
    const text = (data) => websocket.send(data, { mask: false }, () => order.push(data));
    const raw = (data) => socket.write(data, () => order.push(data));
    text('1');
    raw('2');
    raw('3');
    text('4');
    socket.cork();
    text('5');
    raw('6');
    socket.uncork();
    text('7');
    raw('8'.repeat(30_000));
    text('9'.repeat(20_000));
    text('0');
    // Five frames of one byte, three bytes of raw writes, and what is long.
    await peer.until(({ bytes }) => bytes.length >= 5 * 3 + 3 + 30_000 + 4 + 20_000);
    await until(
      () => order.length === 10,
      () => `ten callbacks, not only ${order.length}`
    );
    note(peer.bytes.length, peer.bytes.toString('latin1').replace(/(.)\1{100,}/g, '$1…'));
    note(order.map((data) => data.slice(0, 3)));
  });

  inBothRoles('tells of a drain', async ({ note, peer, socket }) => {
    peer.socket.pause();
    const chunk = Buffer.alloc(1024 * 1024);
    while (socket.write(chunk));
    let isLate = false;
    socket.on('drain', () =>
      note('drain', isLate, socket.writableLength, socket.writableNeedDrain)
    );
    note(socket.writableNeedDrain, socket.writableLength > 0);
    await sleep(20);
    isLate = true;
    peer.socket.resume();
    await once(socket, 'drain');
  });

  inBothRoles('stops and goes on', async ({ incoming, note, peer, socket, websocket }) => {
    websocket.on('message', (data) => note('message', data));
    socket.pause();
    note(socket.isPaused());
    peer.socket.write(incoming(1, 'one'));
    await sleep(20);
    note('still paused');
    const received = once(websocket, 'message');
    socket.resume();
    await received;
    note(socket.isPaused());
  });

  inBothRoles('takes bytes that somebody else has read', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    websocket.on('message', (data) => note('message', data));
    const received = new Promise((resolve) => {
      websocket.on('message', (data) => String(data) === 'third' && resolve());
    });
    const bytes = incoming(1, 'first');
    socket.push(bytes.subarray(0, 3));
    socket.push(bytes.subarray(3));
    socket.unshift(incoming(1, 'second'));
    await sleep(20);
    peer.socket.write(incoming(1, 'third'));
    await received;
  });

  it('has been written to before the handshake', () =>
    compare(async (world) => {
      const server = http.createServer();
      const wss = new world.WebSocketServer({ noServer: true });
      server.on('upgrade', (request, socket, head) => {
        socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
        wss.handleUpgrade(request, socket, head, (websocket) => {
          websocket.send('hello');
          socket.write('raw');
          world.note(socket === request.socket, websocket._socket === socket);
        });
      });
      world.defer(() => {
        for (const websocket of wss.clients) websocket.terminate();
      });
      const peer = await world.dial(await world.serveHttp(server));
      peer.socket.write(upgradeRequest());
      await peer.until(({ bytes }) => bytes.includes('raw'));
      world.note(peer.bytes.toString('latin1'));
    }));

  it('of a Unix socket refuses to be reset, as that of Node.js', (t) => {
    if (process.platform === 'win32') return t.skip('there are no Unix sockets');
    return compare(async (world) => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-'));
      world.defer(() => fs.rmSync(folder, { recursive: true }));
      const server = http.createServer();
      const wss = new world.WebSocketServer({ server });
      const name = path.join(folder, 's');
      await new Promise((resolve) => server.listen(name, resolve));
      world.defer(() => server.close());
      const client = world.connect(`ws+unix:${name}:/`, { perMessageDeflate: false });
      const [[websocket]] = await Promise.all([once(wss, 'connection'), once(client, 'open')]);
      for (const each of [websocket, client]) {
        world.note(
          attempt(() => each._socket.resetAndDestroy()),
          each.readyState
        );
      }
      websocket.send('still there');
      world.note(...(await once(client, 'message')));
    });
  });
});

describe('The descriptor of a connection', {
  skip:
    getEngine() === null
      ? 'there is no engine'
      : fs.existsSync('/proc/self/fd')
        ? false
        : 'there is no /proc'
}, () => {
  it('is one for each end', async (t) => {
    const server = await connect(t);
    const descriptors = () => fs.readdirSync('/proc/self/fd').length;
    await sleep(20);
    const before = descriptors();
    for (let i = 0; i < 20; i++) await join(t, server);
    await sleep(20);
    assert.strictEqual(descriptors() - before, 40);
  });

  it('stays with its socket where there is none for the engine', async (t) => {
    // The process opens files until it can open one more only: that is for the connection.
    const script = `
      const fs = require('node:fs');
      const net = require('node:net');
      const { WebSocketServer } = require('.');
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        const files = [];
        try {
          for (;;) files.push(fs.openSync('/dev/null'));
        } catch {}
        fs.closeSync(files.pop());
        process.stdout.write(wss.address().port + '\\n');
        wss.on('connection', (ws) => {
          for (const file of files) fs.closeSync(file);
          const isNative = ws._socket._handle.constructor.name !== 'TCP';
          ws.on('message', (data) => ws.send(data + (isNative ? ' by the engine' : '')));
          ws.on('close', () => wss.close());
        });
      });`;
    const command = `ulimit -n 100; exec "$0" -e "$1"`;
    const child = spawn('sh', ['-c', command, process.execPath, script], { cwd: root });
    t.after(() => child.kill());
    child.stderr.pipe(process.stderr);
    const [line] = await once(child.stdout, 'data');
    const ws = new WebSocket(`ws://127.0.0.1:${Number(line)}`, { perMessageDeflate: false });
    await once(ws, 'open');
    ws.send('echo');
    assert.strictEqual(String((await once(ws, 'message'))[0]), 'echo');
    ws.close();
    assert.deepStrictEqual(await once(child, 'exit'), [0, null]);
  });
});

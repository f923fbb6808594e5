'use strict';

// Connections over TLS that the engine carries with Node's OpenSSL.

process.env.OXWS_TLS = 'openssl';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const { Duplex } = require('node:stream');
const { describe, it } = require('node:test');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const tls = require('node:tls');
const { promisify } = require('node:util');
const { isMainThread, parentPort, Worker } = require('node:worker_threads');

const { WebSocket, WebSocketServer } = require('../..');
const native = require('../../lib/native');
const { cert, key } = require('../support/certificate');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');
const { exchange, isSupported, open, serve } = require('../support/secure');
const until = require('../support/until');

const root = path.join(__dirname, '../..');

/** Closes a client, and gives how both ends were closed. */
async function close(ws, peer) {
  const ends = [once(ws, 'close'), once(peer, 'close')];
  ws.close(1000, 'done');
  return (await Promise.all(ends)).map(([code, reason]) => `${code} ${reason}`);
}

describe('A connection over TLS', { skip: !isSupported || !isMainThread }, () => {
  const kinds = {
    'TLS 1.3': [{}],
    'TLS 1.2': [{ maxVersion: 'TLSv1.2' }],
    'AES-128-GCM': [{ ciphers: 'TLS_AES_128_GCM_SHA256' }],
    CHACHA20: [{ ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
    CBC: [{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' }],
    'no tickets': [{ secureOptions: require('node:constants').SSL_OP_NO_TICKET }],
    HelloRetryRequest: [{ ecdhCurve: 'P-521' }, { ecdhCurve: 'X25519:P-521' }],
    ALPN: [{ ALPNProtocols: ['http/1.1'] }, { ALPNProtocols: ['http/1.1'] }],
    'a client certificate': [
      { requestCert: true, ca: cert },
      { cert, key }
    ],
    SNICallback: [
      {
        SNICallback: (_name, callback) =>
          setImmediate(callback, null, tls.createSecureContext({ cert, key }))
      },
      { servername: 'localhost' }
    ]
  };
  for (const [name, [options, clientOptions]] of Object.entries(kinds)) {
    it(`is carried by the engine at both ends: ${name}`, async (t) => {
      const { accepted, url } = await serve(t, options);
      const ws = await open(t, url, clientOptions);
      const [peer] = accepted;
      assert.deepStrictEqual([ws.transport, peer.transport], ['engine', 'engine']);
      await exchange(ws);
      assert.deepStrictEqual(await close(ws, peer), ['1000 done', '1000 done']);
    });
  }

  it('begins after other requests, and with frames in the same record', async (t) => {
    const { accepted, port } = await serve(t);
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    for (let i = 0; i < 20; i++) {
      socket.write('GET /50000 HTTP/1.1\r\nHost: localhost\r\n\r\n');
      let length = 0;
      while (length < 50_000) length += (await once(socket, 'data'))[0].length;
    }
    const frames = ['one', 'two'].map((text) => frame(1, text, { key: Buffer.alloc(4) }));
    socket.write(Buffer.concat([Buffer.from(upgradeRequest()), ...frames]));
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    while (!received.endsWith('\x81\x03two')) await once(socket, 'data');
    assert.match(received, /^HTTP\/1\.1 101 /);
    assert.ok(received.endsWith('\r\n\r\n\x81\x03one\x81\x03two'));
    assert.strictEqual(accepted[0].transport, 'engine');
  });

  it('goes on to tell of its certificate, cipher and session', async (t) => {
    const { accepted, url } = await serve(t, { requestCert: true, ca: cert });
    const ws = await open(t, url, { cert, key });
    for (const { _socket: socket } of [ws, accepted[0]]) {
      assert.ok(socket instanceof tls.TLSSocket);
      assert.strictEqual(socket.constructor, tls.TLSSocket);
      assert.strictEqual(socket.encrypted, true);
      assert.strictEqual(socket.getPeerCertificate().subject.CN, 'localhost');
      assert.strictEqual(socket.getPeerX509Certificate().subject, 'CN=localhost');
      assert.strictEqual(socket.getCipher().version, 'TLSv1.3');
      assert.strictEqual(socket.getProtocol(), 'TLSv1.3');
      assert.strictEqual(socket.exportKeyingMaterial(16, 'label').length, 16);
      assert.strictEqual(socket.setMaxSendFragment(1024), true);
      assert.ok(Buffer.isBuffer(socket.getSession()));
      socket.on('session', () => {});
      socket.on('keylog', () => {});
      assert.strictEqual(socket.remoteAddress, '127.0.0.1');
    }
    await exchange(ws);
  });

  it('reports the alert of its peer as Node does', async (t) => {
    const { accepted, url } = await serve(t);
    const ws = await open(t, url);
    const [{ _socket: socket }] = accepted;
    const failed = new Promise((resolve) => socket.prependListener('error', resolve));
    const closed = once(accepted[0], 'close');
    // The client answers what isn't a record with an alert.
    const { fd } = socket._handle;
    require('node:fs').writeSync(fd, Buffer.from([23, 3, 3, 0, 40, ...Buffer.alloc(40, 1)]));
    const error = await failed;
    assert.match(error.message, /alert bad record mac/);
    assert.match(error.code, /^ERR_SSL_.*ALERT_BAD_RECORD_MAC$/);
    assert.strictEqual(error.library, 'SSL routines');
    assert.strictEqual((await closed)[0], 1006);
    await until(() => ws.readyState === WebSocket.CLOSED);
  });

  it('takes what comes with the request, wherever that is cut', async (t) => {
    const { accepted, port } = await serve(t);
    const [step, frames] = [7, ['hello', 'x'.repeat(60)]];
    let cut = 0;
    for (let length = Number.POSITIVE_INFINITY; cut <= length; cut += step) {
      const { end, lower, socket } = await dialThrough(t, port);
      const request = await lower.hold(() => socket.write(upgradeRequest()));
      const records = await lower.hold(() => {
        for (const text of frames) socket.write(frame(1, text, { key: Buffer.alloc(4) }));
      });
      length = records.length;
      let received = '';
      const isDone = new Promise((resolve) => {
        socket.on('data', (chunk) => {
          received += chunk.toString('latin1');
          if (received.endsWith(frames[1])) resolve();
        });
      });
      lower.write(Buffer.concat([request, records.subarray(0, cut)]));
      await sleep(cut % 2 ? 1 : 4);
      lower.write(records.subarray(cut));
      await isDone;
      end();
    }
    assert.strictEqual(accepted.length, cut / step);
    for (const { transport } of accepted) assert.strictEqual(transport, 'engine');
  });

  it('waits for a peer that does not read, and goes on', async (t) => {
    const { accepted, url } = await serve(t);
    const ws = await open(t, url);
    const [peer] = accepted;
    ws.pause();
    const message = Buffer.alloc(1024 * 1024, 'm');
    let called = 0;
    const count = 12;
    for (let i = 0; i < count; i++) peer.send(message, () => called++);
    await sleep(50);
    assert.deepStrictEqual([called < count, peer.bufferedAmount > 0], [true, true]);
    let received = 0;
    const isDone = new Promise((resolve) => {
      ws.on('message', function receive(data) {
        assert.ok(data.equals(message));
        if (++received < count) return;
        ws.off('message', receive);
        resolve();
      });
    });
    ws.resume();
    await isDone;
    await exchange(ws);
    assert.deepStrictEqual([called, peer.bufferedAmount], [count, 0]);
  });

  it('gives its bytes to who asks for them', async (t) => {
    const { accepted, url } = await serve(t);
    const ws = await open(t, url);
    const [peer] = accepted;
    const chunks = [];
    peer._socket.on('data', (chunk) => chunks.push(chunk));
    assert.strictEqual(peer.transport, 'stream');
    await exchange(ws);
    assert.ok(chunks.length > 0);
    assert.deepStrictEqual(await close(ws, peer), ['1000 done', '1000 done']);
  });

  it('inflates and deflates', async (t) => {
    const { accepted, url } = await serve(t, {}, { perMessageDeflate: { threshold: 0 } });
    const ws = await open(t, url, { perMessageDeflate: { threshold: 0 } });
    assert.strictEqual(ws.extensions, 'permessage-deflate');
    await exchange(ws);
    await until(() => ws.transport === 'engine' && accepted[0].transport === 'engine');
    await exchange(ws);
    assert.deepStrictEqual(await close(ws, accepted[0]), ['1000 done', '1000 done']);
  });

  it('ends without a close frame as 1006, and leaves nothing behind', async (t) => {
    const { accepted, server, url } = await serve(t);
    for (const how of ['end', 'destroy', 'terminate']) {
      const ws = await open(t, url);
      const peer = accepted.at(-1);
      const [socket, closed] = [ws._socket, once(peer, 'close')];
      if (how === 'terminate') ws.terminate();
      else socket[how]();
      assert.strictEqual((await closed)[0], 1006);
      await until(() => socket.destroyed && socket.ssl === null);
    }
    assert.strictEqual(await promisify(server.getConnections).call(server), 0);
  });

  it('runs in a worker', async () => {
    const worker = new Worker(__filename, { argv: ['worker'], env: { ...process.env } });
    assert.deepStrictEqual((await once(worker, 'message'))[0], ['engine', 'engine', 'hello']);
    await worker.terminate();
  });

  const unusual = {
    "a client with a listener of 'session'": (ws) => {
      ws._req.on('socket', (socket) => socket.on('session', () => {}));
    },
    "a client that had a listener of 'session'": (ws) => {
      ws._req.on('socket', (socket) => socket.once('session', () => {}));
    },
    'a socket with a method of its own': (ws) => {
      ws._req.on('socket', (socket) => {
        socket.write = function write(...values) {
          return Object.getPrototypeOf(this).write.apply(this, values);
        };
      });
    }
  };
  for (const [name, prepare] of Object.entries(unusual)) {
    it(`stays with Node: ${name}`, async (t) => {
      const { accepted, url } = await serve(t);
      const ws = new WebSocket(url, { rejectUnauthorized: false });
      t.after(() => ws.terminate());
      prepare(ws);
      await once(ws, 'open');
      assert.deepStrictEqual([ws.transport, accepted[0].transport], ['stream', 'engine']);
      await exchange(ws);
      assert.deepStrictEqual(await close(ws, accepted[0]), ['1000 done', '1000 done']);
    });
  }

  it('stays with Node where a client opens the connection itself', async (t) => {
    const { url } = await serve(t);
    const createConnection = (options) => tls.connect({ ...options, path: undefined });
    for (const options of [{ createConnection }, { agent: new https.Agent() }]) {
      const ws = await open(t, url, options);
      assert.strictEqual(ws.transport, 'stream');
      await exchange(ws);
    }
  });

  it('stays with Node where a function of OpenSSL is missing', async (t) => {
    if (native.hideOpenssl === undefined) return t.skip('only with debug assertions');
    const source = fs.readFileSync(path.join(root, 'src/binding/openssl.rs'), 'utf8');
    const [, declared] = /^functions! \{\n(.*?)^\}/ms.exec(source);
    const names = [...declared.matchAll(/^ {4}(\w+)\(/gm)].map(([, name]) => name);
    assert.ok(names.length > 40 && names.includes('SSL_read'));
    const program = `const native = require('./lib/native');
      native.hideOpenssl(process.argv[1]);
      process.exit(native.prepareSecure(process.versions.openssl, true) ? 1 : 0)`;
    const run = promisify(execFile);
    for (const name of names) await run(process.execPath, ['-e', program, name], { cwd: root });
    await assert.rejects(run(process.execPath, ['-e', program, 'none'], { cwd: root }));
  });
});

/** A TLS client above a duplex that hands its records on, or holds them back. */
async function dialThrough(t, port) {
  const raw = net.connect(port, '127.0.0.1');
  let held = null;
  const lower = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      if (held !== null) held.push(chunk);
      else raw.write(chunk);
      callback();
    }
  });
  raw.setNoDelay();
  raw.on('data', (chunk) => lower.push(chunk));
  raw.on('error', () => {});
  const socket = tls.connect({ socket: lower, rejectUnauthorized: false });
  const end = () => {
    socket.destroy();
    raw.destroy();
  };
  t.after(end);
  await once(socket, 'secureConnect');
  const hold = async (action) => {
    held = [];
    action();
    for (let i = 0; i < 4; i++) await turn();
    const records = Buffer.concat(held);
    held = null;
    return records;
  };
  return { end, lower: { hold, write: (bytes) => raw.write(bytes) }, socket };
}

/** What the worker does. */
function work() {
  const server = https.createServer({ cert, key });
  const wss = new WebSocketServer({ server });
  wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data, { binary: false })));
  server.listen(0, '127.0.0.1', () => {
    const url = `wss://127.0.0.1:${server.address().port}`;
    const ws = new WebSocket(url, { rejectUnauthorized: false });
    ws.on('open', () => ws.send('hello'));
    ws.on('message', (data) => {
      const [{ transport }] = wss.clients;
      parentPort.postMessage([ws.transport, transport, String(data)]);
    });
  });
}

if (!isMainThread && process.argv[2] === 'worker') work();

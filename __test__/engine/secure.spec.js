'use strict';

// Connections over TLS that the engine carries with Node's OpenSSL.

process.env.OXWS_TLS = 'openssl';

const assert = require('node:assert');
const { once } = require('node:events');
const https = require('node:https');
const { describe, it } = require('node:test');
const tls = require('node:tls');

const { WebSocket, WebSocketServer } = require('../..');
const { cert, key } = require('../support/certificate');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');

const isSupported = process.env.OXWS_TRANSPORT !== 'stream' && process.platform !== 'win32';

/** An HTTPS server with a `WebSocketServer` that echoes. */
async function serve(t, options = {}, serverOptions = {}) {
  const server = https.createServer({ cert, key, ...options }, (_req, res) => {
    res.end(Buffer.alloc(res.req.url.length > 1 ? Number(res.req.url.slice(1)) : 10, 'x'));
  });
  const wss = new WebSocketServer({ server, ...serverOptions });
  const accepted = [];
  wss.on('connection', (ws) => {
    accepted.push(ws);
    ws.on('error', () => {});
    ws.on('message', (data, binary) => ws.send(data, { binary }));
  });
  t.after(() => {
    for (const ws of wss.clients) ws.terminate();
    wss.close();
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  return { accepted, port, server, url: `wss://127.0.0.1:${port}`, wss };
}

/** A client that is open. */
async function open(t, url, options) {
  const ws = new WebSocket(url, { rejectUnauthorized: false, ...options });
  t.after(() => ws.terminate());
  await once(ws, 'open');
  return ws;
}

/** Sends messages of many lengths, and checks that all of them come back. */
async function exchange(ws) {
  const lengths = [0, 1, 125, 126, 1000, 16384, 16385, 70000, 300000, 20];
  const messages = lengths.map((length) => Buffer.alloc(length, length));
  const received = [];
  const isDone = new Promise((resolve) => {
    ws.on('message', (data) => received.push(data) === messages.length && resolve());
  });
  for (const message of messages) ws.send(message);
  await isDone;
  assert.deepStrictEqual(received.map(String), messages.map(String));
}

/** Closes a client, and gives how both ends were closed. */
async function close(ws, peer) {
  const ends = [once(ws, 'close'), once(peer, 'close')];
  ws.close(1000, 'done');
  return (await Promise.all(ends)).map(([code, reason]) => `${code} ${reason}`);
}

describe('A connection over TLS', { skip: !isSupported }, () => {
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
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
  });
});

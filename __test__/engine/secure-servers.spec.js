'use strict';

// What an HTTPS server and its clients may be set to, with connections over TLS that the engine
// carries.

process.env.OXWS_TLS = 'openssl';

const assert = require('node:assert');
const { execFile, spawn, spawnSync } = require('node:child_process');
const { constants } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const tls = require('node:tls');
const { promisify } = require('node:util');

const { WebSocketServer } = require('../..');
const { cert, key } = require('../support/certificate');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');
const { exchange, isSupported, open, serve } = require('../support/secure');
const until = require('../support/until');

const root = path.join(__dirname, '../..');

/** The certificate and its key as PKCS #12; the password is `pass`. */
const pfx = Buffer.from(
  `MIIELAIBAzCCA+IGCSqGSIb3DQEHAaCCA9MEggPPMIIDyzCCAoIGCSqGSIb3DQEHBqCCAnMwggJv
    AgEAMIICaAYJKoZIhvcNAQcBMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjoLqADmj7p
    zwICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGZvo3jIzUk8yDj9CacD5/yAggIARql8
    wqwuMPLAyjCWm5xlYolFxXlIFBabVp8dN6Nb4dpL7t8VxTvnvINaA7LzkylBAbbTWW51XWK6poy+
    7NvLDbk9Rw27HXHUx8i3jatUlpt/1R3SyqjGCkDy32WvIinK7F1JMt2CN2WKXxMYntkuXinEOvP+
    diD7YRQbwQ1lhMz57BsL9lXv1o8auEl4n18n03SfrOM2LkA6T55TUe6QvP39NHQtLiBTQdwCaEr2
    GPYbJe902P48Lar2ZFd1/6VdGz1ef7UuANCvAv5Q8VF5lKcLjqFpGWVWfJsZzy+i6v1V2u3R/twQ
    Sl64IKDz5q3SJn6qDSJykI3Jd9NC86p3rqWIJ0UXDYpUk0ovI+8mKQyIPEtAvTBRtR+jOlIVfqDY
    qhLvcs4RFiM71GQUliKg6Qcwozam+BGkcjQhBgPr62bJHRsuAIGkN43l1k9XvDFeC/cL573t3WWW
    Xawvh2v/DkA6haM/AjYLJI5BCYVJP6C/SgmZ2O5ea9MZw6M0Q1FSHmm3dC9+xLfdJN7so8upzjhm
    tGVHBY9k7ftHEdq99VikOexwtLz322xRvMFAOD0f0kTY38PZCamJP0s+LxsBTh8lTudzHYYhxNHR
    49PeuVQmrgmVbo2MU1FjsHMCO6knsvdyq6fF6Y2K9RtEcrncoKrJDJohzIZJyt8wr9qK8lwwggFB
    BgkqhkiG9w0BBwGgggEyBIIBLjCCASowggEmBgsqhkiG9w0BDAoBAqCB7zCB7DBXBgkqhkiG9w0B
    BQ0wSjApBgkqhkiG9w0BBQwwHAQIweKk8qyg6KwCAggAMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUD
    BAEqBBBmGRPrq+8oirG8ksmlI8onBIGQ2KLBNJFH2trOhte4WRb/QAudxa5JACXZAFXJ0XcT6SKk
    gZfjIqhphKv8rfyHq+W+lrINxo+WyM60P4ti3/Os00Ph4+cgIXdFD5H/131Z1gJoJ2dwKDxQcQ0M
    Xwnj+zlh76NxMvtdlKFF3o1CkNVtKyoCxklylOKoiGhMjhx5GfQPK77XTa07R44RZddfzemRMSUw
    IwYJKoZIhvcNAQkVMRYEFMcwl0SfNJipB0aJ0owSa3ne8LuYMEEwMTANBglghkgBZQMEAgEFAAQg
    +Vnfg8gUmqamPD6OgLRi1u5Byjt8YnLdiDXOzPZa3DMECH4YebWE3/o4AgIIAA==`,
  'base64'
);

const { SSL_OP_NO_TICKET } = constants;
const KEY = Buffer.alloc(4);

/** Checks that both ends are carried by the engine and work. */
async function check(ws, peer) {
  assert.deepStrictEqual([ws.transport, peer.transport], ['engine', 'engine']);
  await exchange(ws);
}

/** Asks for a page over a connection that is kept. */
async function get(agent, port, url) {
  const request = https.get({ agent, host: '127.0.0.1', port, path: url });
  const [response] = await once(request, 'response');
  let length = 0;
  for await (const chunk of response) length += chunk.length;
  return length;
}

describe('A server of connections over TLS', { skip: !isSupported }, () => {
  it('answers 300 requests before and while the engine carries others', async (t) => {
    const { accepted, port, url } = await serve(t);
    const ws = await open(t, url);
    const agent = new https.Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
    t.after(() => agent.destroy());
    const lengths = Array.from({ length: 300 }, (_, index) => 1 + (index % 30) * 3000);
    for (let at = 0; at < lengths.length; at += 20) {
      const asked = lengths.slice(at, at + 20);
      const answers = asked.map((length) => get(agent, port, `/${length}`));
      assert.deepStrictEqual(await Promise.all(answers), asked);
      await exchange(ws);
    }
    await check(ws, accepted[0]);
  });

  it('takes a connection over after 300 requests on it', async (t) => {
    const { accepted, port } = await serve(t);
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    for (let i = 0; i < 300; i++) {
      const expected = 1 + (i % 7) * 4000;
      socket.write(`GET /${expected} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      let text = '';
      const isWhole = () => text.length - (text.indexOf('\r\n\r\n') + 4) >= expected;
      while (!text.includes('\r\n\r\n') || !isWhole()) {
        text += (await once(socket, 'data'))[0].toString('latin1');
      }
    }
    socket.write(Buffer.concat([Buffer.from(upgradeRequest()), frame(1, 'hello', { key: KEY })]));
    let text = '';
    while (!text.endsWith('hello')) text += (await once(socket, 'data'))[0].toString('latin1');
    assert.strictEqual(accepted[0].transport, 'engine');
  });

  const versions = {
    'TLS 1.3': [{}, {}],
    'TLS 1.2 with tickets': [{}, { maxVersion: 'TLSv1.2' }],
    'TLS 1.2 with sessions': [{ secureOptions: SSL_OP_NO_TICKET }, { maxVersion: 'TLSv1.2' }]
  };
  for (const [name, [options, clientOptions]] of Object.entries(versions)) {
    // Node.js itself keeps no sessions.
    const isSkipped = name.endsWith('sessions');
    it(`resumes a session: ${name}`, { skip: isSkipped }, async (t) => {
      const { accepted, url } = await serve(t, options);
      const first = await open(t, url, clientOptions);
      await exchange(first);
      const session = first._socket.getSession();
      const second = await open(t, url, { ...clientOptions, session });
      assert.strictEqual(second._socket.isSessionReused(), true);
      assert.strictEqual(accepted[1]._socket.isSessionReused(), true);
      await check(second, accepted[1]);
    });

    it(`stores sessions where its listeners say: ${name}`, async (t) => {
      const { accepted, server, url } = await serve(t, options);
      const store = new Map();
      let resumed = 0;
      server.on('newSession', (id, data, callback) => {
        store.set(id.toString('hex'), data);
        setTimeout(callback, 5);
      });
      server.on('resumeSession', (id, callback) => {
        const data = store.get(id.toString('hex')) ?? null;
        if (data !== null) resumed++;
        setTimeout(callback, 5, null, data);
      });
      const first = await open(t, url, clientOptions);
      await exchange(first);
      const session = first._socket.getSession();
      const second = await open(t, url, { ...clientOptions, session });
      await exchange(second);
      assert.strictEqual(second._socket.isSessionReused(), true);
      if (name.endsWith('sessions')) assert.deepStrictEqual([store.size > 0, resumed], [true, 1]);
      for (const { transport } of [first, second]) assert.strictEqual(transport, 'engine');
      assert.strictEqual(accepted.length, 2);
    });
  }

  it('resumes with ticket keys that change', async (t) => {
    const { accepted, server, url } = await serve(t, { ticketKeys: Buffer.alloc(48, 1) });
    const first = await open(t, url);
    await exchange(first);
    const session = first._socket.getSession();
    server.setTicketKeys(Buffer.alloc(48, 2));
    const other = await open(t, url, { session });
    assert.strictEqual(other._socket.isSessionReused(), false);
    server.setTicketKeys(Buffer.alloc(48, 1));
    const again = await open(t, url, { session });
    assert.strictEqual(again._socket.isSessionReused(), true);
    for (const [index, ws] of [first, other, again].entries()) await check(ws, accepted[index]);
  });

  it('has its certificate in PKCS #12', async (t) => {
    const options = { cert: undefined, key: undefined, pfx, passphrase: 'pass' };
    const { accepted, url } = await serve(t, { ...options, requestCert: true, ca: cert });
    const ws = await open(t, url, { pfx, passphrase: 'pass' });
    assert.strictEqual(accepted[0]._socket.getPeerCertificate().subject.CN, 'localhost');
    await check(ws, accepted[0]);
  });

  it('has other contexts by name, and gets another one', async (t) => {
    const { accepted, server, url } = await serve(t);
    server.addContext('other.example', { cert, key, maxVersion: 'TLSv1.2' });
    server.addContext('*.example.org', tls.createSecureContext({ cert, key }));
    for (const servername of ['localhost', 'other.example', 'a.example.org']) {
      const ws = await open(t, url, { servername });
      await check(ws, accepted.at(-1));
      assert.strictEqual(accepted.at(-1)._socket.servername, servername);
    }
    const old = accepted[0];
    server.setSecureContext({ cert, key, ciphers: 'TLS_CHACHA20_POLY1305_SHA256' });
    const ws = await open(t, url);
    assert.match(ws._socket.getCipher().name, /CHACHA20/);
    await check(ws, accepted.at(-1));
    assert.strictEqual(old.transport, 'engine');
    assert.notStrictEqual(old._socket.getCipher().name, ws._socket.getCipher().name);
  });

  it('checks the certificates of its clients', async (t) => {
    const options = { requestCert: true, rejectUnauthorized: false };
    const { accepted, url } = await serve(t, options);
    const known = await open(t, url, { cert, key });
    const unknown = await open(t, url);
    const [first, second] = accepted.map(({ _socket: socket }) => socket);
    assert.deepStrictEqual([first.authorized, second.authorized], [false, false]);
    assert.ok(first.authorizationError);
    assert.strictEqual(first.getPeerCertificate().subject.CN, 'localhost');
    assert.deepStrictEqual(second.getPeerCertificate(), {});
    await check(known, accepted[0]);
    await check(unknown, accepted[1]);
  });

  it('takes upgrades of the program: noServer', async (t) => {
    const server = https.createServer({ cert, key });
    const wss = new WebSocketServer({ noServer: true });
    const accepted = [];
    server.on('upgrade', (request, socket, head) => {
      setTimeout(() => {
        wss.handleUpgrade(request, socket, head, (ws) => {
          accepted.push(ws);
          ws.on('message', (data, binary) => ws.send(data, { binary }));
        });
      }, 10);
    });
    t.after(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const ws = await open(t, `wss://127.0.0.1:${server.address().port}`);
    await check(ws, accepted[0]);
  });

  it('tells listeners of its keys, of the handshake', async (t) => {
    const { accepted, server, url } = await serve(t);
    const lines = { client: [], server: [] };
    server.on('keylog', (line) => lines.server.push(String(line)));
    const ws = await open(t, url, {
      finishRequest: (request) => {
        request.on('socket', (socket) => {
          socket.on('keylog', (line) => lines.client.push(String(line)));
        });
        request.end();
      }
    });
    await check(ws, accepted[0]);
    for (const side of Object.values(lines)) {
      assert.ok(side.some((line) => line.startsWith('SERVER_TRAFFIC_SECRET_0 ')));
    }
  });

  it('writes its keys to a file: --tls-keylog', async () => {
    const file = path.join(os.tmpdir(), `oxws-keys-${process.pid}`);
    const program = `
      const https = require('node:https');
      const { WebSocket, WebSocketServer } = require('./');
      const server = https.createServer(require('./__test__/support/certificate'));
      const wss = new WebSocketServer({ server });
      wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
      server.listen(0, '127.0.0.1', () => {
        const url = 'wss://127.0.0.1:' + server.address().port;
        const ws = new WebSocket(url, { rejectUnauthorized: false });
        ws.on('open', () => ws.send('hello'));
        ws.on('message', () => {
          console.log(ws.transport, [...wss.clients][0].transport);
          process.exit();
        });
      });`;
    try {
      const args = ['--tls-keylog', file, '-e', program];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
      assert.strictEqual(stdout.trim(), 'engine engine');
      assert.match(fs.readFileSync(file, 'latin1'), /CLIENT_TRAFFIC_SECRET_0 /);
    } finally {
      fs.rmSync(file, { force: true });
    }
  });

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

  it('follows its peer to other keys: KeyUpdate', { skip: !hasOpenssl }, async (t) => {
    const { accepted, port } = await serve(t);
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3'];
    const client = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    t.after(() => client.kill());
    let received = '';
    client.stdout.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    const arrives = (text) => until(() => received.includes(text));
    client.stdin.write(upgradeRequest());
    await arrives('HTTP/1.1 101');
    for (let i = 0; i < 8; i++) {
      // The answer asks for nothing, or for new keys of ours.
      client.stdin.write(i % 2 ? 'K\n' : 'k\n');
      await sleep(60);
      client.stdin.write(frame(1, `message ${i}`, { key: KEY }));
      await arrives(`message ${i}`);
    }
    assert.strictEqual(accepted[0].transport, 'engine');
  });

  it('refuses a second handshake, and lets nothing else be lost', async (t) => {
    const { accepted, port } = await serve(t);
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' };
    const socket = tls.connect(options);
    t.after(() => socket.destroy());
    const failed = new Promise((resolve) => socket.on('error', resolve));
    await once(socket, 'secureConnect');
    socket.write(upgradeRequest());
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    await until(() => received.includes('\r\n\r\n'));
    socket.write(frame(1, 'before', { key: KEY }));
    await until(() => received.endsWith('before'));
    const closed = once(accepted[0], 'close');
    socket.renegotiate({}, () => {});
    assert.match(String(await failed), /no renegotiation/);
    socket.destroy();
    assert.strictEqual((await closed)[0], 1006);
  });

  it('goes on to send where its peer has ended', async (t) => {
    const { accepted, port } = await serve(t);
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true };
    for (const version of ['TLSv1.3', 'TLSv1.2']) {
      const socket = tls.connect({ ...options, maxVersion: version });
      t.after(() => socket.destroy());
      await once(socket, 'secureConnect');
      socket.write(upgradeRequest());
      await until(() => accepted.length > 0);
      const peer = accepted.pop();
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
      });
      await until(() => received.includes('\r\n\r\n'));
      const ended = [once(peer, 'message'), once(peer._socket, 'end'), once(socket, 'end')];
      peer._socket.allowHalfOpen = true;
      socket.end(frame(1, 'last', { key: KEY }));
      await Promise.all(ended);
      assert.match(received, /last$/);
    }
  });

  it('sends all to a peer that reads slowly', async (t) => {
    const { accepted, port } = await serve(t);
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    socket.write(upgradeRequest());
    await until(() => accepted.length > 0);
    const [peer] = accepted;
    let length = 0;
    socket.on('data', (chunk) => {
      length += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    let sum = 0;
    let called = 0;
    for (let i = 0; i < 400; i++) {
      const size = (i * 977) % 40_000;
      sum += size + (size < 126 ? 2 : size < 65_536 ? 4 : 10);
      peer.send(Buffer.alloc(size, i), () => called++);
    }
    await until(() => length >= sum);
    await until(() => called === 400);
    assert.strictEqual(peer.bufferedAmount, 0);
  });
});

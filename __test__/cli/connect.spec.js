// @ts-check
'use strict';

// The command as a client.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const WebSocket = require('../..');
const { cert, key } = require('../support/certificate');
const { cleanups, echo, run, serveOn, start } = require('../support/command');
const until = require('../support/until');

/** Windows has no signals: a process that gets one is just ended. */
const withoutSignals = process.platform === 'win32' && 'there are no signals';

describe('oxws --connect', { timeout: 120_000 }, () => {
  it('sends the lines of its input, and prints the answers to all of them', async () => {
    const port = await serveOn();
    const { child, ended } = start('-c', `localhost:${port}`);
    const lines = Array.from({ length: 300 }, (_, i) => `line ${i} ü`);
    child.stdin.end(lines.join('\r\n'));

    assert.deepEqual(await ended, { code: 0, stdout: `${lines.join('\n')}\n`, stderr: '' });
  });

  it('sends commands, waits, and closes', async () => {
    /** @type {unknown[]} */
    const closes = [];
    const port = await serveOn((ws) => {
      ws.on('message', (data) => setTimeout(() => ws.send(`late ${data}`), 50));
      ws.on('close', (code) => closes.push(code));
    });
    const address = `ws://127.0.0.1:${port}`;

    const all = await run('-c', address, '-x', 'one', '-x', '-two', '-w', '0.5');
    assert.deepEqual(all, { code: 0, stdout: 'late one\nlate -two\n', stderr: '' });
    const none = await run('-c', address, '-x', 'one', '-w', '0');
    assert.deepEqual(none, { code: 0, stdout: '', stderr: '' });
    assert.deepEqual(closes, [1005, 1005]);
  });

  it('stays after commands until the peer closes, if asked to', async () => {
    const port = await serveOn((ws) => {
      ws.on('message', () => setTimeout(() => ws.close(), 300));
    });
    const before = Date.now();

    assert.equal((await run('-c', `ws://127.0.0.1:${port}`, '-x', 'a', '-w', '-1')).code, 0);
    assert.ok(Date.now() - before >= 300);
  });

  it('begins lines with the time, if asked to', async () => {
    const port = await serveOn((ws) => {
      ws.send('text');
      ws.close();
    });
    const { stdout } = await run('-c', `localhost:${port}`, '--timestamps');
    assert.match(stdout, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z text\n$/);
  });

  it('gives a server up that does not answer its pings', async () => {
    const port = await serveOn((ws) => ws.pause());
    const { code, stderr } = await run('-c', `localhost:${port}`, '--ping', '0.2', '-w', '-1');
    assert.equal(code, 255);
    assert.match(stderr, /^error: Nothing was received for 200 ms/);
    assert.match((await run('-c', 'localhost', '--ping', 'x')).stderr, /ping: 'x' is not possible/);
  });

  it('tells how to follow a redirect', async () => {
    const server = http.createServer();
    server.on('upgrade', (_req, socket) => {
      socket.end('HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = /** @type {net.AddressInfo} */ (server.address());
    const { code, stderr } = await run('-c', `ws://127.0.0.1:${port}`);
    server.close();
    assert.equal(code, 255);
    assert.equal(stderr, 'error: Unexpected server response: 302 (-L follows redirects)\n');
  });

  it('prints binary messages as hexadecimal digits', async () => {
    const port = await serveOn((ws) => {
      ws.send(Buffer.from([0, 1, 0xfe, 0xff]));
      ws.send('text');
      ws.close();
    });

    assert.equal((await run('-c', `ws://127.0.0.1:${port}`)).stdout, '0001feff\ntext\n');
  });

  it('connects to a Unix socket', { skip: process.platform === 'win32' }, async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-cli-'));
    const socket = path.join(folder, 'socket');
    const server = http.createServer();
    const wss = new WebSocket.Server({ server });
    wss.on('connection', (ws, { url }) => {
      ws.send(`at ${url}`);
      ws.close();
    });
    server.listen(socket);
    await once(server, 'listening');
    cleanups.push(() => {
      server.close();
      fs.rmSync(folder, { recursive: true });
    });

    assert.equal((await run('-c', `ws+unix:${socket}:/there`)).stdout, 'at /there\n');
  });

  it('tells of pings and pongs when asked to', async () => {
    const serve = (/** @type {WebSocket} */ ws) => {
      ws.ping('a');
      ws.pong('b');
      ws.close();
    };
    const port = await serveOn(serve);

    assert.equal(
      (await run('-P', '-c', `ws://127.0.0.1:${port}`)).stdout,
      'Received ping (data: "a")\nReceived pong (data: "b")\n'
    );
    assert.equal((await run('-c', `ws://127.0.0.1:${port}`)).stdout, '');
  });

  it('asks for what the options say', async () => {
    const port = await serveOn((ws, { headers }) => {
      ws.send(JSON.stringify({ ...headers, protocol: ws.protocol }));
      ws.close();
    });
    const { stdout } = await run(
      ...['-c', `ws://127.0.0.1:${port}`, '-H', 'X-One: 1', '-H', 'X-Two:a:b', '-H', 'X-One: 2'],
      ...['--auth', 'me:secret', '--host', 'example.com', '-o', 'http://here', '-p', '8'],
      ...['-s', 'first', '-s', 'second']
    );

    const headers = JSON.parse(stdout);
    assert.equal(headers['x-one'], '1, 2');
    assert.equal(headers['x-two'], 'a:b');
    assert.equal(headers.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
    assert.equal(headers.host, 'example.com');
    assert.equal(headers['sec-websocket-origin'], 'http://here');
    assert.equal(headers['sec-websocket-version'], '8');
    assert.equal(headers['sec-websocket-protocol'], 'first,second');
    assert.equal(headers.protocol, 'first');
  });

  it('ends with exit code 255 where there is no connection', async () => {
    const refused = await run('-c', 'ws://127.0.0.1:1');
    assert.deepEqual(refused, {
      code: 255,
      stdout: '',
      stderr: 'error: connect ECONNREFUSED 127.0.0.1:1\n'
    });

    const server = http.createServer((_request, response) => response.end());
    const port = await serveOn(echo, server);
    server.removeAllListeners('upgrade');
    const { code, stderr } = await run('-c', `ws://127.0.0.1:${port}`);
    assert.deepEqual([code, stderr], [255, 'error: Unexpected server response: 200\n']);
  });

  it('ends with exit code 255 where the peer breaks the protocol', async () => {
    const port = await serveOn((/** @type {any} */ ws) => ws._socket.write(Buffer.from([0xff, 0])));
    const { child, ended } = start('-c', `ws://127.0.0.1:${port}`);
    const { code, stderr } = await ended;
    child.stdin.end();

    assert.equal(code, 255);
    assert.match(stderr, /^error: Invalid WebSocket frame: /);
  });

  it('follows redirects when asked to', async () => {
    const port = await serveOn((ws, { url }) => {
      ws.send(`at ${url}`);
      ws.close();
    });
    const server = http.createServer().on('upgrade', (_request, socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:${port}/there\r\n\r\n`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const address = `ws://127.0.0.1:${/** @type {net.AddressInfo} */ (server.address()).port}`;

    assert.equal((await run('-L', '-c', address)).stdout, 'at /there\n');
    assert.match((await run('-c', address)).stderr, /response: 302/);
    assert.match(
      (await run('-L', '-c', address, '--max-redirects', '0')).stderr,
      /Maximum redirects/
    );
  });

  it('closes at SIGINT, as by Ctrl+C', { skip: withoutSignals }, async () => {
    /** @type {number[]} */
    const closes = [];
    const port = await serveOn((ws) => {
      ws.send('hello');
      ws.on('close', (code) => closes.push(code));
    });
    const { child, ended, output } = start('-c', `ws://127.0.0.1:${port}`);
    await until(() => output.stdout === 'hello\n', 'the message');
    child.kill('SIGINT');

    assert.equal((await ended).code, 0);
    await until(() => closes.length > 0, 'the end of the connection');
    assert.deepEqual(closes, [1005]);
  });
});

describe('oxws --connect with TLS and proxies', { timeout: 120_000 }, () => {
  /** @type {string} */
  let folder;
  /** @type {string} */
  let certificate;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-cli-'));
    certificate = path.join(folder, 'cert.pem');
    fs.writeFileSync(certificate, cert);
    fs.writeFileSync(path.join(folder, 'key.pem'), key);
    const { createPrivateKey } = require('node:crypto');
    const locked = createPrivateKey(key).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'open sesame'
    });
    fs.writeFileSync(path.join(folder, 'locked.pem'), locked);
  });

  after(() => fs.rmSync(folder, { recursive: true }));

  /** @type {(ws: WebSocket) => void} */
  const greet = (ws) => {
    ws.send('hello');
    ws.close();
  };

  /**
   * Starts an HTTP proxy.
   *
   * @param {string} [status] What it answers, if not a connection
   * @return {Promise<{ address: string, requests: http.IncomingMessage[] }>} Where it listens, and
   *   what it was asked for
   */
  async function startProxy(status) {
    /** @type {http.IncomingMessage[]} */
    const requests = [];
    const proxy = http.createServer().on('connect', (request, socket) => {
      requests.push(request);
      if (status !== undefined) {
        socket.end(`HTTP/1.1 ${status}\r\n\r\n`);
        return;
      }
      const { hostname, port } = new URL(`http://${request.url}`);
      const target = net.connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
      socket.on('error', () => target.destroy());
      target.on('error', () => socket.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    cleanups.push(() => proxy.close());
    const { port } = /** @type {net.AddressInfo} */ (proxy.address());
    return { address: `127.0.0.1:${port}`, requests };
  }

  it('checks the certificate of the server, unless told not to', async () => {
    const port = await serveOn(greet, https.createServer({ cert, key }));
    const address = `wss://localhost:${port}`;

    const refused = await run('-c', address);
    assert.deepEqual([refused.code, refused.stdout], [255, '']);
    assert.match(refused.stderr, /^error: .*self-signed certificate/);
    assert.equal((await run('-n', '-c', address)).stdout, 'hello\n');
    assert.equal((await run('--no-check', '-c', address)).stdout, 'hello\n');
    assert.equal((await run('--ca', certificate, '-c', address)).stdout, 'hello\n');
  });

  it('shows a certificate of its own, with a key that a passphrase opens', async () => {
    const server = https.createServer({ cert, key, ca: cert, requestCert: true });
    const port = await serveOn(greet, server);
    const args = ['-c', `wss://localhost:${port}`, '--ca', certificate, '--cert', certificate];
    const locked = [...args, '--key', path.join(folder, 'locked.pem')];

    assert.match(
      (await run('-c', `wss://localhost:${port}`, '--ca', certificate)).stderr,
      /^error: /
    );
    const plain = await run(...args, '--key', path.join(folder, 'key.pem'));
    assert.equal(plain.stdout, 'hello\n');
    assert.equal((await run(...locked, '--passphrase', 'open sesame')).stdout, 'hello\n');

    const { child, ended } = start(...locked, '--passphrase');
    child.stdin.end('open sesame\n');
    const { stdout, stderr } = await ended;
    assert.equal(stdout, 'hello\n');
    assert.equal(stderr, 'Passphrase: \n');
  });

  it('goes through a proxy', async () => {
    const port = await serveOn(greet);
    const { address, requests } = await startProxy();

    const plain = await run('--proxy', address, '-c', `ws://127.0.0.1:${port}`);
    assert.equal(plain.stdout, 'hello\n');
    const named = await run('--proxy', `http://me:p%40ss@${address}`, '-c', `localhost:${port}`);
    assert.equal(named.stdout, 'hello\n');

    assert.deepEqual(
      requests.map(({ url, headers }) => [url, headers['proxy-authorization']]),
      [
        [`127.0.0.1:${port}`, undefined],
        [`localhost:${port}`, `Basic ${Buffer.from('me:p@ss').toString('base64')}`]
      ]
    );
  });

  it('goes through a proxy with TLS behind it', async () => {
    const port = await serveOn(greet, https.createServer({ cert, key }));
    const { address, requests } = await startProxy();
    const args = ['--proxy', `http://${address}`, '-c', `wss://localhost:${port}`];

    assert.match((await run(...args)).stderr, /self-signed certificate/);
    assert.equal((await run(...args, '--ca', certificate)).stdout, 'hello\n');
    assert.equal(requests.length, 2);
  });

  it('says why a proxy refuses', async () => {
    const { address } = await startProxy('407 Proxy Authentication Required');
    const { code, stderr } = await run('--proxy', address, '-c', 'ws://127.0.0.1:1');

    assert.equal(code, 255);
    assert.equal(stderr, 'error: the proxy answered 407 Proxy Authentication Required\n');
  });
});

// @ts-check
'use strict';

// The command `oxws`, as a process of its own: against servers of ours, and in a terminal.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, afterEach, before, describe, it } = require('node:test');

const WebSocket = require('..');
const { parse } = require('../bin/cli/arguments');
const { CAT_OPTIONS } = require('../bin/cli/options');
const { cert, key } = require('./support/certificate');
const { freePort, isReachable } = require('./support/ports');
const findProgram = require('./support/programs');
const openTerminal = require('./support/terminal');
const until = require('./support/until');

/** Windows has no signals: a process that gets one is just ended. */
const withoutSignals = process.platform === 'win32' && 'there are no signals';

const COMMAND = path.join(__dirname, '..', 'bin', 'oxws.js');

/** @type {(() => unknown)[]} What ends what a test has opened. */
const cleanups = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/**
 * Starts the command.
 *
 * @param {string[]} args Its arguments
 * @return {{
 *   child: import('node:child_process').ChildProcessWithoutNullStreams,
 *   output: { stdout: string, stderr: string },
 *   ended: Promise<{ code: number | null, stdout: string, stderr: string }>
 * }} The process; what it has printed so far; and how it ended
 */
function start(...args) {
  const child = spawn(process.execPath, [COMMAND, ...args]);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  child.stdin.on('error', () => {}); // it may have ended before it read
  cleanups.push(() => child.kill('SIGKILL'));
  return { child, output, ended: once(child, 'close').then(([code]) => ({ code, ...output })) };
}

/**
 * Runs the command with an empty input.
 *
 * @param {string[]} args Its arguments
 * @return {Promise<{ code: number | null, stdout: string, stderr: string }>} How it ended
 */
function run(...args) {
  const { child, ended } = start(...args);
  child.stdin.end();
  return ended;
}

/**
 * Starts a server.
 *
 * @param {(ws: WebSocket, request: http.IncomingMessage) => void} [serve] Serves a client; it echoes
 *   where there is none
 * @param {http.Server | https.Server} [server] What it listens with
 * @return {Promise<number>} The port
 */
async function serveOn(serve = echo, server = http.createServer()) {
  const wss = new WebSocket.Server({ server, perMessageDeflate: true });
  wss.on('connection', (ws, request) => {
    ws.on('error', () => {});
    serve(ws, request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const ws of wss.clients) ws.terminate();
    server.close();
  });
  return /** @type {net.AddressInfo} */ (server.address()).port;
}

/** @param {WebSocket} ws A client, which gets back what it sends */
function echo(ws) {
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
}

describe('The arguments of oxws', () => {
  it('are read in all forms that wscat takes', () => {
    /** @type {[string[], Record<string, any>][]} */
    const cases = [
      [['-c', 'ws://a'], { connect: 'ws://a' }],
      [['--connect=ws://a'], { connect: 'ws://a' }],
      [['-w', '-1'], { wait: '-1' }],
      [['-w-1'], { wait: '-1' }],
      [['-nLP'], { 'no-check': true, location: true, 'show-ping-pong': true }],
      [['-Pw', '3'], { 'show-ping-pong': true, wait: '3' }],
      [['-x', '--help', '-x', ''], { execute: ['--help', ''] }],
      [['-s', 'a', '--subprotocol', 'b'], { subprotocol: ['a', 'b'] }],
      [['--passphrase', '-n'], { passphrase: true, 'no-check': true }],
      [['--passphrase', 'secret'], { passphrase: 'secret' }],
      [['--passphrase='], { passphrase: '' }],
      [['--max-redirects', '3'], { 'max-redirects': '3' }]
    ];
    for (const [args, values] of cases) {
      assert.deepEqual({ ...parse(args, CAT_OPTIONS).values }, values, args.join(' '));
    }
  });

  it('are refused with exit code 1 and a line that says why', async () => {
    /** @type {[string[], RegExp][]} */
    const cases = [
      [['--nonsense'], /^error: unknown option '--nonsense'\n$/],
      [['--toString'], /^error: unknown option '--toString'\n$/],
      [['--connect'], /^error: option '-c, --connect <url>' argument missing\n$/],
      [['--slash=1'], /^error: option '--slash' takes no value\n$/],
      [['ws://localhost'], /^error: unexpected argument 'ws:\/\/localhost'/],
      [['-c', 'http://['], /^error: Invalid URL: http:\/\/\[\n$/],
      [['-c', 'ftp://a'], /^error: The URL's protocol must be one of /],
      [['-c', 'ws://a', '-p', '9'], /^error: Unsupported protocol version: 9 /],
      [['-c', 'ws://a', '-H', 'nothing'], /^error: 'nothing' is no header/],
      [['-c', 'ws://a', '-w', 'soon'], /^error: wait: 'soon' is not possible\n$/],
      [['-c', 'ws://a', '--ca', '/nowhere'], /^error: ENOENT: .*nowhere/],
      [['-c', 'ws://a', '--proxy', 'socks://a'], /^error: proxy: 'socks:\/\/a' is not possible/],
      [['-l', '70000'], /^error: listen: '70000' is not possible\n$/],
      [['-l', '0', '-x', 'hi'], /^error: --execute does nothing with --listen\n$/],
      [['bench'], /^error: oxws bench takes one address/],
      [['bench', 'ws://a', '--size', '-1'], /^error: size: '-1' is not possible\n$/]
    ];
    await Promise.all(
      cases.map(async ([args, pattern]) => {
        const { code, stdout, stderr } = await run(...args);
        assert.match(stderr, pattern);
        assert.deepEqual({ code, stdout }, { code: 1, stdout: '' }, args.join(' '));
      })
    );
  });

  it('of both roles end in exit code 255, as with wscat', async () => {
    const { code, stderr } = await run('-c', 'ws://a', '-l', '1');

    assert.deepEqual([code, stderr], [255, 'error: Use either --listen or --connect\n']);
  });

  it('are explained', async () => {
    const [help, nothing, bench, version] = await Promise.all([
      run('--help'),
      run(),
      run('bench', '--help'),
      run('--version')
    ]);

    assert.equal(help.code, 0);
    assert.equal(nothing.stdout, help.stdout);
    for (const name of Object.keys(CAT_OPTIONS)) assert.ok(help.stdout.includes(`--${name}`), name);
    assert.ok(help.stdout.split('\n').every((line) => line.length <= 100));
    const document = fs.readFileSync(path.join(__dirname, '..', 'doc', 'command.md'), 'utf8');
    for (const { stdout } of [help, bench]) assert.ok(document.includes(stdout), stdout);
    assert.equal(version.stdout, `${require('../package.json').version}\n`);
  });
});

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
   * @return {Promise<{ address: string, requests: http.IncomingMessage[] }>} Where it listens, and what
   *   it was asked for
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

describe('oxws --listen', { timeout: 120_000 }, () => {
  /**
   * Starts the command as a server.
   *
   * @param {string[]} args More arguments
   * @return {Promise<ReturnType<typeof start> & { address: string }>} The process and where it listens
   */
  async function listen(...args) {
    const port = await freePort();
    const started = start('--listen', `${port}`, ...args);
    const address = `ws://127.0.0.1:${port}`;
    // It prints nothing: whether it listens is seen by asking.
    await until(
      () => isReachable(port),
      () => `the command to listen; it has printed ${started.output.stderr}`
    );
    return { ...started, address };
  }

  it('talks to one client at a time', async () => {
    const { address, child, output } = await listen();
    const one = new WebSocket(address);
    await once(one, 'open');
    const other = new WebSocket(address).on('error', () => {});
    await once(other, 'close');

    one.send('to the server');
    const printed = () => `something else than ${output.stdout}`;
    await until(() => output.stdout === 'to the server\n', printed);
    child.stdin.write('to the client\n');
    assert.equal(String((await once(one, 'message'))[0]), 'to the client');
    one.close();
    await once(one, 'close');

    const next = new WebSocket(address);
    await once(next, 'open');
    next.send(Buffer.from([255]));
    await until(() => output.stdout === 'to the server\nff\n', printed);
    next.close();
    await once(next, 'close');
  });

  it('closes at SIGINT, as by Ctrl+C', { skip: withoutSignals }, async () => {
    const { address, child, ended } = await listen();
    const ws = new WebSocket(address);
    await once(ws, 'open');
    child.kill('SIGINT');

    const [[closeCode], { code }] = await Promise.all([once(ws, 'close'), ended]);
    assert.deepEqual([closeCode, code], [1005, 0]);
  });

  it('stays when its input ends', async () => {
    const { address, child } = await listen();
    child.stdin.end('hello\n');
    for (const expected of ['hello', undefined]) {
      const ws = new WebSocket(address);
      /** @type {string[]} */
      const messages = [];
      ws.on('message', (data) => messages.push(String(data)));
      await once(ws, 'open');
      if (expected !== undefined) await until(() => messages.length > 0, 'what it had read');
      ws.close();
      await once(ws, 'close');
      assert.equal(messages[0], expected);
    }
  });

  it('ends with exit code 255 where the port is taken', async () => {
    const port = await serveOn();
    const { code, stderr } = await run('-l', `${port}`, '--host', '127.0.0.1');

    assert.equal(code, 255);
    assert.match(stderr, /^error: listen EADDRINUSE/);
  });
});

describe('oxws bench', { timeout: 120_000 }, () => {
  it('measures, and gives the result as JSON', async () => {
    let clients = 0;
    let bytes = 0;
    const port = await serveOn((ws) => {
      clients++;
      ws.send('welcome'); // is not counted
      ws.on('message', (data, isBinary) => {
        bytes += /** @type {Buffer} */ (data).length;
        ws.send(data, { binary: isBinary });
      });
    });
    const { code, stdout, stderr } = await run(
      ...['bench', `localhost:${port}`, '--connections', '70', '--size', '30', '--in-flight', '3'],
      ...['--duration', '0.5', '--json']
    );

    assert.deepEqual([code, stderr], [0, '']);
    const result = JSON.parse(stdout);
    assert.equal(clients, 70);
    assert.equal(result.connections, 70);
    assert.equal(result.lost, 0);
    assert.ok(result.messages > 210);
    assert.ok(result.seconds >= 0.5 && result.seconds < 5);
    const rate = result.messages / result.seconds;
    assert.ok(Math.abs(result.messagesPerSecond / rate - 1) < 0.01);
    // Each message that was counted was sent, and at most those that were under way weren't counted.
    assert.ok(Math.abs(bytes / 30 - result.messages) <= 2 * 210);
    const { min, p50, p90, p99, max } = result.latency;
    const sorted = [min, p50, p90, p99, max].sort((a, b) => a - b);
    assert.deepEqual([min, p50, p90, p99, max], sorted);
    assert.ok(min > 0);
  });

  it('measures the time that an echo takes', async () => {
    const port = await serveOn((ws) => {
      ws.on('message', (data) => setTimeout(() => ws.send(data), 40));
    });
    const { stdout } = await run(
      ...['bench', `localhost:${port}`, '--connections', '1', '--duration', '1', '--json']
    );
    const { latency, messagesPerSecond } = JSON.parse(stdout);

    assert.ok(latency.min >= 39, `${latency.min}`);
    assert.ok(messagesPerSecond <= 26, `${messagesPerSecond}`);
  });

  it('prints a row a second and the result', async () => {
    /** @type {string[]} */
    const seen = [];
    const port = await serveOn((ws) => {
      ws.on('message', (data, isBinary) => {
        seen[0] = `${isBinary ? 'binary' : 'text'} ${ws.extensions.split(';')[0]}`;
        ws.send(data, { binary: isBinary });
      });
    });
    const { code, stdout } = await run(
      ...['bench', `ws://127.0.0.1:${port}`, '--duration', '1.5', '--text', '--deflate']
    );

    assert.equal(code, 0);
    assert.match(stdout, /^ws:.*: 10 connections, 64 bytes, 1 in flight\n/);
    assert.match(stdout, /^ +1\.\d s +[\d,]+ messages\/s {2}p50 +[\d.]+ ms {2}p99 +[\d.]+ ms$/m);
    assert.match(stdout, /^rate +[\d,]+ messages\/s/m);
    assert.match(stdout, /^latency +min [\d.]+ ms +p50 /m);
    assert.deepEqual(seen, ['text permessage-deflate']);
  });

  it('tells of connections that were closed', async () => {
    let clients = 0;
    const port = await serveOn((ws) => {
      echo(ws);
      if (++clients > 1) return;
      let messages = 0;
      ws.on('message', () => ++messages === 10 && ws.close());
    });
    const { stdout } = await run('bench', `localhost:${port}`, '--duration', '0.8', '--json');

    assert.equal(JSON.parse(stdout).lost, 1);
  });

  it('ends with exit code 255 where nothing can be measured', async () => {
    const port = await serveOn(() => {});
    const [silent, refused] = await Promise.all([
      run('bench', `localhost:${port}`, '--duration', '0.3'),
      run('bench', 'ws://127.0.0.1:1')
    ]);

    assert.deepEqual(
      [silent.code, silent.stderr],
      [255, 'error: no echo came back from the server\n']
    );
    assert.deepEqual(
      [refused.code, refused.stderr],
      [255, 'error: connect ECONNREFUSED 127.0.0.1:1\n']
    );
  });
});

const skip =
  findProgram('tmux') === undefined && 'no tmux found: it is the terminal of these tests';

describe('oxws in a terminal', { skip, timeout: 120_000 }, () => {
  /**
   * Starts the command in a terminal.
   *
   * @param {string[]} args Its arguments
   * @param {{ columns?: number }} [size] The size of the terminal
   * @return {ReturnType<typeof openTerminal>} The terminal
   */
  function startInTerminal(args, size) {
    const terminal = openTerminal([process.execPath, COMMAND, ...args], size);
    cleanups.push(terminal.close);
    return terminal;
  }

  it('has a prompt, a history and editing', async () => {
    /** @type {string[]} */
    const received = [];
    const port = await serveOn((ws) => {
      ws.on('message', (data) => {
        received.push(String(data));
        ws.send(`you said ${data}`);
      });
    });
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`]);
    await terminal.waitFor(/^Connected \(press CTRL\+C to quit\)\n>/);

    terminal.type('first');
    terminal.press('Enter');
    await terminal.waitFor(/^> first\n< you said first\n>/m);
    terminal.type('second');
    terminal.press('Enter');
    await terminal.waitFor(/^< you said second\n>/m);

    terminal.press('Up', 'Up');
    await terminal.waitFor(/^> first$(?!\n)/m);
    terminal.type(' again');
    terminal.press('Home', 'Delete');
    terminal.type('F');
    // Node 20 puts what arrives together with Enter at the end of the line.
    await terminal.waitFor(/^> First again$/m);
    terminal.press('Enter');
    await terminal.waitFor(/^< you said First again$/m);
    assert.deepEqual(received, ['first', 'second', 'First again']);

    terminal.press('C-c');
    assert.equal(await terminal.exitCode(), 0);
    assert.match(terminal.screen(), /^Disconnected \(code: 1005, reason: ""\)$/m);
  });

  it('keeps what is being typed when a message comes', async () => {
    /** @type {WebSocket | undefined} */
    let peer;
    const port = await serveOn((ws) => {
      peer = ws;
      echo(ws);
    });
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`], { columns: 40 });
    await terminal.waitFor(/^Connected/);
    const long = 'a line that is too long for one row of so narrow a terminal';
    terminal.type(long);
    await terminal.waitFor(/terminal$/m);
    peer?.send('in between');
    await terminal.waitFor(/^< in between\n> a line/m);
    assert.equal(terminal.screen().match(/a line that/g)?.length, 1);

    terminal.type('!');
    terminal.press('Enter');
    await terminal.waitFor(/^< a line/m);
    assert.ok(terminal.screen().replaceAll('\n', '').includes(`< ${long}!`));
  });

  it('sends control frames by slash commands, and shows bytes', async () => {
    const port = await serveOn((ws) => {
      ws.send(Buffer.from([1, 2, 255]));
      ws.send(Buffer.from('twenty bytes, or so.'));
      ws.send('\u001b[31mred\u0007');
      ws.on('pong', (data) => ws.send(`pong ${data}`));
    });
    const terminal = startInTerminal(['-P', '--slash', '-c', `ws://127.0.0.1:${port}`]);
    await terminal.waitFor(/^< \\x1b\[31mred\\x07$/m);
    assert.match(terminal.screen(), /^< \[binary, 3 bytes\] 01 02 ff$/m);
    assert.match(
      terminal.screen(),
      /^< \[binary, 20 bytes\]\n {2}00000000 {2}74 77 .* {2}\|twenty bytes, or\|\n {2}00000010 /m
    );

    for (const line of [
      '/ping one two',
      '/pong three',
      '/nothing',
      '/close 1',
      '/close 4000 bye now'
    ]) {
      terminal.type(line);
      terminal.press('Enter');
    }
    assert.equal(await terminal.exitCode(), 0);
    const screen = terminal.screen();
    assert.match(screen, /^error: Unrecognized slash command\.$/m);
    assert.match(screen, /^error: First argument must be a valid error code number$/m);
    assert.match(screen, /^< Received pong \(data: "one two"\)$/m);
    assert.match(screen, /^< pong three$/m);
    assert.match(screen, /^Disconnected \(code: 4000, reason: "bye now"\)$/m);
  });

  it('colors lines, unless told not to', async () => {
    const port = await serveOn((ws) => {
      ws.send('hello');
      ws.close();
    });
    const [colored, plain] = [[], ['--no-color']].map((args) =>
      startInTerminal(['-c', `ws://127.0.0.1:${port}`, ...args])
    );

    await Promise.all([colored.exitCode(), plain.exitCode()]);
    assert.ok(colored.screen({ colors: true }).includes('\u001b[34m< hello'));
    assert.ok(!plain.screen({ colors: true }).includes('\u001b[3'));
  });

  it('asks for a passphrase without showing it', async () => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-cli-')), 'cert.pem');
    cleanups.push(() => fs.rmSync(path.dirname(file), { recursive: true }));
    fs.writeFileSync(file, cert);
    const port = await serveOn();
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`, '--passphrase']);
    await terminal.waitFor(/^Passphrase:/);
    terminal.type('secret');
    terminal.press('Enter');
    await terminal.waitFor(/^Connected/m);
    terminal.type('typed');
    terminal.press('Enter');
    await terminal.waitFor(/^< typed$/m);
    assert.doesNotMatch(terminal.screen(), /secret/);
  });

  it('serves a client', async () => {
    const terminal = startInTerminal(['--listen', '0']);
    await terminal.waitFor(/^Listening on port \d+ \(press CTRL\+C to quit\)\n>/);
    terminal.type('too early');
    terminal.press('Enter');
    await terminal.waitFor(/^error: no client is connected$/m);
    const port = /port (\d+)/.exec(terminal.screen())?.[1];
    const ws = new WebSocket(`ws://127.0.0.1:${port}`);
    cleanups.push(() => ws.terminate());
    await once(ws, 'open');
    await terminal.waitFor(/^Client connected$/m);
    terminal.type('hello');
    terminal.press('Enter');
    assert.equal(String((await once(ws, 'message'))[0]), 'hello');
    ws.close(1000, 'enough');
    await terminal.waitFor(/^Disconnected \(code: 1000, reason: "enough"\)$/m);
    terminal.press('C-d');
    assert.equal(await terminal.exitCode(), 0);
  });

  it('shows a benchmark live', async () => {
    const port = await serveOn();
    const terminal = startInTerminal(['bench', `ws://127.0.0.1:${port}`, '--duration', '60']);
    await terminal.waitFor(/^ +\d\.\d s +[\d,]+ messages\/s {2}p50 .* {2}p99 .* ms {2}[▁-█]{2,}$/m);
    terminal.press('C-c');
    assert.equal(await terminal.exitCode(), 0);
    assert.match(terminal.screen(), /^messages +[\d,]+ in \d\.\d s\nrate .*\nlatency/m);
    assert.doesNotMatch(terminal.screen(), /▁|█/);
  });
});

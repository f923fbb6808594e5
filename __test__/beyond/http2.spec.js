'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const http2 = require('node:http2');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('../..');
const certificate = require('../support/certificate');
const refusal = require('../support/refusal');
const until = require('../support/until');

const SETTINGS = { enableConnectProtocol: true };
const MEGABYTE = 1024 * 1024;
const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = http2.constants;

/** The request of a raw client. */
const REQUEST = {
  ':method': 'CONNECT',
  ':path': '/',
  ':protocol': 'websocket',
  ':scheme': 'http',
  'sec-websocket-version': '13'
};

/** A server of HTTP/2, its WebSocket server, and a session of a client. */
async function serve(t, options, { isSecure = false, listener, settings = SETTINGS } = {}) {
  const server = isSecure
    ? http2.createSecureServer({ ...certificate, allowHTTP1: true, settings }, listener)
    : http2.createServer({ settings }, listener);
  const sessions = new Set();
  server.on('session', (session) => sessions.add(session));
  const wss = new WebSocketServer({ server, ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const session = http2.connect(`${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`, {
    rejectUnauthorized: false
  });
  session.on('error', () => {});
  t.after(() => {
    session.destroy();
    for (const each of sessions) each.destroy();
    for (const ws of wss.clients) ws.terminate();
    wss.close();
    server.close();
  });
  const url = `${isSecure ? 'wss' : 'ws'}://127.0.0.1:${port}`;
  return { port, server, session, sessions, url, wss };
}

/** A client that is open, and the server's end. */
async function join(t, { session, url, wss }, options = {}, protocols = []) {
  const ws = new WebSocket(url, protocols, { http2: session, ...options });
  t.after(() => ws.terminate());
  const [[peer, request]] = await Promise.all([once(wss, 'connection'), once(ws, 'open')]);
  return { peer, request, ws };
}

/** The response to a raw request: its headers and its body. */
async function request(session, headers) {
  const stream = session.request({ ...REQUEST, ...headers });
  stream.on('error', () => {});
  const [response] = await once(stream, 'response');
  let body = '';
  for await (const chunk of stream) body += chunk;
  return { body, headers: response, status: response[':status'] };
}

/** The error of a client that doesn't open, whose `'close'` follows. */
async function failure(ws) {
  const closed = new Promise((resolve) => ws.on('close', resolve));
  const [error] = await once(ws, 'error');
  const code = await closed;
  assert.strictEqual(code, 1006);
  assert.strictEqual(ws.closeCause, error);
  return error;
}

for (const isSecure of [false, true]) {
  describe(`A WebSocket over HTTP/2${isSecure ? ' and TLS' : ''}`, () => {
    it('carries messages both ways', async (t) => {
      const served = await serve(t, { perMessageDeflate: true }, { isSecure });
      const {
        peer,
        request: req,
        ws
      } = await join(
        t,
        { ...served, url: `${served.url}/chat?room=1` },
        { headers: { 'X-Name': 'a value' }, origin: 'https://example.com' },
        ['one', 'two']
      );
      assert.ok(req instanceof http2.Http2ServerRequest);
      assert.strictEqual(req.url, '/chat?room=1');
      assert.strictEqual(req.headers['x-name'], 'a value');
      assert.strictEqual(req.headers.origin, 'https://example.com');
      assert.strictEqual(req.socket.remoteAddress, '127.0.0.1');
      for (const end of [ws, peer]) {
        assert.strictEqual(end.protocol, 'one');
        assert.strictEqual(end.extensions, 'permessage-deflate');
        assert.strictEqual(end.transport, 'stream');
      }
      assert.ok(served.wss.clients.has(peer));

      peer.on('message', (data, binary) => peer.send(data, { binary }));
      for (const length of [0, 5, 70_000, 3 * MEGABYTE]) {
        for (const payload of ['x'.repeat(length), Buffer.alloc(length, 7)]) {
          ws.send(payload);
          const [data, isBinary] = await once(ws, 'message');
          assert.strictEqual(isBinary, typeof payload !== 'string');
          assert.ok(data.equals(Buffer.from(payload)));
        }
      }
      ws.ping('mark');
      const [mark] = await once(ws, 'pong');
      assert.strictEqual(`${mark}`, 'mark');

      const closed = Promise.all([once(ws, 'close'), once(peer, 'close')]);
      ws.close(4001, 'enough');
      for (const [code, reason] of await closed) {
        assert.strictEqual(`${code} ${reason}`, '4001 enough');
      }
      assert.strictEqual(served.wss.clients.size, 0);
      assert.strictEqual(served.session.closed, false);
    });

    it('is closed by the server as well', async (t) => {
      const { peer, ws } = await join(t, await serve(t, {}, { isSecure }));
      peer.close(4002);
      const [[code], [peerCode]] = await Promise.all([once(ws, 'close'), once(peer, 'close')]);
      assert.deepStrictEqual([code, peerCode], [4002, 4002]);
    });

    it('has company on its session', async (t) => {
      const served = await serve(t, {}, { isSecure, listener: (_req, res) => res.end('a page') });
      const pairs = [];
      for (let index = 0; index < 20; index++) pairs.push(await join(t, served));
      const stalled = pairs[0];
      stalled.ws.pause();
      for (let index = 0; index < 20; index++) stalled.peer.send(Buffer.alloc(MEGABYTE));
      for (const { peer, ws } of pairs.slice(1)) {
        peer.send(Buffer.alloc(MEGABYTE));
        const [data] = await once(ws, 'message');
        assert.strictEqual(data.length, MEGABYTE);
      }
      const headers = { ':method': 'GET', ':protocol': undefined, ':path': '/' };
      const stream = served.session.request({ ':path': '/', ...headers });
      let body = '';
      for await (const chunk of stream) body += chunk;
      assert.strictEqual(body, 'a page');
      assert.ok(stalled.peer.bufferedAmount > MEGABYTE);
      let received = 0;
      stalled.ws.on('message', () => received++);
      stalled.ws.resume();
      await until(() => received === 20, 'all messages');
      assert.strictEqual(stalled.peer.bufferedAmount, 0);
    });
  });
}

describe('A server of WebSockets over HTTP/2', () => {
  it('takes HTTP/1.1 as well', async (t) => {
    const served = await serve(t, {}, { isSecure: true });
    const ws = new WebSocket(served.url, { rejectUnauthorized: false });
    t.after(() => ws.terminate());
    const [[, req]] = await Promise.all([once(served.wss, 'connection'), once(ws, 'open')]);
    assert.strictEqual(req.httpVersion, '1.1');
    await join(t, served);
    assert.strictEqual(served.wss.clients.size, 2);
  });

  it('has listeners add headers to the response', async (t) => {
    const { session, wss } = await serve(t);
    wss.on('headers', (lines, req) => {
      assert.strictEqual(lines[0], ':status: 200');
      lines.push(`X-Path: ${req.url}`, 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Connection: x');
    });
    const stream = session.request(REQUEST);
    t.after(() => stream.destroy());
    const [headers] = await once(stream, 'response');
    assert.strictEqual(headers[':status'], 200);
    assert.strictEqual(headers['x-path'], '/');
    assert.deepStrictEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.ok(!('connection' in headers) && !('sec-websocket-accept' in headers));
  });

  it('refuses what it would refuse over HTTP/1.1', async (t) => {
    const { session, wss } = await serve(t, { path: '/', perMessageDeflate: true });
    const cases = [
      [{ 'sec-websocket-version': '12' }, 400, 'Missing or invalid Sec-WebSocket-Version header'],
      [{ ':path': '/elsewhere' }, 400, 'Bad Request'],
      [{ 'sec-websocket-protocol': 'a, a' }, 400, 'Invalid Sec-WebSocket-Protocol header'],
      [
        { 'sec-websocket-extensions': 'permessage-deflate; x=1' },
        400,
        'Invalid or unacceptable Sec-WebSocket-Extensions header'
      ]
    ];
    for (const [headers, status, body] of cases) {
      const response = await request(session, headers);
      assert.deepStrictEqual([response.status, response.body], [status, body]);
      if (status === 400 && 'sec-websocket-version' in headers) {
        assert.strictEqual(response.headers['sec-websocket-version'], '13, 8');
      }
    }
    const refused = once(wss, 'wsClientError');
    const answered = request(session, { 'sec-websocket-version': '1' });
    const [error, stream, req] = await refused;
    assert.strictEqual(error.message, 'Missing or invalid Sec-WebSocket-Version header');
    assert.strictEqual(req.stream, stream);
    stream.respond({ ':status': 418 });
    stream.end('a teapot');
    assert.deepStrictEqual((await answered).status, 418);
  });

  it('asks verifyClient', async (t) => {
    const options = { verifyClient: ({ origin }) => origin === 'https://good' };
    const { session, wss } = await serve(t, options);
    assert.strictEqual((await request(session, { origin: 'https://bad' })).status, 401);
    wss.options.verifyClient = ({ secure, req }, callback) => {
      assert.strictEqual(secure, false);
      assert.strictEqual(req.method, 'CONNECT');
      setTimeout(callback, 5, false, 403, 'not you', { 'X-Why': 'so', Connection: 'close' });
    };
    const { body, headers, status } = await request(session, {});
    assert.deepStrictEqual([status, body, headers['x-why']], [403, 'not you', 'so']);
    wss.options.verifyClient = (_info, callback) => setTimeout(callback, 5, true);
    const stream = session.request(REQUEST);
    t.after(() => stream.destroy());
    const [accepted] = await once(stream, 'response');
    assert.strictEqual(accepted[':status'], 200);
  });

  it('forgets a client that leaves while it is verified', async (t) => {
    let verify;
    const { session, wss } = await serve(t, {
      verifyClient: (_info, callback) => (verify = callback)
    });
    wss.on('connection', () => assert.fail('there is nobody'));
    const stream = session.request(REQUEST);
    await until(() => verify !== undefined, 'a question');
    stream.close(NGHTTP2_CANCEL);
    await sleep(50);
    verify(true);
    await sleep(20);
    assert.strictEqual(wss.clients.size, 0);
  });

  it('answers 503 when it is about to end', async (t) => {
    const served = await serve(t);
    const { ws } = await join(t, served);
    ws.pause();
    const ended = served.wss.shutdown({ timeout: 100 });
    assert.strictEqual((await request(served.session, {})).status, 503);
    assert.deepStrictEqual(await ended, { closed: 0, terminated: 1 });
  });

  it('leaves other requests to others', async (t) => {
    const { session, wss } = await serve(t, {}, { listener: (_req, res) => res.end('a page') });
    const other = await request(session, { ':protocol': 'connect-udp' });
    assert.strictEqual(other.status, 405);
    const accepted = once(wss, 'connection');
    const stream = session.request(REQUEST);
    t.after(() => stream.destroy());
    const [headers] = await once(stream, 'response');
    assert.strictEqual(headers[':status'], 200);
    await accepted;
  });

  it('takes streams by hand', async (t) => {
    const server = http2.createServer({ settings: SETTINGS });
    const wss = new WebSocketServer({ noServer: true });
    server.on('stream', (stream, headers) => {
      wss.handleConnect(stream, headers, (ws, req) => wss.emit('connection', ws, req));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    const session = http2.connect(`http://127.0.0.1:${port}`);
    t.after(() => {
      session.destroy();
      server.close();
    });
    await join(t, { session, url: `ws://127.0.0.1:${port}`, wss });
    const headers = { ':method': 'GET', ':path': '/', ':scheme': 'http' };
    const stream = session.request(headers);
    const [response] = await once(stream, 'response');
    assert.strictEqual(response[':status'], 405);
    stream.resume();
  });

  it('keeps what comes along with the request', async (t) => {
    let verify;
    const { session, wss } = await serve(t, {
      verifyClient: (_info, callback) => (verify = callback)
    });
    const stream = session.request(REQUEST);
    t.after(() => stream.destroy());
    stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    await until(() => verify !== undefined, 'a question');
    await sleep(20);
    const accepted = once(wss, 'connection');
    verify(true);
    const [ws] = await accepted;
    const [data] = await once(ws, 'message');
    assert.strictEqual(`${data}`, 'hi');
  });
});

describe('The end of a stream of HTTP/2', () => {
  it('is a cancellation where a WebSocket is terminated', async (t) => {
    const served = await serve(t);
    for (const who of ['ws', 'peer']) {
      const pair = await join(t, served);
      const { _socket: stream } = pair[who === 'ws' ? 'peer' : 'ws'];
      const closed = Promise.all([once(pair.ws, 'close'), once(pair.peer, 'close')]);
      pair[who].terminate();
      for (const [code] of await closed) assert.strictEqual(code, 1006);
      assert.strictEqual(stream.rstCode, NGHTTP2_CANCEL);
      assert.strictEqual(pair[who].closeCause, null);
    }
    assert.strictEqual(served.session.destroyed, false);
  });

  it('is 1006 by a reset, and by the end of the session', async (t) => {
    const served = await serve(t);
    const reset = await join(t, served);
    const others = [await join(t, served), await join(t, served)];
    const closed = Promise.all([once(reset.ws, 'close'), once(reset.peer, 'close')]);
    reset.ws._socket.close(NGHTTP2_INTERNAL_ERROR);
    for (const [code] of await closed) assert.strictEqual(code, 1006);
    assert.strictEqual(reset.peer.closeCause.code, 'ERR_HTTP2_STREAM_ERROR');
    const ended = others.flatMap(({ peer, ws }) => [once(peer, 'close'), once(ws, 'close')]);
    for (const session of served.sessions) session.destroy();
    for (const [code] of await Promise.all(ended)) assert.strictEqual(code, 1006);
  });

  it('comes when both want it after a GOAWAY', async (t) => {
    const served = await serve(t);
    const { peer, ws } = await join(t, served);
    for (const session of served.sessions) session.close();
    await once(served.session, 'goaway');
    const failed = failure(new WebSocket(served.url, { http2: served.session }));
    assert.strictEqual((await failed).code, 'ERR_OXWS_HTTP2');
    peer.send('still here');
    const [data] = await once(ws, 'message');
    assert.strictEqual(`${data}`, 'still here');
    ws.close(1000);
    const [[code], [peerCode]] = await Promise.all([once(ws, 'close'), once(peer, 'close')]);
    assert.deepStrictEqual([code, peerCode], [1000, 1000]);
  });
});

describe('A client over HTTP/2', () => {
  it('needs a session', () => {
    const message = 'The "http2" option must be a session of an HTTP/2 client';
    assert.throws(() => new WebSocket('ws://localhost', { http2: {} }), {
      message,
      name: 'TypeError'
    });
  });

  it('waits for a session that is not connected yet', async (t) => {
    const { port, url, wss } = await serve(t);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    t.after(() => session.destroy());
    await join(t, { session, url, wss });
    assert.strictEqual(session.listenerCount('close') + session.listenerCount('error'), 0);
  });

  it('fails where the server does not support it', async (t) => {
    const { session, url } = await serve(t, {}, { settings: {} });
    const error = await failure(new WebSocket(url, { http2: session }));
    assert.strictEqual(error.code, 'ERR_OXWS_HTTP2');
    assert.strictEqual(error.message, 'The server does not support WebSockets over HTTP/2');
  });

  it('fails where there is no server, and where the session is closed', async () => {
    const session = http2.connect('http://127.0.0.1:1');
    session.on('error', () => {});
    const refused = await failure(new WebSocket('ws://127.0.0.1:1', { http2: session }));
    assert.strictEqual(refused.code, 'ECONNREFUSED');
    const error = await failure(new WebSocket('ws://127.0.0.1:1', { http2: session }));
    assert.strictEqual(error.message, 'The HTTP/2 session is closed');
  });

  it('says what else the server answers', async (t) => {
    const { session, url } = await serve(t, { verifyClient: () => false });
    const error = await failure(new WebSocket(url, { http2: session }));
    assert.strictEqual(error.message, 'Unexpected server response: 401');
    const { body, headers, status } = await refusal(new WebSocket(url, { http2: session }));
    assert.deepStrictEqual([status, headers['content-type']], [401, 'text/html']);
    assert.strictEqual(body, 'Unauthorized');
  });

  it('gives up when it is closed early', async (t) => {
    const verify = [];
    const verifyClient = (_info, callback) => verify.push(callback);
    const { session, url } = await serve(t, { verifyClient });
    const message = 'WebSocket was closed before the connection was established';
    const early = new WebSocket(url, { http2: session });
    early.close();
    assert.strictEqual((await failure(early)).message, message);
    const late = new WebSocket(url, { http2: session });
    await until(() => verify.length === 1, 'a question');
    late.terminate();
    assert.strictEqual((await failure(late)).message, message);
    assert.strictEqual(session.destroyed, false);
  });

  it('has a timeout for the handshake', async (t) => {
    const verifyClient = (_info, _callback) => {};
    const { session, url } = await serve(t, { verifyClient });
    const ws = new WebSocket(url, { handshakeTimeout: 50, http2: session });
    assert.strictEqual((await failure(ws)).message, 'Opening handshake has timed out');
    assert.strictEqual(session.destroyed, false);
  });

  it('refuses what it has not offered', async (t) => {
    const { session, url, wss } = await serve(t);
    const answers = [
      ['Sec-WebSocket-Protocol: x', 'Server sent a subprotocol but none was requested'],
      ['Sec-WebSocket-Extensions: x', 'Server indicated an extension that was not requested']
    ];
    for (const [line, message] of answers) {
      wss.removeAllListeners('headers');
      wss.on('headers', (lines) => lines.push(line));
      assert.strictEqual((await failure(new WebSocket(url, { http2: session }))).message, message);
    }
  });
});

'use strict';

// Why a connection is on the stream transport.

process.env.OXWS_TLS = 'openssl';

const assert = require('node:assert');
const { once } = require('node:events');
const https = require('node:https');
const { describe, it } = require('node:test');
const tls = require('node:tls');

const { WebSocket, WebSocketServer } = require('../..');
const native = require('../../lib/native');
const { isSupported, open, serve } = require('../support/secure');
const until = require('../support/until');

/** A client and its peer without TLS. */
async function openPlain(t, options = {}, serverOptions = {}) {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', ...serverOptions });
  t.after(() => {
    for (const ws of wss.clients) ws.terminate();
    wss.close();
  });
  await once(wss, 'listening');
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`, options);
  assert.deepStrictEqual([ws.transport, ws.transportReason], [null, null]);
  await once(ws, 'open');
  return [ws, [...wss.clients][0]];
}

describe('transportReason', { skip: !isSupported }, () => {
  it('is null on the engine, and what a program sets', async (t) => {
    const [ws, peer] = await openPlain(t);
    assert.deepStrictEqual([ws.transportReason, peer.transportReason], [null, null]);
    ws.transportReason = 'mine';
    assert.strictEqual(ws.transportReason, 'mine');
  });

  it('names options', async (t) => {
    const options = { allowSynchronousEvents: false };
    const [ws, peer] = await openPlain(t, { generateMask() {} }, options);
    assert.deepStrictEqual([ws.transportReason, peer.transportReason], ['options', 'options']);
  });

  it('names compression until the engine takes it over', async (t) => {
    const [ws] = await openPlain(t, {}, { perMessageDeflate: true });
    assert.strictEqual(ws.transportReason, 'compression');
    await until(() => ws.transport === 'engine');
    assert.strictEqual(ws.transportReason, null);
  });

  it('names bytes that are looked at', async (t) => {
    const [ws] = await openPlain(t);
    ws._socket.on('data', () => {});
    assert.deepStrictEqual([ws.transport, ws.transportReason], ['stream', 'bytes']);
  });

  it('names a socket that was changed', async (t) => {
    const createConnection = (options) => {
      const socket = require('node:net').connect(options);
      socket.write = (...values) => Object.getPrototypeOf(socket).write.apply(socket, values);
      return socket;
    };
    const [ws] = await openPlain(t, { createConnection });
    assert.deepStrictEqual([ws.transport, ws.transportReason], ['stream', 'socket']);
  });

  it('names the program that opened a connection over TLS', async (t) => {
    const { url } = await serve(t);
    for (const options of [
      { agent: new https.Agent() },
      { createConnection: (given) => tls.connect({ ...given, path: undefined }) }
    ]) {
      const ws = await open(t, url, options);
      assert.deepStrictEqual([ws.transport, ws.transportReason], ['stream', 'program']);
    }
  });

  it('names what kept a connection over TLS with Node', async (t) => {
    const { accepted, url } = await serve(t);
    const original = native.adoptSecure;
    t.after(() => {
      native.adoptSecure = original;
    });
    const expected = { 1: 'system', 2: 'early', 3: 'state', 4: 'state', 5: 'state', 6: 'system' };
    for (const [refusal, reason] of Object.entries(expected)) {
      native.adoptSecure = () => -refusal;
      const ws = await open(t, url);
      assert.deepStrictEqual(
        [ws, accepted.at(-1)].map((end) => end.transportReason),
        [reason, reason]
      );
    }
    native.adoptSecure = original;
    const ws = await open(t, url);
    assert.strictEqual(ws.transportReason, null);
    const listening = new WebSocket(url, { rejectUnauthorized: false });
    t.after(() => listening.terminate());
    listening._req.on('socket', (socket) => socket.on('session', () => {}));
    await once(listening, 'open');
    assert.strictEqual(listening.transportReason, 'session');
  });
});

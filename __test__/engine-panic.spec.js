'use strict';

// What is left when the engine panics. `npm test -- rust` runs this with an addon that does so on
// demand; released ones don't.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const { WebSocket, WebSocketServer } = require('..');
const { getEngine } = require('../lib/engine');
const native = require('../lib/native');

const skip = native.injectFault && getEngine() ? false : 'this addon does not panic on demand';

/** Where the engine is to panic. */
const RECEIVE = 0;
const WRITE = 1;
const REACTOR = 2;
const TASK = 3;

/** Two connections to a server that echoes; one is to panic. */
async function connect(t, isTasked) {
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  t.after(() => {
    for (const ws of wss.clients) ws.terminate();
    wss.close();
    getEngine().setTasked(false);
  });
  await once(wss, 'listening');
  getEngine().setTasked(isTasked);
  const pairs = [];
  for (let i = 0; i < 2; i++) {
    const accepted = once(wss, 'connection');
    const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
    await once(ws, 'open');
    const [peer] = await accepted;
    peer.on('message', (data) => peer.send(`echo of ${data}`));
    pairs.push({ ws, peer });
  }
  return pairs;
}

/** Has the engine panic over the connection of a WebSocket. */
function inject({ _socket: { _handle: handle } }, place) {
  native.injectFault(handle._engine.native, handle._id, place);
}

/** The code with which a WebSocket closes, whatever fails before. */
function closeCode(ws) {
  return new Promise((resolve) => ws.on('close', resolve));
}

/** Sends something and waits for its echo. */
async function echo(ws, text) {
  ws.send(text);
  const [data] = await once(ws, 'message');
  assert.strictEqual(data.toString(), `echo of ${text}`);
}

for (const isTasked of [false, true]) {
  describe(`A panic on the ${isTasked ? 'tokio' : 'loop'} driver`, {
    skip,
    timeout: 20_000
  }, () => {
    it('closes the connection that receives with 1011, and no other', async (t) => {
      const [{ ws, peer }, other] = await connect(t, isTasked);
      const failed = once(peer, 'error');
      const closed = Promise.all([ws, peer].map(closeCode));
      inject(peer, RECEIVE);
      ws.send('lost');
      const [error] = await failed;
      assert.strictEqual(error.code, 'ERR_OXWS_INTERNAL');
      const [code] = await closed;
      assert.strictEqual(code, 1011);
      await echo(other.ws, 'still there');
    });

    it('closes the connection that sends, and no other', async (t) => {
      const [{ ws, peer }, other] = await connect(t, isTasked);
      const failed = once(peer, 'error');
      const closed = Promise.all([ws, peer].map(closeCode));
      inject(peer, WRITE);
      peer.send('lost');
      const [error] = await failed;
      assert.strictEqual(error.code, 'ERR_OXWS_INTERNAL');
      const [code] = await closed;
      assert.strictEqual(code, 1006);
      await echo(other.ws, 'still there');
    });

    it('costs nobody anything where it is of no connection', async (t) => {
      const pairs = await connect(t, isTasked);
      for (const place of isTasked ? [REACTOR, TASK] : [REACTOR]) {
        getEngine().setTasked(isTasked);
        const warned = once(process, 'warning');
        inject(pairs[0].peer, place);
        await Promise.all(pairs.map(({ ws }) => echo(ws, 'all the same')));
        const [warning] = await warned;
        assert.strictEqual(warning.code, 'ERR_OXWS_INTERNAL');
        await Promise.all(pairs.map(({ ws }) => echo(ws, 'and later')));
        // The task is not trusted any more.
        assert.strictEqual(getEngine()._isTasked, false);
      }
    });
  });
}

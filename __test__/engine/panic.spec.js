'use strict';

// What is left when the engine panics. `npm test -- rust` runs this with an addon that does so on
// demand; released ones don't.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const { getEngine } = require('../../lib/engine');
const native = require('../../lib/native');
const { join, serve } = require('../support/connections');

const skip = native.injectFault && getEngine() ? false : 'this addon does not panic on demand';

/** Where the engine is to panic. */
const RECEIVE = 0;
const WRITE = 1;
const REACTOR = 2;
const TASK = 3;

/** Two connections to a server that echoes; one is to panic. */
async function connect(t, isTasked) {
  t.after(() => getEngine().setTasked(false));
  getEngine().setTasked(isTasked);
  const server = await serve(t);
  const pairs = [await join(t, server), await join(t, server)];
  for (const { peer } of pairs) peer.on('message', (data) => peer.send(`echo of ${data}`));
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

    it('cuts off a connection whose bytes a receiver decodes', async (t) => {
      t.after(() => getEngine().setTasked(false));
      getEngine().setTasked(isTasked);
      const options = { perMessageDeflate: true };
      const { ws, peer } = await join(t, await serve(t, options), options);
      assert.ok(peer._receiver);
      const failed = once(peer, 'error');
      const closed = Promise.all([ws, peer].map(closeCode));
      inject(peer, RECEIVE);
      ws.send('lost', { compress: false });
      const [error] = await failed;
      assert.strictEqual(error.code, 'ERR_OXWS_INTERNAL');
      const [code] = await closed;
      assert.strictEqual(code, 1006);
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
        assert.strictEqual(getEngine().isTasked, false);
      }
    });
  });
}

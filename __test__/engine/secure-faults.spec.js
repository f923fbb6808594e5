'use strict';

// What goes wrong while a connection over TLS is handed over: it goes on with Node's TLS, or it's
// closed, and nothing is lost.

process.env.OXWS_TLS = 'openssl';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const tls = require('node:tls');
const { promisify } = require('node:util');

const native = require('../../lib/native');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');
const { exchange, isSupported, open, serve } = require('../support/secure');
const until = require('../support/until');

const root = path.join(__dirname, '../..');

/** What `adoptSecure` returns where a connection can't be taken over, see `Refusal`. */
const REFUSALS = [-1, -2, -3, -4, -5, -6];

/** Has `adoptSecure` be another function. */
function replaceAdopt(t, adopt) {
  const original = native.adoptSecure;
  native.adoptSecure = adopt;
  const restore = () => {
    native.adoptSecure = original;
  };
  t.after(restore);
  return restore;
}

describe('A connection over TLS that is not handed over', { skip: !isSupported }, () => {
  for (const refusal of REFUSALS) {
    it(`goes on with Node: refusal ${-refusal}`, async (t) => {
      const { accepted, port, url } = await serve(t, {}, { perMessageDeflate: true });
      const restore = replaceAdopt(t, () => refusal);
      for (const perMessageDeflate of [false, true]) {
        const ws = await open(t, url, { perMessageDeflate });
        assert.deepStrictEqual([ws.transport, accepted.at(-1).transport], ['stream', 'stream']);
        await exchange(ws);
      }
      // What came with the request isn't lost.
      const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
      t.after(() => socket.destroy());
      await once(socket, 'secureConnect');
      const hello = frame(1, 'hello', { key: Buffer.alloc(4) });
      socket.write(Buffer.concat([Buffer.from(upgradeRequest()), hello]));
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
      });
      await until(() => received.endsWith('hello'));
      restore();
      const ws = await open(t, url, { perMessageDeflate: false });
      assert.deepStrictEqual([ws.transport, accepted.at(-1).transport], ['engine', 'engine']);
      await exchange(ws);
    });
  }

  it('is closed where nobody knows how far that went', async (t) => {
    const { accepted, url } = await serve(t);
    const restore = replaceAdopt(t, () => {
      throw new Error('panicked');
    });
    await assert.rejects(open(t, url));
    await until(() => accepted.every(({ readyState }) => readyState === 3));
    restore();
    await exchange(await open(t, url));
  });

  it('goes on with Node where there is no descriptor left', async () => {
    const program = `
      const fs = require('node:fs');
      const https = require('node:https');
      const { once } = require('node:events');
      const tls = require('node:tls');
      const { WebSocketServer } = require('./');
      const { upgradeRequest } = require('./__test__/support/differential');
      const { frame } = require('./__test__/support/frames');
      const server = https.createServer(require('./__test__/support/certificate'));
      const wss = new WebSocketServer({ server });
      const seen = [];
      wss.on('connection', (ws) => {
        ws.on('message', (data) => {
          seen.push(ws.transport);
          ws.send(data, { binary: false });
        });
      });
      async function dial(port) {
        const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
        await once(socket, 'secureConnect');
        return socket;
      }
      async function greet(socket) {
        const hello = frame(1, 'hello', { key: Buffer.alloc(4) });
        socket.write(Buffer.concat([Buffer.from(upgradeRequest()), hello]));
        let received = '';
        while (!received.endsWith('hello')) received += (await once(socket, 'data'))[0];
      }
      server.listen(0, '127.0.0.1', async () => {
        const { port } = server.address();
        const sockets = [await dial(port), await dial(port), await dial(port)];
        await greet(sockets[0]);
        const files = [];
        try {
          for (;;) files.push(fs.openSync('/dev/null'));
        } catch {}
        await greet(sockets[1]);
        for (const file of files) fs.closeSync(file);
        await greet(sockets[2]);
        console.log(seen.join());
        process.exit();
      });`;
    const script = 'ulimit -n 64 && exec "$0" -e "$1"';
    const args = ['-c', script, process.execPath, program];
    const { stdout } = await promisify(execFile)('sh', args, { cwd: root, timeout: 30_000 });
    assert.strictEqual(stdout.trim(), 'engine,stream,engine');
  });
});

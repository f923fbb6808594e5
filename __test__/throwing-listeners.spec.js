'use strict';

// What comes after a listener that throws is delivered, and the connection ends as any other. With
// ws it's stuck for good, so there is nothing to compare with.

const assert = require('node:assert');
const { once } = require('node:events');
const https = require('node:https');
const { Duplex } = require('node:stream');
const { describe, it } = require('node:test');
const { setTimeout: sleep, setImmediate: turn } = require('node:timers/promises');

const { WebSocket, WebSocketServer } = require('..');
const Receiver = require('../lib/receiver');
const certificate = require('./support/certificate');
const { frame } = require('./support/frames');
const { uncaughtDuring } = require('./support/uncaught');
const until = require('./support/until');

/** Opens a connection on TCP or TLS, and gives the receiving end and the sending one. */
async function connect(t, { isTls, receives, perMessageDeflate = false }) {
  const server = isTls ? https.createServer(certificate) : undefined;
  const options = { host: '127.0.0.1', perMessageDeflate, port: isTls ? undefined : 0, server };
  if (isTls) delete options.host;
  const wss = new WebSocketServer(options);
  server?.listen(0, '127.0.0.1');
  await once(wss, 'listening');
  const url = `${isTls ? 'wss' : 'ws'}://127.0.0.1:${wss.address().port}`;
  const client = new WebSocket(url, { perMessageDeflate, rejectUnauthorized: false });
  t.after(() => {
    client.terminate();
    wss.close();
    server?.close();
  });
  const [[peer]] = await Promise.all([once(wss, 'connection'), once(client, 'open')]);
  return receives === 'server'
    ? { receiving: peer, sending: client }
    : { receiving: client, sending: peer };
}

/** Notes what a WebSocket receives, and throws for texts that begin with `!`. */
function throwing(ws) {
  const seen = [];
  const take = (kind) => (data) => {
    seen.push(kind + data);
    if (String(data).startsWith('!')) throw new Error(`for ${data}`);
  };
  ws.on('message', take(''));
  ws.on('ping', take('ping '));
  ws.on('close', (code) => seen.push(`close ${code}`));
  return seen;
}

for (const receives of ['server', 'client']) {
  for (const isTls of [false, true]) {
    for (const perMessageDeflate of [false, { threshold: 0 }]) {
      const title = `${isTls ? 'TLS' : 'TCP'}${perMessageDeflate ? ', compressed' : ''}`;
      describe(`A listener that throws, ${receives}, ${title}`, () => {
        it('is followed by what comes after, and by the close', async (t) => {
          const { receiving, sending } = await connect(t, { isTls, receives, perMessageDeflate });
          const seen = throwing(receiving);
          const texts = ['!a', '!b', 'c', '!d', 'e'];
          const thrown = await uncaughtDuring(async () => {
            for (const text of texts) {
              sending.send(text);
              await turn();
            }
            sending.ping('!f');
            for (const text of texts) sending.send(text);
            sending.close(4000);
            await until(
              () => seen.includes('close 4000'),
              () => `the close behind ${seen}`
            );
          });
          assert.deepStrictEqual(seen, [...texts, 'ping !f', ...texts, 'close 4000']);
          assert.deepStrictEqual(
            thrown,
            ['!a', '!b', '!d', '!f', '!a', '!b', '!d'].map((text) => `for ${text}`)
          );
        });

        for (const [how, act] of Object.entries({
          'in it': (ws) => ws.terminate(),
          'in its tick': (ws) => process.nextTick(() => ws.terminate())
        })) {
          it(`is followed by what came along, though the connection is cut ${how}`, async (t) => {
            const { receiving, sending } = await connect(t, { isTls, receives, perMessageDeflate });
            const seen = throwing(receiving);
            receiving.on('message', (data) => {
              if (String(data) === 'b') act(receiving);
              // In another turn than the messages before.
              if ('ab'.includes(String(data))) throw new Error('for another one');
            });
            const closed = once(receiving, 'close');
            await uncaughtDuring(async () => {
              for (const text of ['a', 'b', 'c', 'd']) sending.send(text);
              await closed;
            });
            const texts = seen.slice(0, -1);
            assert.deepStrictEqual(texts, ['a', 'b', 'c', 'd'].slice(0, texts.length));
            // What is compressed isn't inflated any more, as with ws.
            assert.ok(texts.length >= (perMessageDeflate ? 2 : 4), String(seen));
            await turn();
            assert.strictEqual(seen.at(-1), 'close 1006');
          });
        }

        it('is followed by what had to wait for `resume()`, and by the end', async (t) => {
          const { receiving, sending } = await connect(t, { isTls, receives, perMessageDeflate });
          const seen = throwing(receiving);
          const long = 'x'.repeat(30_000);
          const texts = ['!a', long, '!b', `!${long}`, 'c'];
          const thrown = await uncaughtDuring(async () => {
            receiving.pause();
            for (const text of texts) {
              sending.send(text);
              await sleep(5);
            }
            sending._socket.end();
            await sleep(20);
            receiving.resume();
            await until(
              () => seen.includes('close 1006'),
              () => `the close after ${seen.length} events`
            );
          });
          assert.deepStrictEqual(seen, [...texts, 'close 1006']);
          assert.deepStrictEqual(
            thrown,
            ['!a', '!b', `!${long}`].map((text) => `for ${text}`)
          );
        });
      });
    }
  }
}

describe('A listener that throws', () => {
  it('does not keep a receiver from the chunks that had to wait', async () => {
    const receiver = new Receiver();
    const seen = [];
    receiver.on('message', (data) => {
      seen.push(String(data));
      if (String(data).startsWith('!')) throw new Error(`for ${data}`);
    });
    const thrown = await uncaughtDuring(async () => {
      assert.throws(() => receiver.write(frame(1, '!a')), { message: 'for !a' });
      for (const text of ['!b', 'c', '!d']) receiver.write(frame(1, text));
      receiver.end(Buffer.concat([frame(1, '!e'), frame(1, 'f')]));
      await once(receiver, 'finish');
    });
    assert.deepStrictEqual(seen, ['!a', '!b', 'c', '!d', '!e', 'f']);
    assert.deepStrictEqual(thrown, ['for !b', 'for !d', 'for !e']);
  });

  it('does not keep a receiver from what was corked', async () => {
    const receiver = new Receiver();
    const seen = [];
    receiver.on('message', (data) => {
      seen.push(String(data));
      if (String(data).startsWith('!')) throw new Error(`for ${data}`);
    });
    const thrown = await uncaughtDuring(async () => {
      receiver.cork();
      for (const text of ['!a', 'b', '!c', 'd']) receiver.write(frame(1, text));
      receiver.uncork();
      receiver.end();
      await once(receiver, 'finish');
    });
    assert.deepStrictEqual(seen, ['!a', 'b', '!c', 'd']);
    assert.deepStrictEqual(thrown, ['for !a', 'for !c']);
  });

  it('does not end the reading of a `Duplex` that gives one chunk at a time', async () => {
    const key = Buffer.from([1, 2, 3, 4]);
    const chunks = ['!a', 'b', '!c', 'd'].map((text) => frame(1, text, { key }));
    const duplex = new Duplex({
      read() {
        setImmediate(() => this.push(chunks.shift() ?? null));
      },
      write: (_chunk, _encoding, callback) => callback()
    });
    const ws = new WebSocket(null, undefined, {});
    const seen = throwing(ws);
    const thrown = await uncaughtDuring(async () => {
      ws.setSocket(duplex, Buffer.alloc(0), { allowSynchronousEvents: true });
      await once(ws, 'close');
    });
    assert.deepStrictEqual(seen, ['!a', 'b', '!c', 'd', 'close 1006']);
    assert.deepStrictEqual(thrown, ['for !a', 'for !c']);
  });

  it('is not called again while a frame is being inflated', async () => {
    // Inflates the first frame in place, as somebody's replacement may, and the others later.
    const extension = {
      decompress(data, _isLast, callback) {
        if (extension.count++ === 0) callback(null, data);
        else setTimeout(callback, 5, null, data);
      },
      count: 0
    };
    const receiver = new Receiver({ extensions: { 'permessage-deflate': extension } });
    const seen = [];
    receiver.on('message', (data) => {
      seen.push(String(data));
      if (String(data).startsWith('!')) throw new Error(`for ${data}`);
    });
    const thrown = await uncaughtDuring(async () => {
      const frames = ['!a', 'b', 'c'].map((text) => frame(1, text, { rsv: 4 }));
      assert.throws(() => receiver.write(Buffer.concat(frames)), { message: 'for !a' });
      receiver.end();
      await once(receiver, 'finish');
    });
    assert.deepStrictEqual(seen, ['!a', 'b', 'c']);
    assert.deepStrictEqual(thrown, []);
  });
});

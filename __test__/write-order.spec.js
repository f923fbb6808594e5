'use strict';

// What a user does with the socket of a connection keeps its order with the frames that were sent:
// the same script on ws and on oxws, over TLS and over a `Duplex`, both on the stream transport.

process.env.OXWS_TLS = 'node';

const assert = require('node:assert');
const { once } = require('node:events');
const https = require('node:https');
const tls = require('node:tls');
const { describe, it } = require('node:test');
const { Duplex } = require('node:stream');
const { setTimeout: sleep } = require('node:timers/promises');

const certificate = require('./support/certificate');
const { frame } = require('./support/frames');
const until = require('./support/until');

const IMPLEMENTATIONS = { oxws: require('..'), ws: require('ws') };

/** A server's end of a connection over TLS, and the bytes that its peer receives. */
async function overTls(t, { WebSocketServer }) {
  const server = https.createServer(certificate);
  const wss = new WebSocketServer({ server });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const peer = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  t.after(() => {
    peer.destroy();
    wss.close();
    server.close();
  });
  const received = [];
  peer.on('error', () => {});
  peer.write(
    'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
  );
  const [[ws]] = await Promise.all([once(wss, 'connection'), once(peer, 'data')]);
  peer.on('data', (data) => received.push(data));
  const give = (bytes) => peer.write(bytes);
  return { give, received: () => Buffer.concat(received), ws };
}

/** The same over a stream of a user's, which takes what is written at once. */
async function overDuplex(_t, { WebSocket }) {
  const received = [];
  const duplex = new Duplex({
    read() {},
    write(chunk, _encoding, callback) {
      received.push(Buffer.from(chunk));
      callback();
    },
    writev(chunks, callback) {
      for (const { chunk } of chunks) received.push(Buffer.from(chunk));
      callback();
    }
  });
  const ws = new WebSocket(null, undefined, {});
  ws.setSocket(duplex, Buffer.alloc(0), {});
  const give = (bytes) => duplex.push(bytes);
  return { give, received: () => Buffer.concat(received), ws };
}

/** Runs a script on ws and on oxws, over TLS and over a `Duplex`, and compares what it notes. */
function onEach(title, script) {
  for (const [name, open] of Object.entries({ TLS: overTls, Duplex: overDuplex })) {
    it(`${title}, ${name}`, async (t) => {
      const notes = {};
      for (const [library, implementation] of Object.entries(IMPLEMENTATIONS)) {
        const noted = [];
        const opened = await open(t, implementation);
        const settle = async (bytes) => {
          await until(
            () => opened.received().length >= bytes,
            () => `${bytes} bytes behind ${opened.received().length}`
          );
          await sleep(20);
          return opened.received().toString('latin1');
        };
        await script({ ...opened, note: (...values) => noted.push(values), settle, t });
        opened.ws.terminate();
        notes[library] = noted;
      }
      assert.deepStrictEqual(notes.oxws, notes.ws);
    });
  }
}

const TEN = 'ten bytes.';
/** Bytes of a frame of such a message. */
const FRAME = 12;

describe('The frames of a tick and the socket', () => {
  onEach('raw writes keep their place', async ({ note, settle, ws }) => {
    ws.send('a');
    ws._socket.write(frame(1, 'raw'));
    ws.send('b');
    ws._socket.write(frame(1, 'more'), () => note('written'));
    ws.send('c', () => note('sent'));
    note(await settle(3 + 5 + 3 + 6 + 3));
  });

  onEach('`cork()` holds back what follows, not what was sent', async ({ note, settle, ws }) => {
    ws.send('before');
    ws._socket.cork();
    note('corked', ws._socket.writableCorked);
    ws.send('after');
    ws._socket.write(frame(1, 'raw'));
    ws.send('and after');
    note(await settle(8));
    note('corked', ws._socket.writableCorked, 'length', ws._socket.writableLength);
    ws._socket.uncork();
    note('corked', ws._socket.writableCorked);
    note(await settle(8 + 7 + 5 + 11));
  });

  onEach('`cork()` nests', async ({ note, settle, ws }) => {
    ws._socket.cork();
    ws.send(TEN, () => note('sent'));
    ws._socket.cork();
    ws.send(TEN);
    ws._socket.uncork();
    await sleep(10);
    note(await settle(0), ws._socket.writableCorked);
    ws._socket.uncork();
    ws.send(TEN);
    note(await settle(3 * FRAME), ws._socket.writableCorked);
  });

  onEach('`uncork()` lets go of what was sent before', async ({ note, settle, ws }) => {
    ws._socket.cork();
    ws.send('a'.repeat(20_000), () => note('sent'));
    ws.send(TEN, () => note('sent, too'));
    ws._socket.uncork();
    ws.send('later', () => note('sent at last'));
    note((await settle(20_004 + FRAME + 7)).slice(-FRAME - 8));
    note('length', ws._socket.writableLength, ws.bufferedAmount);
  });

  onEach('`end()` comes after what was sent', async ({ note, settle, ws }) => {
    ws._socket.on('finish', () => note('finish'));
    ws.send(TEN, (error) => note('sent', error?.code));
    ws._socket.end(frame(1, 'end'));
    note('writable', ws._socket.writable);
    note(await settle(FRAME + 5));
  });

  onEach('what is sent after `end()` fails as with ws', async ({ note, settle, ws }) => {
    ws._socket.on('error', (error) => note('error', error.code));
    ws.on('close', (code) => note('close', code));
    ws.send(TEN, (error) => note('sent', error?.code));
    ws._socket.end();
    ws.send(TEN, (error) => note('too late', error?.code));
    note(await settle(FRAME));
  });

  onEach('`destroy()` comes after what was sent', async ({ note, settle, ws }) => {
    ws.on('close', (code) => note('close', code));
    ws.send(TEN, (error) => note('sent', error?.code));
    note('returns the socket', ws._socket.destroy() === ws._socket);
    ws.send(TEN, (error) => note('too late', error?.code));
    note(await settle(FRAME));
  });

  onEach('what waits is counted', async ({ note, settle, ws }) => {
    const before = ws._socket.bytesWritten;
    ws.send(TEN);
    note('written', ws._socket.bytesWritten - before);
    ws._socket.cork();
    ws.send(TEN);
    note('length', ws._socket.writableLength);
    ws.send(TEN);
    note('buffered', ws.bufferedAmount >= 2 * FRAME);
    ws.send('x'.repeat(ws._socket.writableHighWaterMark));
    note('needs drain', ws._socket.writableNeedDrain);
    ws._socket.uncork();
    await settle(3 * FRAME + ws._socket.writableHighWaterMark);
    note('length', ws._socket.writableLength, ws.bufferedAmount);
  });

  onEach('a loop that fills the socket ends', async ({ note, ws }) => {
    ws._socket.cork();
    let count = 0;
    while (ws._socket.writableLength < 10 * FRAME) {
      ws.send(TEN);
      count++;
    }
    note(count);
    ws._socket.uncork();
  });

  onEach('long and short messages keep their order', async ({ note, settle, ws }) => {
    const long = 'long '.repeat(20_000);
    const called = [];
    for (const [index, text] of [TEN, long, TEN, TEN, long, long, TEN].entries()) {
      ws.send(text, () => called.push(index));
    }
    const text = await settle(4 * FRAME + 3 * (long.length + 10));
    note(text.replaceAll(long, 'long'), called);
  });

  onEach('a `write()` replaced on the socket sees all bytes', async ({ note, settle, ws }) => {
    const { write } = ws._socket;
    const seen = [];
    ws._socket.write = function (chunk, ...rest) {
      seen.push(Buffer.from(chunk));
      return write.call(this, chunk, ...rest);
    };
    ws.send(TEN);
    ws.send(TEN);
    await sleep(5);
    ws._socket.write(frame(1, 'raw'));
    ws.send(TEN);
    await sleep(5);
    note(Buffer.concat(seen).toString('latin1'));
    note(await settle(3 * FRAME + 5));
  });

  onEach('callbacks come before an error that follows', async ({ give, note, settle, ws }) => {
    ws.on('message', (data) => {
      note('message', String(data));
      ws.send(TEN, (error) => note('sent', error?.message));
    });
    ws.on('error', (error) => note('error', error.code));
    const key = Buffer.alloc(4);
    give(Buffer.concat([frame(1, 'a', { key }), frame(1, 'b', { key }), frame(3, '', { key })]));
    note(await settle(2 * FRAME + 4));
  });

  it('a method replaced before the connection is open stays in its place', () => {
    const calls = [];
    const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, callback) => callback() });
    for (const name of ['write', 'destroy', 'cork', 'uncork', 'end']) {
      const original = duplex[name];
      duplex[name] = function (...parameters) {
        calls.push(name === 'write' ? `write ${parameters[0].subarray(2)}` : name);
        return original.apply(this, parameters);
      };
    }
    const { WebSocket } = IMPLEMENTATIONS.oxws;
    const ws = new WebSocket(null, undefined, {});
    ws.setSocket(duplex, Buffer.alloc(0), {});
    ws.send('a');
    duplex.write(frame(1, 'raw'));
    ws.send('b');
    duplex.cork();
    ws.send('c');
    duplex.uncork();
    ws.send('d');
    duplex.destroy();
    assert.deepStrictEqual(
      calls.filter((call) => call !== 'end'),
      ['write a', 'write raw', 'write b', 'cork', 'write c', 'uncork', 'write d', 'destroy']
    );
  });

  it('a method replaced on the class is called', () => {
    class Counting extends Duplex {
      count = 0;
      _read() {}
      _write(_chunk, _encoding, callback) {
        callback();
      }
    }
    const { WebSocket } = IMPLEMENTATIONS.oxws;
    const duplex = new Counting();
    const ws = new WebSocket(null, undefined, {});
    ws.setSocket(duplex, Buffer.alloc(0), {});
    Counting.prototype.write = function (...parameters) {
      this.count++;
      return Duplex.prototype.write.apply(this, parameters);
    };
    ws.send('a');
    ws._socket.write('raw');
    assert.strictEqual(duplex.count, 2);
    assert.ok(duplex instanceof Counting);
    assert.deepStrictEqual(Object.keys(duplex).includes('write'), false);
  });
});

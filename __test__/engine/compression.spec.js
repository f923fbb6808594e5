'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { join } = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');
const zlib = require('node:zlib');

const ws = require('ws');
const oxws = require('../..');
const { kTransport, kWebSocket } = require('../../lib/constants');
const { getEngine } = require('../../lib/engine');
const connections = require('../support/connections');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');
const until = require('../support/until');

/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;

/** As little as a message may have and be compressed. */
const OPTIONS = { threshold: 0 };
/** Stands behind a fragment that isn't the last, and is left out behind the last. */
const TAIL = Buffer.from('0000ffff', 'hex');
const WINDOWS = { serverNoContextTakeover: true, clientNoContextTakeover: true };

/** Whether the engine inflates and deflates what a connection sends and receives. */
function isTaken(websocket) {
  return websocket._sender._frames.mode === 'taken';
}

/** A server and a client, of one of the two packages each, and the server's end. */
async function connect(t, { clientOptions, serverOptions, ...packages } = {}) {
  const { ws: websocket, ...rest } = await connections.connect(t, {
    ...packages,
    clientOptions: { perMessageDeflate: OPTIONS, ...clientOptions },
    serverOptions: { perMessageDeflate: OPTIONS, ...serverOptions }
  });
  return { websocket, ...rest };
}

/** Waits until the engine inflates and deflates for a connection. */
async function taken(websocket) {
  await until(() => isTaken(websocket), 'the engine to take the connection over');
}

/** Both ends, the engine on those that are ours. */
async function connectTaken(t, options = {}) {
  const ends = await connect(t, options);
  const { client = oxws, server = oxws } = options;
  if (client === oxws) await taken(ends.websocket);
  if (server === oxws) await taken(ends.peer);
  return ends;
}

/** Collects what arrives, until there are as many messages. */
function collect(websocket, count) {
  const messages = [];
  return new Promise((resolve, reject) => {
    websocket.on('error', reject);
    websocket.on('message', (data, isBinary) => {
      messages.push(isBinary ? data : data.toString());
      if (messages.length === count) resolve(messages);
    });
  });
}

/** Messages of all sizes: each is sent from one end, and expected at the other. */
const MESSAGES = [
  '',
  'a',
  'over and over, over and over',
  '{"key":"value"}'.repeat(200),
  Buffer.alloc(70_000, 'compresses well'),
  Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 7919) >> 3)),
  'x'.repeat(600_000),
  'and a short one behind it',
  Buffer.alloc(0)
];

describe('Compression by the engine', { skip }, () => {
  for (const [title, parameters] of Object.entries({
    'with context takeover': {},
    'without context takeover': WINDOWS,
    'with a window of 512 bytes': { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
    'with a small window, without takeover': { serverMaxWindowBits: 10, ...WINDOWS },
    'at another level': { zlibDeflateOptions: { level: 1, memLevel: 4, strategy: 1 } },
    'with a dictionary': {
      zlibDeflateOptions: { dictionary: Buffer.from('{"key":"value"}') },
      zlibInflateOptions: { dictionary: Buffer.from('{"key":"value"}') }
    }
  })) {
    const options = { perMessageDeflate: { ...OPTIONS, ...parameters } };
    for (const [names, packages] of Object.entries({
      'oxws and oxws': { client: oxws, server: oxws },
      'ws and oxws': { client: ws, server: oxws },
      'oxws and ws': { client: oxws, server: ws }
    })) {
      it(`carries messages both ways ${title}, between ${names}`, async (t) => {
        const ends = { ...packages, clientOptions: options, serverOptions: options };
        const { peer, websocket } = await connectTaken(t, ends);
        for (const [from, to] of [
          [websocket, peer],
          [peer, websocket]
        ]) {
          const received = collect(to, 2 * MESSAGES.length);
          for (const message of [...MESSAGES, ...MESSAGES]) from.send(message);
          assert.deepStrictEqual(await received, [...MESSAGES, ...MESSAGES]);
        }
      });
    }
  }

  describe('of a connection that', () => {
    const compressed = Buffer.concat([zlib.deflateRawSync('a message'), Buffer.alloc(1)]);
    for (const [title, { begun, rest }] of Object.entries({
      'has brought one byte of a frame': { begun: [0x81], rest: [0x80, 0, 0, 0, 0] },
      'has brought a part of a payload': { begun: [0x81, 0x82, 0, 0, 0, 0, 0x61], rest: [0x62] },
      'has brought a ping in a message that goes on': {
        begun: [0x01, 0x80, 0, 0, 0, 0, 0x89, 0x80, 0, 0, 0, 0],
        rest: [0x80, 0x80, 0, 0, 0, 0]
      },
      'has brought a compressed frame that is not the last': {
        begun: [...frame(1, compressed, { fin: false, rsv: 4, key: Buffer.alloc(4) })],
        rest: [0x80, 0x80, 0, 0, 0, 0]
      }
    })) {
      it(`${title} nothing is looked at until more comes`, async (t) => {
        const { port, wss } = await connections.serve(t, { perMessageDeflate: OPTIONS });
        const accepted = once(wss, 'connection');
        const socket = net.connect(port, '127.0.0.1');
        t.after(() => socket.destroy());
        const extension = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
        socket.write(upgradeRequest({ headers: extension }));
        const [peer] = await accepted;
        const { _receiver: receiver } = peer[kTransport];
        const { _handle: handle } = peer._socket;
        let looks = 0;
        Object.defineProperty(receiver, '_isIdle', {
          configurable: true,
          get() {
            looks++;
            return Reflect.get(Object.getPrototypeOf(receiver), '_isIdle', receiver);
          }
        });
        let pauses = 0;
        handle.change = function change(what) {
          pauses += +(what === 'hold');
          return Object.getPrototypeOf(this).change.call(this, what);
        };
        socket.write(Buffer.from(begun));
        await until(() => looks > 0, 'it to be asked');
        await sleep(100);
        const looked = looks;
        await sleep(700);
        assert.deepStrictEqual([looks, pauses], [looked, 0]);
        assert.ok(looked < 5);
        const received = collect(peer, 1);
        socket.write(Buffer.from(rest));
        await received;
        await until(() => handle.mode === 'taken', 'the engine to take it over');
      });
    }
  });

  it('waits for a blob that is being read', async (t) => {
    const { peer, websocket } = await connect(t);
    let read;
    const blob = new Blob(['from a blob']);
    blob.arrayBuffer = () => new Promise((resolve) => (read = resolve));
    websocket.send(blob, { compress: false });
    await sleep(250);
    assert.ok(!isTaken(websocket));
    const received = collect(peer, 1);
    read(Buffer.from('from a blob').buffer.slice(0, 0));
    assert.deepStrictEqual((await received)[0].length, 0);
    await taken(websocket);
  });

  it('waits for what somebody inflates by hand', async (t) => {
    const { websocket } = await connect(t);
    const extension = websocket._extensions['permessage-deflate'];
    const data = zlib.deflateRawSync(Buffer.alloc(20_000_000), {
      finishFlush: zlib.constants.Z_SYNC_FLUSH
    });
    let count = 0;
    await new Promise((resolve) => {
      for (let index = 0; index < 5; index++) {
        extension.decompress(data.subarray(0, -4), true, () => {
          assert.ok(!isTaken(websocket));
          if (++count === 5) resolve();
        });
      }
    });
    await taken(websocket);
  });

  it('makes no sender where nothing is sent', async (t) => {
    const { peer, websocket } = await connect(t);
    for (const end of [peer, websocket]) {
      await until(() => end._socket._handle.mode === 'taken', 'the engine to take it over');
      assert.strictEqual(end[kTransport].sender, null);
    }
    const received = collect(peer, 2);
    websocket.send('compressed, and compressed');
    websocket.send('again');
    assert.ok(websocket.bufferedAmount > 0);
    assert.deepStrictEqual(await received, ['compressed, and compressed', 'again']);
    assert.strictEqual(websocket.bufferedAmount, 0);
    assert.strictEqual(peer[kTransport].sender, null);
  });

  it('keeps the window from before it took over, and gives it back', async (t) => {
    const { peer, websocket } = await connect(t);
    const text = zlib.deflateSync(Buffer.from('first')).toString('hex').repeat(50);
    const sizes = [];
    for (const round of ['before', 'taken', 'given back']) {
      if (round === 'taken') await Promise.all([websocket, peer].map(taken));
      // To ask for the receiver is to see bytes.
      if (round === 'given back') assert.ok(websocket._receiver && peer._receiver);
      for (const [from, to] of [
        [websocket, peer],
        [peer, websocket]
      ]) {
        const before = to._socket.bytesRead;
        from.send(text);
        const [data] = await once(to, 'message');
        assert.strictEqual(data.toString(), text);
        sizes.push(to._socket.bytesRead - before);
      }
    }
    // What is known already takes next to nothing.
    for (const size of sizes.slice(2)) assert.ok(size < sizes[0] / 2, sizes.join());
  });

  it('takes over connections that are busy all the time', async (t) => {
    const { peer, websocket } = await connect(t);
    let sent = 0;
    let isEnding = false;
    const texts = [];
    peer.on('message', (data) => peer.send(data, { binary: false }));
    const ended = new Promise((resolve) => {
      websocket.on('message', (data) => {
        texts.push(data.toString());
        if (!isEnding) websocket.send(`message ${sent++}, as one of many`);
        else if (texts.length === sent) resolve();
      });
    });
    for (; sent < 16; sent++) websocket.send(`message ${sent}, as one of many`);
    await Promise.all([websocket, peer].map(taken));
    await sleep(50);
    isEnding = true;
    await ended;
    for (const [index, text] of texts.entries()) {
      assert.strictEqual(text, `message ${index}, as one of many`);
    }
  });

  it('sends the frames of ws', async (t) => {
    const frames = {};
    for (const [name, server] of Object.entries({ oxws, ws })) {
      const options = { serverOptions: { perMessageDeflate: { threshold: 3, ...WINDOWS } } };
      const { peer, websocket } = await connect(t, { client: ws, server, ...options });
      if (server === oxws) await taken(peer);
      const chunks = [];
      websocket._socket.prependListener('data', (chunk) => chunks.push(Buffer.from(chunk)));
      peer.send('');
      peer.send('ab');
      peer.send('abc');
      peer.send('compressed, compressed', { compress: false });
      peer.send('fragments, ', { fin: false });
      peer.send('', { fin: false });
      peer.ping('between');
      peer.send('more', { fin: false });
      peer.send('', { fin: true });
      peer.send(Buffer.from('abcabcabc'), { fin: false, compress: false });
      peer.send(Buffer.from('abc'), { compress: true });
      peer.close(1000, 'done');
      await once(websocket, 'close');
      frames[name] = headersOf(Buffer.concat(chunks));
    }
    assert.deepStrictEqual(frames.oxws, frames.ws);
  });

  it('gives the fragments as ws does', async (t) => {
    const { peer, websocket } = await connectTaken(t, { client: ws });
    peer.binaryType = 'fragments';
    for (const part of ['one', '', 'two', 'x'.repeat(300_000)]) {
      websocket.send(Buffer.from(part), { fin: false });
    }
    websocket.send(Buffer.from('end'));
    websocket.send(Buffer.from('single'));
    websocket.send(Buffer.alloc(0));
    const lengths = (await collect(peer, 3)).map((list) => list.map(({ length }) => length));
    assert.deepStrictEqual(lengths, [[3, 3, 300_000, 3], [6], []]);
  });

  it('counts what is not compressed yet as buffered', async (t) => {
    const { peer, websocket } = await connectTaken(t);
    const received = collect(peer, 2);
    websocket.send('foo');
    assert.strictEqual(websocket.bufferedAmount, 3);
    websocket.ping('1234');
    assert.strictEqual(websocket.bufferedAmount, 7);
    const sent = new Promise((resolve) => {
      websocket.send('bar', (error) => resolve([error, websocket.bufferedAmount]));
    });
    assert.strictEqual(websocket.bufferedAmount, 10);
    assert.deepStrictEqual(await sent, [null, 0]);
    assert.deepStrictEqual(await received, ['foo', 'bar']);
  });

  it('calls back in order, whatever is compressed and however large', async (t) => {
    const { websocket } = await connectTaken(t);
    const called = [];
    const note = (name) => (error) => called.push(error ? error.message : name);
    websocket.send('small', note('small'));
    websocket.send('x'.repeat(200_000), note('large'));
    websocket.ping('', undefined, note('ping'));
    websocket.send('plain', { compress: false }, note('plain'));
    const last = new Promise((resolve) => websocket.send('last', resolve));
    await last;
    assert.deepStrictEqual(called, ['small', 'large', 'ping', 'plain']);
  });

  it('loses what is being compressed with the socket, as ws does', async (t) => {
    for (const size of [2, 200_000]) {
      const { websocket } = await connectTaken(t);
      const called = [];
      websocket.send('x'.repeat(size), (error) => called.push(error.message, websocket.readyState));
      websocket.send('behind', (error) => called.push(error.message, websocket.readyState));
      websocket.terminate();
      await once(websocket, 'close');
      await until(() => called.length === 4, 'both callbacks');
      const message = 'The socket was closed while data was being compressed';
      assert.deepStrictEqual(called.slice(0, 3), [message, 2, message], String(size));
    }
  });

  const broken = {
    'that is no deflate stream': [masked(1, Buffer.from('ffffffff', 'hex')), 'Z_DATA_ERROR', 1007],
    'whose text is not UTF-8': [
      masked(1, deflated(Buffer.from([0xff]))),
      'WS_ERR_INVALID_UTF8',
      1007
    ],
    'that is too long': [
      masked(2, deflated(Buffer.alloc(1025))),
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      1009
    ],
    'that becomes far too long': [
      masked(2, deflated(Buffer.alloc(50_000_000))),
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      1009
    ],
    'whose fragments become too long': [
      Buffer.concat([
        masked(2, Buffer.concat([deflated(Buffer.alloc(1000)), TAIL]), { fin: false }),
        masked(0, deflated(Buffer.alloc(1000)), { rsv: 0 })
      ]),
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      1009
    ]
  };
  for (const [title, [bytes, code, closeCode]] of Object.entries(broken)) {
    it(`refuses a message ${title}`, async (t) => {
      const seen = [];
      for (const server of [oxws, ws]) {
        const { peer, websocket } = await connect(t, {
          client: ws,
          server,
          serverOptions: { maxPayload: title.includes('too long') ? 1024 : 0 }
        });
        if (server === oxws) await taken(peer);
        const messages = [];
        peer.on('message', (data) => messages.push(data.toString()));
        const failed = once(peer, 'error');
        websocket._socket.write(Buffer.concat([masked(1, 'before', { rsv: 0 }), bytes]));
        const [error] = await failed;
        const [closedWith] = await once(websocket, 'close');
        seen.push([messages, error.name, error.message, error.code, error.errno, closedWith]);
      }
      assert.deepStrictEqual(seen[0], seen[1]);
      assert.deepStrictEqual(seen[0].slice(3), [code, seen[1][4], closeCode]);
    });
  }

  it('keeps a connection that inflates much from holding up others', async (t) => {
    const { peer, websocket, ...server } = await connectTaken(t, { client: ws });
    const other = await connections.join(t, server, {}, ws);
    const order = [];
    peer.on('message', (data) => order.push(data.length));
    peer.on('ping', () => order.push('ping'));
    other.peer.on('message', () => order.push('other'));
    websocket._socket.write(
      Buffer.concat([
        masked(2, deflated(Buffer.alloc(90_000_000))),
        masked(9, '', { rsv: 0 }),
        masked(1, 'behind', { rsv: 0 })
      ])
    );
    await sleep(5);
    other.ws.send('hi', { compress: false });
    await until(
      () => order.length === 4,
      () => `the other message, not only ${order}`
    );
    assert.deepStrictEqual(
      order.filter((entry) => entry !== 'other'),
      [90_000_000, 'ping', 6]
    );
    assert.strictEqual(order[0], 'other');
  });

  it('goes on where a paused connection was', async (t) => {
    const { peer, websocket } = await connectTaken(t);
    peer.pause();
    const received = collect(peer, 3);
    websocket.send('one'.repeat(100));
    websocket.send('y'.repeat(400_000));
    websocket.send('three');
    await sleep(50);
    peer.resume();
    assert.deepStrictEqual(
      (await received).map(({ length }) => length),
      [300, 400_000, 5]
    );
  });

  it('leaves a connection alone whose extension somebody has changed', async (t) => {
    const { peer, websocket } = await connect(t);
    const extension = peer._extensions['permessage-deflate'];
    const { compress } = extension;
    const compressed = [];
    extension.compress = function (data, ...rest) {
      compressed.push(data.toString());
      compress.call(this, data, ...rest);
    };
    await taken(websocket);
    await sleep(200);
    assert.ok(!isTaken(peer));
    peer.send('seen');
    assert.deepStrictEqual(await collect(websocket, 1), ['seen']);
    assert.deepStrictEqual(compressed, ['seen']);
  });

  it('shares the window with whoever compresses by hand', async (t) => {
    const { peer, websocket } = await connectTaken(t);
    const extension = peer._extensions['permessage-deflate'];
    const received = collect(websocket, 3);
    peer.send('the same text, the same text');
    const byHand = await new Promise((resolve, reject) => {
      extension.compress(Buffer.from('the same text, the same text'), true, (error, data) =>
        error ? reject(error) : resolve(data)
      );
    });
    peer._sender.sendFrame(
      oxws.Sender.frame(byHand, { fin: true, rsv1: true, opcode: 1, readOnly: false })
    );
    peer.send('the same text, the same text');
    const texts = await received;
    assert.deepStrictEqual(new Set(texts), new Set(['the same text, the same text']));
  });

  for (const [title, windows] of Object.entries({
    'with context takeover': {},
    'without context takeover': WINDOWS
  })) {
    it(`keeps the messages of many busy connections apart and in order, ${title}`, async (t) => {
      const perMessageDeflate = { ...OPTIONS, ...windows };
      const serverOptions = { perMessageDeflate };
      const { wss, websocket } = await connect(t, { serverOptions });
      const open = Array.from({ length: 39 }, async () => {
        const client = new oxws.WebSocket(websocket.url, { perMessageDeflate: OPTIONS });
        t.after(() => client.terminate());
        await once(client, 'open');
        return client;
      });
      const clients = [websocket, ...(await Promise.all(open))];
      await until(() => [...wss.clients, ...clients].every(isTaken));
      for (const peer of wss.clients) {
        peer.on('message', (data, isBinary) => {
          peer.send(data, { binary: isBinary });
          if (data.includes('"last"')) for (const other of wss.clients) other.send('news');
        });
      }
      const texts = (id) =>
        Array.from({ length: 30 }, (_, number) => {
          const padding = `${id * number} `.repeat((id * number) % 700);
          return JSON.stringify({ id, number, padding, part: number === 29 ? 'last' : 'some' });
        });
      const heard = clients.map((client) => collect(client, 30 + clients.length));
      clients.forEach((client, id) => {
        for (const text of texts(id)) client.send(text);
      });
      for (const [id, messages] of (await Promise.all(heard)).entries()) {
        const isNews = (message) => message === 'news';
        assert.deepEqual(
          messages.filter((message) => !isNews(message)),
          texts(id)
        );
        assert.equal(messages.filter(isNews).length, clients.length);
      }
    });
  }

  it('compresses a broadcast once', async (t) => {
    const serverOptions = { perMessageDeflate: { ...OPTIONS, ...WINDOWS } };
    const { url, wss } = await connections.serve(t, serverOptions);
    const clients = await Promise.all(Array.from({ length: 50 }, () => connections.open(t, url)));
    await Promise.all([...wss.clients].map(taken));
    const text = zlib
      .deflateSync(Buffer.alloc(3000, 'seed'))
      .toString('base64')
      .repeat(60)
      .slice(0, 3000);
    for (const round of ['one', 'two']) {
      const received = clients.map((client) => once(client, 'message'));
      for (const peer of wss.clients) peer.send(text + round);
      for (const [data] of await Promise.all(received)) assert.ok(data.toString() === text + round);
    }
  });

  describe('the receiver of a young connection', () => {
    /** What reads a connection now, without asking for it as a user would. */
    const receiverOf = (websocket) => websocket[kTransport]._receiver;

    for (const role of ['client', 'server']) {
      const end = role === 'client' ? 'websocket' : 'peer';
      const optionsOf = (options) => ({ [`${role}Options`]: options });

      it(`serves the next connection, ${role}`, async (t) => {
        const first = await connect(t);
        const receiver = receiverOf(first[end]);
        first.websocket.send('a first message');
        first.peer.send('another');
        await Promise.all([collect(first.websocket, 1), collect(first.peer, 1)]);
        await until(() => isTaken(first.websocket) && isTaken(first.peer));
        assert.strictEqual(receiver[kWebSocket], undefined);
        assert.deepStrictEqual(receiver._extensions, {});

        // Where the processors are busy, one may have been taken before it's looked at.
        const second = await until(async () => {
          const next = await connect(t, optionsOf({ ...WINDOWS, maxPayload: 40 }));
          return receiverOf(next[end]) === receiver && next;
        });
        assert.strictEqual(receiver._maxPayload, 40);
        const received = collect(second[end], 2);
        const sender = role === 'client' ? second.peer : second.websocket;
        sender.send('a short message');
        sender.send(Buffer.from('bytes'));
        // It isn't taken while a message is unfinished.
        sender.send('a'.repeat(20), { fin: false });
        assert.deepStrictEqual(await received, ['a short message', Buffer.from('bytes')]);
        const failed = once(second[end], 'error');
        sender.send('a'.repeat(21));
        const [error] = await failed;
        assert.strictEqual(error.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');

        // One that has failed serves nobody else, and the first connection has not heard of it.
        const third = await connect(t);
        assert.notStrictEqual(receiverOf(third[end]), receiver);
        const later = collect(first[end], 1);
        first[role === 'client' ? 'peer' : 'websocket'].send('the first goes on');
        assert.deepStrictEqual(await later, ['the first goes on']);
      });

      it(`serves nobody else once it was asked for, ${role}`, async (t) => {
        const first = await connect(t);
        const receiver = first[end]._receiver;
        await sleep(250);
        assert.strictEqual(receiverOf(first[end]), receiver);
        const second = await connect(t);
        assert.notStrictEqual(receiverOf(second[end]), receiver);
      });
    }

    it('serves nobody else if it belongs to a domain', async () => {
      const script = `
        const { create } = require('node:domain');
        const { once } = require('node:events');
        const { kTransport } = require('./lib/constants');
        const { WebSocket, WebSocketServer } = require('.');
        const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
        const connect = () => new WebSocket('ws://127.0.0.1:' + wss.address().port);
        wss.on('listening', async () => {
          const domain = create();
          const first = domain.run(connect);
          await once(first, 'open');
          const { _receiver: receiver } = first[kTransport];
          while (first[kTransport]._receiver) await new Promise(setImmediate);
          const second = connect();
          await once(second, 'open');
          console.log(receiver.domain === domain, second[kTransport]._receiver.domain);
          process.exit();
        });`;
      const options = { cwd: join(__dirname, '../..') };
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], options);
      assert.strictEqual(stdout, 'true null\n');
    });
  });
});

/** A frame of a client; RSV1 is set unless the options say something else. */
function masked(opcode, payload, options) {
  return frame(opcode, payload, { rsv: 4, key: Buffer.from([1, 2, 3, 4]), ...options });
}

/** A message as it goes over the wire. */
function deflated(data) {
  const bytes = zlib.deflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  return bytes.subarray(0, -4);
}

/** The first byte of each frame of a server, with what it carries; inflated as one stream. */
function headersOf(bytes) {
  const list = [];
  let isCompressed = false;
  let message = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at + 1];
    let start = at + 2;
    if (length === 126) {
      length = bytes.readUInt16BE(start);
      start += 2;
    }
    const first = bytes[at];
    const payload = bytes.subarray(start, start + length);
    at = start + length;
    if (first & 8) {
      list.push([first, payload.toString('hex')]);
      continue;
    }
    if (first & 15) isCompressed = (first & 0x40) !== 0;
    message.push(payload);
    list.push([first]);
    if (first & 0x80) {
      const whole = Buffer.concat(message);
      list.push(isCompressed ? inflated(whole) : whole.toString());
      message = [];
    }
  }
  return list;
}

function inflated(data) {
  const input = Buffer.concat([data, TAIL]);
  return zlib.inflateRawSync(input, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString();
}

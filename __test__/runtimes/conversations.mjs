// Conversations that have to go well in every runtime: those of `WebSocket.binding`, which it
// prints with what failed. The second argument names the package.

import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';

const { default: WebSocket } = await import(process.argv[2] ?? 'oxws');
const { WebSocketServer, createWebSocketStream } = WebSocket;

/**
 * Starts a server and connects to it.
 *
 * @param {any} [options] Of the server
 * @param {any} [clientOptions] Of the client
 * @param {string[]} [protocols] Subprotocols
 * @return {Promise<any>} Both ends, and what closes them
 */
async function connect(options = {}, clientOptions = {}, protocols = []) {
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  await once(wss, 'listening');
  const client = new WebSocket(
    `ws://127.0.0.1:${wss.address().port}/path?x=1`,
    protocols,
    clientOptions
  );
  const [[server, request]] = await Promise.all([once(wss, 'connection'), once(client, 'open')]);
  const close = async () => {
    client.terminate();
    server.terminate();
    await new Promise((resolve) => wss.close(resolve));
  };
  return { client, close, request, server, wss };
}

/** @return {Promise<[string, boolean]>} The next message. */
async function message(ws) {
  const [data, isBinary] = await once(ws, 'message');
  return [data.toString('latin1'), isBinary];
}

const conversations = {
  async 'text and bytes'() {
    const { client, close, request, server } = await connect();
    assert.strictEqual(request.url, '/path?x=1');
    client.send('there');
    assert.deepStrictEqual(await message(server), ['there', false]);
    server.send(Buffer.from('back'));
    assert.deepStrictEqual(await message(client), ['back', true]);
    await close();
  },

  async 'many messages, in order'() {
    const { client, close, server } = await connect();
    server.on('message', (data, binary) => server.send(data, { binary }));
    for (let i = 0; i < 1000; i++) client.send(String(i));
    const found = [];
    for await (const [data] of on(client, 'message')) {
      if (found.push(Number(data)) === 1000) break;
    }
    assert.ok(found.every((number, i) => number === i));
    await close();
  },

  async 'a large message'() {
    for (const perMessageDeflate of [false, true]) {
      const { client, close, server } = await connect({ perMessageDeflate });
      const data = Buffer.alloc(3 << 20, 'a large message, ');
      client.send(data);
      const [there] = await once(server, 'message');
      assert.ok(there.equals(data));
      server.send(there);
      const [back] = await once(client, 'message');
      assert.ok(back.equals(data));
      await close();
    }
  },

  async compression() {
    const options = { perMessageDeflate: { threshold: 0 } };
    const { client, close, server } = await connect(options, options);
    assert.strictEqual(client.extensions, 'permessage-deflate');
    for (let i = 0; i < 20; i++) {
      client.send(JSON.stringify({ i, text: 'compressed'.repeat(20) }));
      const [data] = await once(server, 'message');
      assert.strictEqual(JSON.parse(data).i, i);
    }
    await close();
  },

  async 'ping and pong'() {
    const { client, close, server } = await connect();
    server.ping('beat');
    const [data] = await once(server, 'pong');
    assert.strictEqual(data.toString(), 'beat');
    client.ping();
    await once(client, 'pong');
    await close();
  },

  async 'the closing handshake'() {
    const { client, server, wss } = await connect();
    client.close(4001, 'enough');
    const [[code, reason], [echoed]] = await Promise.all([
      once(server, 'close'),
      once(client, 'close')
    ]);
    assert.deepStrictEqual([code, reason.toString(), echoed], [4001, 'enough', 4001]);
    await new Promise((resolve) => wss.close(resolve));
  },

  async 'an abrupt end'() {
    const { client, server, wss } = await connect();
    server.terminate();
    const [code] = await once(client, 'close');
    assert.strictEqual(code, 1006);
    await new Promise((resolve) => wss.close(resolve));
  },

  async 'a message that is too long'() {
    const { client, server, wss } = await connect({ maxPayload: 10 });
    const failed = once(server, 'error');
    client.send('eleven bytes');
    const [error] = await failed;
    assert.strictEqual(error.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    const [code] = await once(client, 'close');
    assert.strictEqual(code, 1009);
    await new Promise((resolve) => wss.close(resolve));
  },

  async 'a client that is refused'() {
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, verifyClient: () => false });
    await once(wss, 'listening');
    const client = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
    const [error] = await once(client, 'error');
    assert.strictEqual(error.message, 'Unexpected server response: 401');
    await new Promise((resolve) => wss.close(resolve));
  },

  async subprotocols() {
    const { client, close, server } = await connect({}, {}, ['one', 'two']);
    assert.deepStrictEqual([client.protocol, server.protocol], ['one', 'one']);
    await close();
  },

  async 'a server of its own'() {
    const wss = new WebSocketServer({ noServer: true });
    const server = http.createServer();
    server.on('upgrade', (request, socket, head) => {
      wss.handleUpgrade(request, socket, head, (ws) => ws.send('upgraded'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
    const [data] = await once(client, 'message');
    assert.strictEqual(data.toString(), 'upgraded');
    client.close();
    await once(client, 'close');
    server.close();
  },

  async 'a stream'() {
    const { client, server, wss } = await connect();
    const there = createWebSocketStream(client);
    const back = createWebSocketStream(server);
    back.pipe(back);
    let received = 0;
    there.on('data', (data) => {
      received += data.length;
      if (received === 1 << 20) there.end();
    });
    for (let i = 0; i < 16; i++) there.write(Buffer.alloc(1 << 16));
    await once(there, 'close');
    assert.strictEqual(received, 1 << 20);
    await new Promise((resolve) => wss.close(resolve));
  },

  async 'the events of a browser'() {
    const { client, close, server } = await connect();
    const event = new Promise((resolve) => client.addEventListener('message', resolve));
    server.send('text');
    assert.strictEqual((await event).data, 'text');
    await close();
  }
};

/** As `events.on`, for what comes in one turn. */
async function* on(emitter, name) {
  const waiting = [];
  let wake = () => {};
  emitter.on(name, (...args) => {
    waiting.push(args);
    wake();
  });
  for (;;) {
    while (waiting.length > 0) yield waiting.shift();
    await new Promise((resolve) => {
      wake = resolve;
    });
  }
}

const failures = [];
for (const [name, converse] of Object.entries(conversations)) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it takes too long')), 10_000);
  });
  try {
    await Promise.race([converse(), late]);
  } catch (error) {
    failures.push(`${name}: ${error.message}`);
  }
  clearTimeout(timer);
}
const count = Object.keys(conversations).length;
console.log(JSON.stringify({ binding: WebSocket.binding, count, failures }));
if (failures.length > 0) process.exit(1);

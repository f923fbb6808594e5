'use strict';

// The async context in which the events of a WebSocket run.

const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const http = require('node:http');
const { describe, it } = require('node:test');

const { closed, compare, sleep, upgradeRequest } = require('./support/differential');
const { frame } = require('./support/frames');

const KEY = Buffer.from([1, 2, 3, 4]);

/** Notes down in which context each event of a WebSocket and its socket runs. */
function watch(world, websocket, storage) {
  const note = (name) => () => world.note(name, storage.getStore());
  storage.run('listening', () => {
    for (const event of ['message', 'ping', 'pong', 'error', 'close']) {
      websocket.on(event, note(event));
    }
    websocket.addEventListener('message', note('message, as an EventTarget'));
    for (const event of ['end', 'close']) websocket._socket.on(event, note(`socket ${event}`));
  });
}

/**
 * A server whose connections are handed over in a context; `behind` follows the request at once.
 */
async function openServer(world, storage, { behind = Buffer.alloc(0), onConnection } = {}) {
  const server = http.createServer();
  const wss = new world.WebSocketServer({ noServer: true, maxPayload: 100 });
  const accepted = new Promise((resolve) => {
    server.on('upgrade', (request, socket, head) => {
      world.note('upgrade', storage.getStore(), head.length);
      storage.run('hand-over', () => {
        wss.handleUpgrade(request, socket, head, (websocket) => {
          watch(world, websocket, storage);
          onConnection?.(websocket);
          resolve(websocket);
        });
      });
    });
  });
  world.defer(() => {
    for (const websocket of wss.clients) websocket.terminate();
  });
  const peer = await world.dial(await world.serveHttp(server));
  peer.socket.write(Buffer.concat([Buffer.from(upgradeRequest()), behind]));
  const [websocket] = await Promise.all([accepted, peer.takeHead()]);
  return { peer, websocket };
}

/** A client that was made in a context. */
async function openClient(world, storage) {
  const { peer, websocket } = await storage.run('client', () =>
    world.handshakeClient({ maxPayload: 100 })
  );
  websocket.on('open', () => {
    world.note('open', storage.getStore());
    watch(world, websocket, storage);
  });
  await once(websocket, 'open');
  return { peer, websocket };
}

const open = { client: openClient, server: openServer };

/** What ends a connection. */
const ends = {
  'close()': ({ peer, websocket }, options) => {
    websocket.close();
    peer.frames().then(() => peer.socket.end(frame(8, '', options)));
  },
  'terminate()': ({ websocket }) => websocket.terminate(),
  'the end of the socket': ({ websocket }) => websocket._socket.end(),
  'a reset of its own': ({ websocket }) => websocket._socket.resetAndDestroy(),
  'a close frame': ({ peer }, options) => peer.socket.end(frame(8, '\x03\xe8', options)),
  'a frame that is no frame': ({ peer }, options) => peer.socket.end(frame(3, '', options)),
  'a message that is too long': ({ peer }, options) =>
    peer.socket.end(frame(2, Buffer.alloc(101), options)),
  'the end of the peer': ({ peer }) => peer.socket.end(),
  'the reset of the peer': ({ peer }) => peer.socket.resetAndDestroy()
};

describe('Async context', () => {
  for (const role of ['server', 'client']) {
    const options = role === 'server' ? { key: KEY } : {};

    for (const [title, end] of Object.entries(ends)) {
      it(`of a ${role}'s events is that of ws: ${title}`, () =>
        compare(async (world) => {
          const storage = new AsyncLocalStorage();
          const connection = await open[role](world, storage);
          const { peer, websocket } = connection;
          const ponged = once(websocket, 'pong');
          for (const opcode of [1, 2, 9, 10]) peer.socket.write(frame(opcode, 'x', options));
          await ponged;
          const isClosed = closed(websocket);
          peer.socket.on('end', () => peer.socket.end());
          storage.run('ending', () => end(connection, options));
          await isClosed;
          await sleep(5);
        }));
    }
  }

  it('of what comes with the request is that of ws', () =>
    compare(async (world) => {
      const storage = new AsyncLocalStorage();
      const behind = Buffer.concat([1, 9].map((opcode) => frame(opcode, 'early', { key: KEY })));
      const { peer, websocket } = await openServer(world, storage, { behind });
      await sleep(20);
      peer.socket.write(frame(1, 'late', { key: KEY }));
      await once(websocket, 'message');
      websocket.terminate();
      await closed(websocket);
    }));

  it("of a connection's end at its beginning is that of ws", () =>
    compare(async (world) => {
      const storage = new AsyncLocalStorage();
      const { websocket } = await openServer(world, storage, {
        onConnection: (accepted) => accepted.terminate()
      });
      await closed(websocket);
    }));
});

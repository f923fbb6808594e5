'use strict';

// What other implementations got wrong once, compared with ws in both roles.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const {
  closed,
  compare,
  oxws,
  perform,
  sleep,
  upgradeRequest
} = require('../support/differential');
const { inBothRoles, incoming, incomingClose, ROLES } = require('../support/roles');
const { uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');

describe('the lessons of other implementations', () => {
  it('text is told from binary by the second argument', () =>
    compare(async (world) => {
      const { websocket, peer } = await world.openServer();

      websocket.on('message', (...parameters) => world.note(parameters.length, ...parameters));
      peer.socket.write(Buffer.concat([incoming('server', 1, 'a'), incoming('server', 2, 'b')]));
      await once(websocket, 'message');
      await sleep(5);
    }));

  it('handleUpgrade may come after an await', () =>
    compare(async (world) => {
      const server = require('node:http').createServer();
      const wss = new world.WebSocketServer({ noServer: true });
      const port = await world.serveHttp(server);

      server.on('upgrade', async (request, socket, head) => {
        await sleep(20);
        wss.handleUpgrade(request, socket, head, (websocket) => {
          world.record(websocket);
        });
      });
      const peer = await world.dial(port);

      peer.socket.write(
        Buffer.concat([Buffer.from(upgradeRequest()), incoming('server', 1, 'early')])
      );
      world.note(await peer.takeHead());
      peer.socket.write(incoming('server', 1, 'later'));
      peer.socket.write(incomingClose('server', 1000));
      world.note(await peer.frames());
    }));

  inBothRoles('an empty message is a message', async ({ websocket, peer, note, role }) => {
    websocket.on('message', (data, isBinary) => note(data.length, isBinary));
    peer.socket.write(Buffer.concat([incoming(role, 1, ''), incoming(role, 2, '')]));
    await once(websocket, 'message');
    await sleep(5);
  });

  inBothRoles(
    'pings and pongs are buffers whatever binaryType says',
    async ({ websocket, peer, note, role }) => {
      websocket.binaryType = 'arraybuffer';
      websocket.on('ping', (data) => note('ping', data));
      websocket.on('pong', (data) => note('pong', data));
      peer.socket.write(Buffer.concat([incoming(role, 9, 'a'), incoming(role, 10, 'b')]));
      await once(websocket, 'pong');
    }
  );

  inBothRoles('a paused connection still gives its descriptor back', async (test) => {
    const { websocket, note } = test;

    websocket.pause();
    websocket.close(1000);
    websocket.terminate();
    await closed(websocket);
    note(websocket._socket.destroyed, websocket._socket._handle);
  });

  inBothRoles('CLOSING is reached although nothing can be written', async (test) => {
    const { websocket, peer, note } = test;

    peer.socket.pause();
    for (let i = 0; i < 64; i++) websocket.send(Buffer.alloc(1024 * 1024));
    note(websocket.bufferedAmount > 0);
    websocket.close(1000);
    note(websocket.readyState);
    websocket.terminate();
    await closed(websocket);
  });

  inBothRoles('callbacks of frames that were never written get an error', async (test) => {
    const { websocket, peer, note } = test;

    peer.socket.pause();
    const results = [];

    for (let i = 0; i < 64; i++) {
      websocket.send(Buffer.alloc(1024 * 1024), (error) => results.push(Boolean(error)));
    }
    websocket.terminate();
    await closed(websocket);
    await sleep(10);
    note(results.length, results.at(-1));
  });

  for (const event of ['message', 'ping', 'pong']) {
    // Deviation (ws 8.x): there, such a connection never delivers anything again.
    for (const role of ROLES) {
      it(`a listener of ${event} that throws does not silence the connection, as ${role}`, async () => {
        const opcode = { message: 1, ping: 9, pong: 10 }[event];
        const errors = await uncaughtDuring(() =>
          perform(oxws, async (world) => {
            const { websocket, peer } = await world.open(role);
            const seen = [];

            websocket.on(event, (data) => {
              seen.push(data.toString());
              if (seen.length < 3) throw new Error(`thrown ${data}`);
            });
            const isClosed = once(websocket, 'close');

            peer.socket.write(
              Buffer.concat([
                incoming(role, opcode, 'a'),
                incoming(role, opcode, 'b'),
                incoming(role, opcode, 'c')
              ])
            );
            await until(
              () => seen.length === 3,
              () => `three events, not only ${seen}`
            );
            peer.socket.end(
              Buffer.concat([incoming(role, opcode, 'd'), incomingClose(role, 4000)])
            );
            const [code] = await isClosed;

            assert.deepStrictEqual(seen, ['a', 'b', 'c', 'd']);
            assert.strictEqual(code, 4000);
          })
        );
        assert.deepStrictEqual(errors, ['thrown a', 'thrown b']);
      });
    }
  }

  it('events run in the async context of the socket', () =>
    compare(async (world) => {
      const storage = new AsyncLocalStorage();
      const { wss, port } = await storage.run('server', () => world.serve());
      const peer = await world.dial(port);

      wss.on('connection', (websocket) => {
        storage.run('connection', () => {
          websocket.on('message', () => world.note(storage.getStore()));
          websocket.send('a', () => world.note('callback', storage.getStore()));
        });
      });
      peer.socket.write(upgradeRequest());
      await once(wss, 'connection');
      await peer.takeHead();
      await peer.frames(1);
      peer.socket.write(incoming('server', 1, 'a'));
      await once([...wss.clients][0], 'message');
    }));

  it('readyState is what it is in ws within every event', () =>
    compare(async (world) => {
      const { url, wss } = await world.serve();

      wss.on('connection', (websocket) => {
        world.note('connection', websocket.readyState);
        websocket.on('message', () => websocket.close(1000));
      });
      const websocket = world.record(world.connect(url));

      world.note('constructed', websocket.readyState);
      websocket.on('open', () => {
        websocket.send('a', () => world.note('sent', websocket.readyState));
      });
      await closed(websocket);
    }));
});

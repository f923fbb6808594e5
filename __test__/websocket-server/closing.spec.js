'use strict';

// The end of a server, and what programs do to one, compared with ws.

const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { describe, it } = require('node:test');

const {
  closed,
  compare,
  oxws,
  perform,
  sleep,
  upgradeRequest
} = require('../support/differential');
const until = require('../support/until');

describe('a server that closes', () => {
  it('waits for the clients on its own port', () =>
    compare(async (world) => {
      const { wss, peer, websocket } = await world.openServer();
      const server = wss._server;

      wss.on('close', () => world.note('close', wss._state, wss.clients.size));
      server.on('close', () => world.note('server close'));
      wss.close((error) => world.note('first', error));
      wss.close((error) => world.note('second', error));
      world.note(wss._state, wss._server, wss.clients.size);
      await sleep(20);
      world.note('still open', websocket.readyState);
      peer.socket.destroy();
      await once(wss, 'close');
      await new Promise((resolve) => {
        wss.close((error) => {
          world.note('third', error, wss._state);
          resolve();
        });
      });
    }));

  for (const clientTracking of [true, false]) {
    it(`leaves the HTTP server alone, clientTracking ${clientTracking}`, () =>
      compare(async (world) => {
        const server = http.createServer((_req, res) => res.end('ok'));
        const wss = new world.WebSocketServer({ server, clientTracking });
        const port = await world.serveHttp(server);
        const peer = await world.dial(port);

        peer.socket.write(upgradeRequest());
        const [websocket] = await once(wss, 'connection');

        wss.on('close', () => world.note('close', websocket.readyState));
        wss.close();
        world.note('called', server.listening);
        await sleep(20);
        websocket.terminate();
        await closed(websocket);
        await sleep(20);
        world.note('end', server.listening, websocket._socket.destroyed);
      }));
  }

  it('without clients says so in the next tick', () =>
    compare(async (world) => {
      const wss = new world.WebSocketServer({ noServer: true });

      wss.on('close', () => world.note('close', wss._state));
      wss.close(() => world.note('callback'));
      world.note('sync', wss._state);
      await once(wss, 'close');
    }));

  it('forgets a client before the listeners of the client hear of its end', () =>
    compare(async (world) => {
      const { wss, peer, websocket } = await world.openServer();

      websocket.on('close', () => world.note('close', wss.clients.size));
      peer.socket.destroy();
      await closed(websocket);
    }));

  it('counts upgraded sockets as connections of the HTTP server', () =>
    compare(async (world) => {
      const { wss, websocket } = await world.openServer();
      const count = () =>
        new Promise((resolve, reject) => {
          wss._server.getConnections((error, value) => (error ? reject(error) : resolve(value)));
        });

      world.note(await count());
      websocket.terminate();
      await closed(websocket);
      world.note(await count());
    }));
});

describe('what programs do to a server', () => {
  it('may be a subclass', () =>
    compare(async (world) => {
      class Mine extends world.WebSocketServer {
        completeUpgrade(extensions, key, protocols, request, socket, head, callback) {
          world.note('completeUpgrade', key, [...protocols], Object.keys(extensions), head.length);
          return super.completeUpgrade(extensions, key, protocols, request, socket, head, callback);
        }

        handleUpgrade(...parameters) {
          world.note('handleUpgrade', parameters.length);
          return super.handleUpgrade(...parameters);
        }

        shouldHandle(request) {
          world.note('shouldHandle', request.url);
          return super.shouldHandle(request);
        }
      }

      const wss = new Mine({ port: 0, host: '127.0.0.1' });

      await once(wss, 'listening');
      const peer = await world.dial(wss.address().port);

      peer.socket.write(upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': 'a' } }));
      const [websocket] = await once(wss, 'connection');

      world.note(await peer.takeHead());
      websocket.terminate();
      wss.close();
      await once(wss, 'close');
    }));

  it('survives a client that resets the connection during the handshake', async () => {
    await perform(oxws, async (world) => {
      let callback;
      const { port } = await world.serve({
        verifyClient: (info, verified) => {
          callback = verified;
          info.req.socket.resume();
        }
      });
      const socket = net.connect(port, '127.0.0.1');

      socket.on('error', () => {});
      socket.write(upgradeRequest());
      await until(() => callback, 'the handshake');
      socket.resetAndDestroy();
      await sleep(20);
      callback(true);
      world.note('survived');
    });
  });
});

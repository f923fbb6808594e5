'use strict';

// Servers and the opening handshake, compared with ws byte for byte. RFC 6455, section 4.2.

const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const { Duplex, duplexPair, PassThrough } = require('node:stream');
const { describe, it } = require('node:test');

const { attempt, closed, compare, KEY, oxws, upgradeRequest } = require('../support/differential');
const until = require('../support/until');

/** Sends bytes to a server and notes down all that comes back, but for the time of day. */
async function exchange(world, port, bytes) {
  const peer = await world.dial(port);

  peer.socket.write(bytes);
  world.note((await peer.all()).replace(/^Date: .*$/m, 'Date: now'));
  peer.socket.destroy();
}

/** Two ends of a stream that has nothing of a socket. */
function createDuplexPair() {
  if (duplexPair) return duplexPair();
  const [there, back] = [new PassThrough(), new PassThrough()];
  return [
    Duplex.from({ readable: there, writable: back }),
    Duplex.from({ readable: back, writable: there })
  ];
}

describe('a server that is constructed', () => {
  const server = new http.Server();
  const calls = {
    'without arguments': [],
    'without an option that says where it serves': [{}],
    'with port and server': [{ port: 0, server }],
    'with port and noServer': [{ port: 0, noServer: true }],
    'with server and noServer': [{ server, noServer: true }],
    'with all three': [{ port: 0, server, noServer: true }],
    'with a server that is none': [{ server: {} }],
    'with a port below 0': [{ port: -1 }],
    'with a port above 65535': [{ port: 65536 }]
  };

  for (const [title, parameters] of Object.entries(calls)) {
    it(`throws ${title} as ws does`, () =>
      compare(async (world) => {
        const result = attempt(() => new world.WebSocketServer(...parameters));

        assert.strictEqual(result[0], 'threw');
        world.note(result);
      }));
  }

  it('throws where an option that ws does not have is invalid, and listens to nothing', () => {
    const server = new http.Server();
    for (const memoryLimit of ['x', -1, Number.NaN, null, Symbol('limit')]) {
      for (const options of [{ port: 0 }, { server }, { noServer: true }]) {
        const perMessageDeflate = { memoryLimit };
        assert.throws(() => new oxws.WebSocketServer({ ...options, perMessageDeflate }), {
          name: 'TypeError',
          message: `The option "memoryLimit" must be a number of bytes: ${String(memoryLimit)}`
        });
      }
    }
    assert.strictEqual(server.listenerCount('upgrade'), 0);
  });

  it('has the options of ws, with the same defaults, in an object of its own', () =>
    compare(async (world) => {
      const given = { noServer: true, perMessageDeflate: true, extra: 1 };
      const wss = new world.WebSocketServer(given);

      world.note(
        Object.entries(wss.options).map(([name, value]) => [name, JSON.stringify(value)]),
        wss.options === given,
        wss.options.WebSocket === world.WebSocket,
        Object.keys(wss).filter((name) => !name.startsWith('_event')),
        wss.clients.size
      );
    }));

  it('has no clients when it does not track them', () =>
    compare(async (world) => {
      const wss = new world.WebSocketServer({ noServer: true, clientTracking: false });

      world.note('clients' in wss, wss.clients);
    }));

  it('calls back when it listens', () =>
    compare(async (world) => {
      const wss = await new Promise((resolve) => {
        const created = new world.WebSocketServer({ port: 0 }, function () {
          world.note('listening', this === created._server);
          resolve(created);
        });
      });

      world.note(typeof wss.address().port, wss._server instanceof http.Server);
      wss.close();
      world.note(wss.address(), wss._server);
      await once(wss, 'close');
    }));

  it('emits the error of a port that is taken', () =>
    compare(async (world) => {
      const { port } = await world.serve();
      const wss = new world.WebSocketServer({ port, host: '127.0.0.1' });
      const [error] = await once(wss, 'error');

      world.note(error.code, error.syscall);
    }));

  it('listens for three events of an HTTP server, and stops when it closes', () =>
    compare(async (world) => {
      const emitter = new http.Server();
      const wss = new world.WebSocketServer({ server: emitter });
      const count = () =>
        ['listening', 'error', 'upgrade'].map((name) => emitter.listenerCount(name));

      world.note(count());
      wss.on('listening', () => world.note('listening'));
      wss.on('error', (error) => world.note('error', error));
      emitter.emit('listening');
      emitter.emit('error', new Error('mine'));
      wss.close();
      world.note(count());
      await once(wss, 'close');
    }));

  it('has no address without a server', () =>
    compare(async (world) => {
      const wss = new world.WebSocketServer({ noServer: true });

      world.note(attempt(() => wss.address()));
    }));
});

describe('a request that is refused', () => {
  const cases = {
    'for not being an upgrade': ['GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    'for its method': [upgradeRequest({ method: 'POST' })],
    'for its method, whatever else is wrong': [
      upgradeRequest({ method: 'PUT', headers: { Upgrade: 'foo', 'Sec-WebSocket-Key': null } })
    ],
    'for another Upgrade': [upgradeRequest({ headers: { Upgrade: 'foo' } })],
    'for two values of Upgrade': [upgradeRequest({ headers: { Upgrade: 'websocket, h2c' } })],
    'for a missing key': [upgradeRequest({ headers: { 'Sec-WebSocket-Key': null } })],
    'for a short key': [upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'YQ==' } })],
    'for a key with other characters': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j!Q==' } })
    ],
    'for a key without padding': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Key': KEY.slice(0, -2) } })
    ],
    'for being older than the protocol': [
      upgradeRequest({
        headers: {
          'Sec-WebSocket-Key': null,
          'Sec-WebSocket-Key1': '3e6b263  4 17 80',
          'Sec-WebSocket-Key2': '17  9 G`ZD9   2 2b 7X 3 /r90'
        }
      })
    ],
    'for a missing version': [upgradeRequest({ headers: { 'Sec-WebSocket-Version': null } })],
    'for another version': [upgradeRequest({ headers: { 'Sec-WebSocket-Version': 12 } })],
    'for a version that is no number': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Version': '13a' } })
    ],
    'for its path': [upgradeRequest({ path: '/other' }), { path: '/here' }],
    'for a path that only begins right': [upgradeRequest({ path: '/here/' }), { path: '/here' }],
    'for an empty subprotocol header': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': '' } })
    ],
    'for a subprotocol header that is none': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': 'a b' } })
    ],
    'for a subprotocol twice': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': 'foo, bar, foo' } })
    ],
    'for an extension header that is none': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; foo=' } }),
      { perMessageDeflate: true }
    ],
    'for an empty extension header': [
      upgradeRequest({ headers: { 'Sec-WebSocket-Extensions': '' } }),
      { perMessageDeflate: true }
    ],
    'for an unacceptable offer': [
      upgradeRequest({
        headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; server_max_window_bits=7' }
      }),
      { perMessageDeflate: true }
    ],
    'by verifyClient': [upgradeRequest(), { verifyClient: () => false }],
    'by verifyClient with a callback': [
      upgradeRequest(),
      { verifyClient: (_info, callback) => setImmediate(callback, false) }
    ],
    'by verifyClient with a status': [
      upgradeRequest(),
      { verifyClient: (_info, callback) => callback(false, 404) }
    ],
    'by verifyClient with a message': [
      upgradeRequest(),
      { verifyClient: (_info, callback) => callback(false, 402, 'møney') }
    ],
    'by verifyClient with headers': [
      upgradeRequest(),
      {
        verifyClient: (_info, callback) =>
          callback(false, 429, 'later', { 'Retry-After': 120, 'Content-Type': 'text/plain' })
      }
    ]
  };

  for (const [title, [bytes, options]] of Object.entries(cases)) {
    it(`${title} gets the bytes of ws`, () =>
      compare(async (world) => {
        const { wss, port } = await world.serve(options);

        wss.on('connection', () => world.note('connection'));
        await exchange(world, port, bytes);
        world.note(wss.clients.size);
      }));

    it(`${title} goes to wsClientError, or does not, as in ws`, () =>
      compare(async (world) => {
        const { wss, port } = await world.serve(options);

        wss.on('wsClientError', (error, socket, request) => {
          world.note('wsClientError', error, request.method, request.socket === socket);
          socket.end('HTTP/1.1 400 Mine\r\nConnection: close\r\n\r\n');
        });
        await exchange(world, port, bytes);
      }));
  }

  it('for its path does not stop at the query', () =>
    compare(async (world) => {
      const { wss, port } = await world.serve({ path: '/here' });

      for (const path of ['/here?a=b', '/here?', '/here']) {
        const peer = await world.dial(port);

        peer.socket.write(upgradeRequest({ path }));
        world.note(await peer.takeHead());
      }
      wss.path = '/expando';
      wss.shouldHandle = (request) => request.url === '/mine';
      await exchange(world, port, upgradeRequest({ path: '/here' }));
    }));

  it('because the server closes gets 503', () =>
    compare(async (world) => {
      const server = http.createServer();
      const wss = new world.WebSocketServer({ noServer: true });
      const port = await world.serveHttp(server);

      server.on('upgrade', (request, socket, head) => {
        wss.close();
        wss.handleUpgrade(request, socket, head, () => world.note('called'));
      });
      await exchange(world, port, upgradeRequest());
    }));

  it('because the client has gone gets nothing', () =>
    compare(async (world) => {
      const server = http.createServer();
      const wss = new world.WebSocketServer({ noServer: true });
      const port = await world.serveHttp(server);
      const socketClosed = new Promise((resolve) => {
        server.on('upgrade', (request, socket, head) => {
          socket.on('close', () => resolve(socket));
          socket.on('end', () => {
            wss.handleUpgrade(request, socket, head, () => world.note('called'));
          });
          socket.resume();
        });
      });
      const peer = await world.dial(port);

      peer.socket.end(upgradeRequest());
      const socket = await socketClosed;

      world.note(await peer.all(), socket.destroyed);
    }));

  it('because its socket was upgraded before throws', () =>
    compare(async (world) => {
      const server = http.createServer();
      const port = await world.serveHttp(server);
      const first = new world.WebSocketServer({ server });
      const second = new world.WebSocketServer({ noServer: true });
      let result;

      server.on('upgrade', (request, socket, head) => {
        result = attempt(() => second.handleUpgrade(request, socket, head, () => {}));
      });
      const peer = await world.dial(port);

      peer.socket.write(upgradeRequest());
      world.note(await peer.takeHead());
      world.note(result);
      for (const client of first.clients) client.terminate();
    }));

  it('with a status that HTTP does not have throws out of the callback', () =>
    compare(async (world) => {
      let result;
      const { port } = await world.serve({
        verifyClient: (info, callback) => {
          result = attempt(() => callback(false, 999));
          info.req.socket.destroy();
        }
      });

      await exchange(world, port, upgradeRequest());
      world.note(result);
    }));
});

describe('a request that is accepted', () => {
  const cases = {
    'without further ado': [],
    'with a subprotocol': [{ 'Sec-WebSocket-Protocol': 'b , a' }],
    'with a subprotocol that a handler chose': [
      { 'Sec-WebSocket-Protocol': 'a,b' },
      { handleProtocols: (protocols, request) => `${[...protocols].at(-1)}${request.url}` }
    ],
    'without a subprotocol when a handler wants none': [
      { 'Sec-WebSocket-Protocol': 'a,b' },
      { handleProtocols: () => false }
    ],
    'without calling a handler for no subprotocols': [
      {},
      { handleProtocols: () => assert.fail('called') }
    ],
    'without the extension that it did not ask for': [
      { 'Sec-WebSocket-Extensions': 'permessage-deflate' }
    ],
    'with the extension': [
      { 'Sec-WebSocket-Extensions': 'foo, permessage-deflate; client_max_window_bits' },
      { perMessageDeflate: true }
    ],
    'with the second offer of the extension': [
      {
        'Sec-WebSocket-Extensions':
          'permessage-deflate; server_max_window_bits=10, permessage-deflate; server_no_context_takeover'
      },
      { perMessageDeflate: { serverMaxWindowBits: false } }
    ],
    'although it offers unknown extensions': [
      { 'Sec-WebSocket-Extensions': 'foo; bar' },
      { perMessageDeflate: true }
    ],
    'in version 8': [{ 'Sec-WebSocket-Version': 8 }],
    'with Upgrade in capitals': [{ Upgrade: 'WebSocket' }],
    'without Connection: Upgrade alone': [{ Connection: 'keep-alive, Upgrade' }]
  };

  for (const [title, [headers, options]] of Object.entries(cases)) {
    it(`${title} gets the bytes of ws`, () =>
      compare(async (world) => {
        const { wss, port } = await world.serve(options);
        const peer = await world.dial(port);

        peer.socket.write(upgradeRequest({ path: '/p', headers }));
        const [websocket, request] = await once(wss, 'connection');

        world.note(await peer.takeHead());
        world.note(websocket.protocol, websocket.extensions, websocket.readyState, websocket.url);
        world.note(
          request.socket === websocket._socket,
          wss.clients.has(websocket),
          wss.clients.size
        );
      }));
  }

  it("lets listeners of 'headers' change the response", () =>
    compare(async (world) => {
      const { wss, port } = await world.serve();
      let seen;

      wss.on('headers', (headers, request) => {
        world.note('headers', headers, request.url);
        headers.push('Set-Cookie: a=1', 'X-B: c');
        seen = request;
      });
      const peer = await world.dial(port);

      peer.socket.write(upgradeRequest({ path: '/x' }));
      const [, request] = await once(wss, 'connection');

      world.note(await peer.takeHead(), seen === request);
    }));

  it('tells verifyClient about the request', () =>
    compare(async (world) => {
      for (const [version, name] of [
        [13, 'Origin'],
        [8, 'Sec-WebSocket-Origin']
      ]) {
        const { wss, port } = await world.serve({
          verifyClient(info) {
            world.note(Object.keys(info), info.origin, info.secure, info.req.url);
            world.note(this.verifyClient.length);
            return 'yes';
          }
        });
        const peer = await world.dial(port);
        const headers = { 'Sec-WebSocket-Version': version, [name]: 'https://example.com' };

        peer.socket.write(upgradeRequest({ headers }));
        await once(wss, 'connection');
      }
    }));

  it('takes the promise of verifyClient for a yes', () =>
    compare(async (world) => {
      const { wss, port } = await world.serve({ verifyClient: async (_info) => false });
      const peer = await world.dial(port);

      peer.socket.write(upgradeRequest());
      await once(wss, 'connection');
      world.note(await peer.takeHead());
    }));

  it('reads the options anew for each request', () =>
    compare(async (world) => {
      const { wss, port } = await world.serve();
      const headers = {
        'Sec-WebSocket-Extensions': 'permessage-deflate',
        'Sec-WebSocket-Protocol': 'a,b'
      };

      const visit = async () => {
        const peer = await world.dial(port);

        peer.socket.write(upgradeRequest({ headers }));
        const [websocket] = await once(wss, 'connection');

        world.note(await peer.takeHead(), websocket._receiver._maxPayload);
        return websocket;
      };

      await visit();
      wss.options.perMessageDeflate = {};
      wss.options.handleProtocols = () => 'b';
      wss.options.maxPayload = 10;
      await visit();
      wss.options.WebSocket = class Mine extends world.WebSocket {
        constructor(...parameters) {
          super(...parameters);
          this.on('open', () => world.note('open', parameters.length, parameters[0]));
        }
      };
      world.note((await visit()).constructor.name);
    }));

  it('coerces limits as ws does', () =>
    compare(async (world) => {
      for (const value of [0, -1, 2 ** 31, 2 ** 32 + 5, 1.9, Number.NaN, '7', null, undefined]) {
        const { websocket, peer } = await world.openServer({
          maxPayload: value,
          maxFragments: value,
          maxBufferedChunks: value,
          maxPendingAutoPongs: value
        });
        const receiver = websocket._receiver;

        world.note(
          receiver._maxPayload,
          receiver._maxFragments,
          receiver._maxBufferedChunks,
          websocket._maxPendingAutoPongs
        );
        peer.socket.destroy();
      }
    }));

  it('does not lose what came with it', () =>
    compare(async (world) => {
      const { wss, port } = await world.serve();
      const peer = await world.dial(port);

      wss.on('connection', (websocket) => {
        world.note('connection');
        world.record(websocket);
        setImmediate(() => world.note('later'));
        queueMicrotask(() => world.note('microtask'));
      });
      peer.socket.write(
        Buffer.concat([
          Buffer.from(upgradeRequest()),
          Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69, 0x88, 0x82, 0, 0, 0, 0, 3, 0xe8])
        ])
      );
      const [websocket] = await once(wss, 'connection');

      await peer.all();
      peer.socket.end();
      await closed(websocket);
    }));

  it('may come by hand, over anything that is a stream', () =>
    compare(async (world) => {
      const wss = new world.WebSocketServer({ noServer: true });
      const [near, far] = createDuplexPair();
      const request = {
        method: 'GET',
        url: '/x',
        headers: {
          upgrade: 'websocket',
          'sec-websocket-key': KEY,
          'sec-websocket-version': '13'
        }
      };
      let response = '';

      far.on('data', (chunk) => {
        response += chunk.toString('latin1');
      });
      wss.on('connection', () => assert.fail('not by itself'));
      wss.handleUpgrade(request, near, Buffer.alloc(0), (websocket, req) => {
        world.note('called', websocket.readyState, req === request);
        websocket.on('message', (data) => {
          world.note('message', data);
          websocket.send('back');
          websocket.close();
        });
      });
      world.note('after');
      far.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
      await until(
        () => response.includes('\x88\0'),
        () => `a close frame behind ${response}`
      );
      world.note(response);
      for (const client of wss.clients) client.terminate();
    }));

  it('may wait for verifyClient', () =>
    compare(async (world) => {
      const order = [];
      const { wss, port } = await world.serve({
        verifyClient: (_info, callback) =>
          setTimeout(() => {
            order.push('verified');
            callback(true);
            order.push('done');
          }, 10)
      });
      const peer = await world.dial(port);

      wss.on('connection', () => order.push('connection'));
      peer.socket.write(upgradeRequest());
      world.note(await peer.takeHead());
      world.note(order);
    }));
});

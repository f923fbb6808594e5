'use strict';

// The opening handshake of a client, compared with that of ws. RFC 6455, section 4.1.

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');

const { parseAddress, targetOf, urlFault } = require('../../lib/handshake/url');
const { attempt, closed, compare, oxws, sleep, ws } = require('../support/differential');
const until = require('../support/until');

/** The lines of a request, without the values that are random or name a port. */
function anonymise(head) {
  return head.replace(/(Sec-WebSocket-Key: ).*/, '$1KEY').split('\r\n');
}

/** Notes down what a client sends to a raw server. */
async function noteRequest(world, makeOptions, protocols) {
  const heads = [];
  const { url } = await world.listen(async (peer) => heads.push(await peer.takeHead()));
  const websocket = world.connect(url, protocols, makeOptions?.(url));

  websocket.on('error', () => {});
  await until(() => heads.length > 0, 'the request');
  world.note(...anonymise(heads[0]));
  websocket.terminate();
  await closed(websocket);
}

describe('a client that is constructed with bad arguments', () => {
  const calls = {
    'an address that is no URL': ['foo'],
    'no address': [undefined],
    'an empty address': [''],
    'another scheme': ['ftp://localhost'],
    'encryption over a local socket': ['wss+unix:///tmp/s'],
    'a local socket without a path': ['ws+unix:'],
    'a fragment': ['ws://localhost/#foo'],
    'a version that does not exist': ['ws://localhost', { protocolVersion: 1000 }],
    'a version as a string': ['ws://localhost', { protocolVersion: '13' }],
    'null as subprotocol': ['ws://localhost', null],
    'an empty subprotocol': ['ws://localhost', ''],
    'a subprotocol twice': ['ws://localhost', ['a', 'b', 'a']],
    'a subprotocol with a space before it': ['ws://localhost', ' a'],
    'a subprotocol with a comma': ['ws://localhost', 'a,b'],
    'a subprotocol beyond ASCII': ['ws://localhost', 'é'],
    'a number as subprotocol': ['ws://localhost', [1]],
    'a subprotocol in the options that is none': ['ws://localhost', { protocols: 'a b' }],
    'null in the options': ['ws://localhost', { protocols: null }],
    'a header name with a space': ['ws://localhost', { headers: { 'a b': 'c' } }],
    'a header value with a line break': ['ws://localhost', { headers: { a: 'b\nc' } }],
    'a handshake timeout that is no number': ['ws://localhost', { handshakeTimeout: 'soon' }],
    'a negative handshake timeout': ['ws://localhost', { handshakeTimeout: -1 }],
    'an agent that is none': ['ws://localhost', { agent: {} }],
    'an unconnected endpoint without options': [null],
    'a version that did not live long': ['ws://localhost', { protocolVersion: 7 }]
  };

  for (const [title, parameters] of Object.entries(calls)) {
    it(`throws for ${title} as ws does`, () =>
      compare(async (world) => {
        const result = attempt(() => new world.WebSocket(...parameters));

        assert.strictEqual(result[0], 'threw');
        world.note(result);
      }));
  }

  it('throws without `new`', () => {
    assert.throws(() => oxws('ws://localhost'), TypeError);
    assert.throws(() => oxws.WebSocketServer({ noServer: true }), TypeError);
  });
});

describe('the URL of a client', () => {
  it('is taken apart', () => {
    const target = targetOf(parseAddress('wss://us%3Aer:p%40ss@[::1]/a/b?c=d'));

    assert.deepStrictEqual(target, {
      isSecure: true,
      isIpc: false,
      host: '::1',
      port: 443,
      defaultPort: 443,
      path: '/a/b?c=d',
      socketPath: undefined,
      auth: 'us:er:p@ss',
      origin: '[::1]'
    });
  });

  it('may name a local socket, up to the first colon', () => {
    const read = (address) => {
      const { socketPath, path: requestPath } = targetOf(parseAddress(address));

      return [socketPath, requestPath];
    };

    assert.deepStrictEqual(read('ws+unix:/tmp/a.sock'), ['/tmp/a.sock', '']);
    assert.deepStrictEqual(read('ws+unix:/tmp/a.sock:/b:c?d=e'), ['/tmp/a.sock', '/b:c?d=e']);
  });

  it('may be written as http or https, and an object is left alone', () => {
    const url = new URL('https://localhost/a');

    assert.strictEqual(parseAddress(url).href, 'wss://localhost/a');
    assert.strictEqual(url.href, 'https://localhost/a');
    assert.strictEqual(parseAddress('http://localhost').href, 'ws://localhost/');
    assert.strictEqual(parseAddress(new URL('ws://localhost')).href, 'ws://localhost/');
    assert.strictEqual(urlFault(new URL('ws://localhost')), undefined);
  });

  it('is told as ws tells it', () =>
    compare(async (world) => {
      for (const address of [
        'ws://127.0.0.1:1',
        'WS://127.0.0.1:1/Å?b=c d',
        'http://user:pass@127.0.0.1:1',
        new URL('https://127.0.0.1:1/x'),
        'ws+unix:/nowhere:/a'
      ]) {
        const websocket = world.connect(address);

        websocket.on('error', () => {});
        world.note(websocket.url, websocket.readyState, websocket.protocol, websocket.extensions);
        websocket.terminate();
        await closed(websocket);
        world.note(websocket.url);
      }
    }));
});

describe('the request of a client', () => {
  const cases = {
    'without options': [],
    'with subprotocols': [undefined, ['a', 'b']],
    'with one subprotocol': [undefined, 'a'],
    'with subprotocols in the options': [() => ({ protocols: ['x', 'y'] })],
    'with subprotocols in both places': [() => ({ protocols: 'x' }), ['a']],
    'with an origin': [() => ({ origin: 'https://example.com' })],
    'with an origin, version 8': [() => ({ origin: 'https://example.com', protocolVersion: 8 })],
    'with headers of the user, before its own': [
      () => ({ headers: { 'X-A': '1', Cookie: ['a=1', 'b=2'], 'sec-websocket-key': 'mine' } })
    ],
    'with credentials': [() => ({ auth: 'user:pass' })],
    'with an explicit Authorization': [
      () => ({ auth: 'user:pass', headers: { Authorization: 'Bearer x' } })
    ],
    'with a Host header': [() => ({ headers: { Host: 'example.com' } })],
    'without compression': [() => ({ perMessageDeflate: false })],
    'with parameters of compression': [
      () => ({
        perMessageDeflate: {
          clientNoContextTakeover: true,
          serverNoContextTakeover: true,
          clientMaxWindowBits: 10,
          serverMaxWindowBits: 11
        }
      })
    ],
    'with options that it determines itself': [
      () => ({
        host: '1.2.3.4',
        hostname: '1.2.3.4',
        port: 1,
        path: '/no',
        method: 'POST',
        protocol: 'https:',
        socketPath: '/nowhere',
        timeout: 1
      })
    ],
    'that follows redirects': [
      () => ({ followRedirects: true, headers: { 'X-A': '1' }, auth: 'user:pass' })
    ]
  };

  for (const [title, [makeOptions, protocols]] of Object.entries(cases)) {
    it(`has the bytes of ws ${title}`, () =>
      compare((world) => noteRequest(world, makeOptions, protocols)));
  }

  it('takes the options in the place of the subprotocols', () =>
    compare(async (world) => {
      const { url } = await world.listen(async (peer) => {
        world.note(...anonymise(await peer.takeHead()));
        peer.socket.destroy();
      });
      const websocket = world.connect(url, { protocols: 'x', origin: 'o' }, { origin: 'ignored' });

      websocket.on('error', () => {});
      await closed(websocket);
    }));

  it('can be changed and sent by the user', () =>
    compare(async (world) => {
      const { url } = await world.listen(async (peer) => {
        world.note(...anonymise(await peer.takeHead()));
        peer.socket.destroy();
      });
      const websocket = world.connect(url, {
        finishRequest(req, socket) {
          world.note('finishRequest', req.getHeader('upgrade'), socket._req === req);
          req.setHeader('X-Later', 'yes');
          setImmediate(() => req.end());
        }
      });

      websocket.on('error', () => {});
      await closed(websocket);
    }));

  it('carries the credentials of the URL, decoded', () =>
    compare(async (world) => {
      const { port } = await world.listen(async (peer) => {
        world.note(...anonymise(await peer.takeHead()));
        peer.socket.destroy();
      });
      const websocket = world.connect(`ws://us%3Aer:p%40ss@127.0.0.1:${port}/`);

      websocket.on('error', () => {});
      await closed(websocket);
    }));

  it('goes over an agent, or a connection, of the user', () =>
    compare(async (world) => {
      const { url } = await world.listen(async (peer) => {
        world.note(...anonymise(await peer.takeHead()));
        peer.socket.destroy();
      });
      const agent = new http.Agent();
      const createConnection = (options) => {
        world.note('createConnection', options.host, options.path);
        return net.connect(options);
      };

      for (const options of [{ agent }, { createConnection }]) {
        const websocket = world.connect(url, options);

        websocket.on('error', () => {});
        await closed(websocket);
      }
      agent.destroy();
    }));

  it('goes over a Unix domain socket', { skip: process.platform === 'win32' }, () =>
    compare(async (world) => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-'));
      const file = path.join(folder, 'socket');
      const server = http.createServer();
      const wss = new world.WebSocketServer({ server });

      world.defer(() => {
        wss.close();
        server.close();
        fs.rmSync(folder, { recursive: true, force: true });
      });
      server.listen(file);
      await once(server, 'listening');
      world.note(wss.address() === file);

      for (const [address, expected] of [
        [`ws+unix:${file}`, '/'],
        [`ws+unix:${file}:/a:b?c=d`, '/a:b?c=d']
      ]) {
        const websocket = world.connect(address);
        const [[peer, req]] = await Promise.all([once(wss, 'connection'), once(websocket, 'open')]);

        world.note(req.url, req.url === expected, req.headers.host);
        websocket.close(1000);
        await Promise.all([closed(websocket), closed(peer)]);
      }
    })
  );
});

describe('a handshake that fails', () => {
  /** Notes down the events of a client whose server answers with something. */
  const answer = (response, options) => () =>
    compare(async (world) => {
      const { url } = await world.listen(async (peer) => {
        const head = await peer.takeHead();

        peer.socket.end(typeof response === 'function' ? response(head) : response);
      });
      const websocket = world.record(world.connect(url, options));

      await closed(websocket);
      world.note(websocket.url, websocket.protocol, websocket.extensions, websocket._req);
    });
  const { acceptKey, upgradeResponse } = require('../support/differential');
  const respond = (headers) => (head) => upgradeResponse(head, headers);
  const empty = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

  it('for a plain response', answer(empty));
  it('for an error response', answer('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'));
  it(
    'for a redirect that is not followed',
    answer('HTTP/1.1 301 Moved\r\nLocation: ws://localhost\r\nContent-Length: 0\r\n\r\n')
  );
  it('for a response that is no HTTP', answer('hello\r\n\r\n'));
  it('for no response at all', answer(''));
  it('for another Upgrade', answer(respond({ Upgrade: 'foo' })));
  it(
    'for no Upgrade',
    answer((head) => upgradeResponse(head, { Upgrade: null }))
  );
  it('for a wrong accept key', answer(respond({ 'Sec-WebSocket-Accept': acceptKey('x') })));
  it('for no accept key', answer(respond({ 'Sec-WebSocket-Accept': null })));
  it('for a subprotocol out of nothing', answer(respond({ 'Sec-WebSocket-Protocol': 'a' })));
  it(
    'for another subprotocol',
    answer(respond({ 'Sec-WebSocket-Protocol': 'b' }), { protocols: 'a' })
  );
  it('for no subprotocol', answer(respond({}), { protocols: 'a' }));
  it(
    'for an extension out of nothing',
    answer(respond({ 'Sec-WebSocket-Extensions': 'foo' }), { perMessageDeflate: false })
  );
  it('for another extension', answer(respond({ 'Sec-WebSocket-Extensions': 'foo' })));
  it(
    'for two extensions',
    answer(respond({ 'Sec-WebSocket-Extensions': 'permessage-deflate, foo' }))
  );
  it('for an extension header that is none', answer(respond({ 'Sec-WebSocket-Extensions': 'a=' })));
  it('for an empty extension header', answer(respond({ 'Sec-WebSocket-Extensions': '' })));
  it(
    'for an unknown parameter',
    answer(respond({ 'Sec-WebSocket-Extensions': 'permessage-deflate; foo' }))
  );
  it(
    'for an extension behind an accepted subprotocol',
    answer(respond({ 'Sec-WebSocket-Protocol': 'a', 'Sec-WebSocket-Extensions': 'foo' }), {
      protocols: 'a'
    })
  );

  it('for a port where nobody listens', () =>
    compare(async (world) => {
      const { server, url } = await world.listen(() => {});

      server.close();
      await once(server, 'close');

      const websocket = world.record(world.connect(url));

      await closed(websocket);
    }));

  it('for a server that keeps silent', () =>
    compare(async (world) => {
      const { url } = await world.listen(() => {});
      const websocket = world.record(world.connect(url, { handshakeTimeout: 50 }));

      await closed(websocket);
    }));

  for (const method of ['close', 'terminate']) {
    it(`when ${method}() is called before the connection is established`, () =>
      compare(async (world) => {
        const { url } = await world.listen(() => {});
        const websocket = world.record(world.connect(url));

        world.note(
          'called',
          attempt(() => websocket[method]()),
          websocket.readyState
        );
        world.note(
          'again',
          attempt(() => websocket[method]()),
          websocket.readyState
        );
        await closed(websocket);
        world.note(
          'last',
          attempt(() => websocket[method]()),
          websocket.readyState
        );
      }));

    it(`when ${method}() is called in a listener of 'upgrade'`, () =>
      compare(async (world) => {
        const { url } = await world.serve();
        const websocket = world.record(world.connect(url));

        websocket.on('upgrade', () => websocket[method]());
        await closed(websocket);
      }));

    it(`when ${method}() is called in a listener of 'unexpected-response'`, () =>
      compare(async (world) => {
        const { url } = await world.listen((peer) => peer.socket.end(empty));
        const websocket = world.record(world.connect(url));

        websocket.on('unexpected-response', (req, res) => {
          world.note('unexpected-response', req === websocket._req, res.statusCode);
          websocket[method]();
        });
        await closed(websocket);
      }));
  }

  it("leaves everything to a listener of 'unexpected-response'", () =>
    compare(async (world) => {
      const { url } = await world.listen((peer) =>
        peer.socket.end('HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nbody')
      );
      const websocket = world.record(world.connect(url));
      const [, res] = await once(websocket, 'unexpected-response');
      let body = '';

      for await (const chunk of res) body += chunk;
      world.note(body, websocket.readyState);
      websocket.terminate();
      await closed(websocket);
    }));

  it('when the request is destroyed by the user', () =>
    compare(async (world) => {
      const { url } = await world.listen(() => {});
      const websocket = world.record(world.connect(url));

      websocket._req.destroy(new Error('mine'));
      await closed(websocket);
    }));

  it('when a signal aborts it; an open connection does not mind', () =>
    compare(async (world) => {
      const { url } = await world.serve();
      const before = new AbortController();
      const early = world.record(world.connect(url, { signal: before.signal }));

      before.abort();
      await closed(early);

      const after = new AbortController();
      const late = world.connect(url, { signal: after.signal });

      await once(late, 'open');
      after.abort();
      await sleep(20);
      world.note(late.readyState);
      late.close(1000);
      await closed(late);
    }));
});

describe('a client that is redirected', () => {
  /** A server whose path says what it answers with. */
  async function serveRedirects(world, routes) {
    const server = http.createServer((req, res) => {
      const location = routes[req.url];

      world.note(
        'request',
        req.url,
        req.headers.authorization,
        req.headers.cookie,
        req.headers['x-a']
      );
      if (location === undefined) res.writeHead(404).end();
      else res.writeHead(302, { Location: location }).end();
    });
    const wss = new world.WebSocketServer({ noServer: true });

    server.on('upgrade', (req, socket, head) => {
      const location = routes[req.url];

      world.note(
        'upgrade',
        req.url,
        req.headers.authorization,
        req.headers.cookie,
        req.headers['x-a'],
        req.headers.host === 'custom'
      );
      if (location === undefined) {
        wss.handleUpgrade(req, socket, head, (websocket) => websocket.close(1000, 'hi'));
        return;
      }
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nConnection: close\r\n\r\n`);
    });

    const port = await world.serveHttp(server);

    return { port, url: `ws://127.0.0.1:${port}` };
  }

  /** Follows redirects and notes down what the servers see. */
  const follow =
    (routes, makeOptions = () => ({}), listen = false, urlPrefix = '') =>
    () =>
      compare(async (world) => {
        const other = await serveRedirects(world, {});
        const resolved = Object.fromEntries(
          Object.entries(routes).map(([from, to]) => [from, to.replace('OTHER', other.url)])
        );
        const { port } = await serveRedirects(world, resolved);
        const options = { followRedirects: true, ...makeOptions() };
        const headers = JSON.stringify(options.headers);
        const websocket = world.record(
          world.connect(`ws://${urlPrefix}127.0.0.1:${port}/start`, options)
        );

        if (listen) {
          websocket.on('redirect', (target, req) =>
            world.note('redirect', target, req.getHeader('authorization'), req === websocket._req)
          );
        }
        await closed(websocket);
        world.note(
          websocket.url,
          websocket._redirects,
          JSON.stringify(options.headers) === headers
        );
      });
  const secrets = () => ({
    headers: { Authorization: 'Bearer x', Cookie: 'a=1', Host: 'custom', 'X-A': '1' }
  });

  it('goes where it is sent', follow({ '/start': '/next', '/next': '/last' }));
  it('resolves relative locations', follow({ '/start': 'sub/next?x=y' }));
  it('keeps credentials on the same host', follow({ '/start': '/next' }, secrets));
  it('drops credentials on another host', follow({ '/start': 'OTHER/next' }, secrets));
  it(
    'leaves credentials to a listener of redirect',
    follow({ '/start': 'OTHER/next' }, secrets, true)
  );
  it('keeps the credentials of its URL', follow({ '/start': '/next' }, undefined, false, 'u:p@'));
  it(
    'drops the credentials of its URL on another host',
    follow({ '/start': 'OTHER/next' }, undefined, false, 'u:p@')
  );
  it(
    'lets the first credentials win',
    follow({ '/start': '/next' }, () => ({ auth: 'first:one' }), true)
  );
  it(
    'gives up after maxRedirects',
    follow({ '/start': '/start' }, () => ({ maxRedirects: 2 }))
  );
  it('gives up at a location that is no URL', follow({ '/start': 'http://' }));
  it('gives up at another scheme', follow({ '/start': 'ftp://localhost' }));
  it('gives up at a fragment', follow({ '/start': '/next#here' }));
  it(
    'does not follow unless told to',
    follow({ '/start': '/next' }, () => ({ followRedirects: false }))
  );

  it('can be closed by a listener of redirect', () =>
    compare(async (world) => {
      const { url } = await serveRedirects(world, { '/start': '/next' });
      const websocket = world.record(world.connect(`${url}/start`, { followRedirects: true }));

      websocket.on('redirect', () => websocket.terminate());
      await closed(websocket);
    }));

  it('calls finishRequest for each request', () =>
    compare(async (world) => {
      const { url } = await serveRedirects(world, { '/start': '/next' });
      const websocket = world.record(
        world.connect(`${url}/start`, {
          followRedirects: true,
          finishRequest(req, socket) {
            world.note('finishRequest', req.path, socket._redirects);
            req.end();
          }
        })
      );

      await closed(websocket);
    }));
});

describe('a client that opens', () => {
  it('emits upgrade, then open, then what came behind the response', () =>
    compare(async (world) => {
      const behind = Buffer.from([0x81, 2, 0x68, 0x69, 0x88, 2, 0x03, 0xe8]);
      const { websocket, peer } = await world.handshakeClient({}, {}, behind);

      world.record(websocket);
      await peer.all();
      peer.socket.end();
      await closed(websocket);
    }));

  for (const protocolVersion of [8, 13]) {
    it(`takes the subprotocol and the extension that version ${protocolVersion} brought`, () =>
      compare(async (world) => {
        const { url } = await world.serve({ perMessageDeflate: true });
        const websocket = world.connect(url, ['a', 'b'], { protocolVersion });

        await once(websocket, 'open');
        world.note(websocket.protocol, websocket.extensions, websocket.readyState, websocket._req);
        websocket.close();
        await closed(websocket);
      }));
  }

  it('talks to a server of ws, and the other way round', async () => {
    for (const [Client, Server] of [
      [oxws, ws],
      [ws, oxws]
    ]) {
      const wss = new Server.WebSocketServer({
        port: 0,
        host: '127.0.0.1',
        perMessageDeflate: true
      });

      await once(wss, 'listening');
      wss.on('connection', (peer) =>
        peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }))
      );

      const websocket = new Client(`ws://127.0.0.1:${wss.address().port}`);

      await once(websocket, 'open');
      assert.strictEqual(websocket.extensions, 'permessage-deflate');
      for (const data of ['', 'text', 'x'.repeat(100_000), Buffer.alloc(70_000, 1)]) {
        websocket.send(data);
        const [echo, isBinary] = await once(websocket, 'message');

        assert.strictEqual(isBinary, typeof data !== 'string');
        assert.ok(Buffer.from(data).equals(echo));
      }
      websocket.close(3000, 'bye');
      const [code, reason] = await once(websocket, 'close');

      assert.deepStrictEqual([code, reason.toString()], [3000, 'bye']);
      await new Promise((resolve) => wss.close(resolve));
    }
  });
});

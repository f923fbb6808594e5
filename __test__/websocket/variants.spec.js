'use strict';

// Connections that are compressed or encrypted, compared with ws in both roles.

const { once } = require('node:events');
const https = require('node:https');
const { describe, it } = require('node:test');

const certificate = require('../support/certificate');
const { closed, compare, sleep, upgradeRequest } = require('../support/differential');
const { incoming, incomingClose, ROLES } = require('../support/roles');

describe('a compressed connection', () => {
  const options = { perMessageDeflate: { threshold: 0 } };
  const extension = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
  const hello = Buffer.from([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);

  /** Opens a connection that has agreed on permessage-deflate. */
  async function openCompressed(world, role) {
    if (role === 'client') return world.openClient(options, { responseHeaders: extension });
    const { wss, port } = await world.serve(options);
    const peer = await world.dial(port);

    peer.socket.write(upgradeRequest({ headers: extension }));
    const [[websocket]] = await Promise.all([once(wss, 'connection'), peer.takeHead()]);

    return { websocket, peer, wss };
  }

  /** Runs a script for both roles, with the extension agreed on. */
  function inBothRolesCompressed(title, script) {
    for (const role of ROLES) {
      it(`${title}, as ${role}`, () =>
        compare(async (world) => {
          const opened = await openCompressed(world, role);

          await script({ ...opened, role, world, note: world.note.bind(world) });
        }));
    }
  }

  // RFC 7692, section 7.2.3: the examples.
  inBothRolesCompressed('reads the examples of RFC 7692', async (test) => {
    const { websocket, peer, note, role, world } = test;

    world.record(websocket);
    peer.socket.write(
      Buffer.concat([
        incoming(role, 1, hello, { rsv: 4 }),
        incoming(role, 1, hello.subarray(0, 3), { rsv: 4, fin: false }),
        incoming(role, 9, 'between'),
        incoming(role, 0, hello.subarray(3)),
        incoming(role, 1, 'plain'),
        incoming(role, 1, Buffer.from([0xf2, 0x00, 0x11, 0x00, 0x00]), { rsv: 4 }),
        incomingClose(role, 1000)
      ])
    );
    note((await peer.frames()).map(({ payload }) => payload));
    peer.socket.end();
    await closed(websocket);
  });

  inBothRolesCompressed('keeps the order of frames of all kinds', async (test) => {
    const { websocket, peer, note } = test;
    const callback = (name) => (error) => note(name, error ?? null, websocket._sender._state);

    websocket.send('compressed', callback('first'));
    note(websocket._sender._state, websocket.bufferedAmount);
    websocket.send('plain', { compress: false }, callback('second'));
    websocket.ping('ping', undefined, callback('third'));
    websocket.send(new Blob(['blob']), callback('fourth'));
    websocket.send('part', { fin: false }, callback('fifth'));
    websocket.send('last', callback('sixth'));
    note(websocket.bufferedAmount);
    websocket.close(1000);
    const frames = await peer.frames();

    note(frames.map(({ first }) => first));
  });

  inBothRolesCompressed('cut off while it compresses', async ({ websocket, note, world }) => {
    world.record(websocket);
    for (const name of ['a', 'b']) {
      websocket.send(name, (error) => note('callback', name, error, websocket.readyState));
    }
    websocket.terminate();
    await closed(websocket);
    await sleep(20);
  });

  inBothRolesCompressed('has a compressor that can be wrapped', async (test) => {
    const { websocket, peer, note, role } = test;
    const extensionObject = websocket._extensions['permessage-deflate'];

    for (const name of ['compress', 'decompress']) {
      const original = extensionObject[name];

      extensionObject[name] = function (data, fin, callback) {
        note(name, data.length > 0, fin);
        setTimeout(() => original.call(this, data, fin, callback), 10);
      };
    }
    websocket.on('message', (data) => note('message', data));
    websocket.send('a');
    websocket.close(1000);
    note((await peer.frames()).length);
    peer.socket.write(
      Buffer.concat([incoming(role, 1, hello, { rsv: 4 }), incomingClose(role, 1000)])
    );
    await peer.all();
    peer.socket.end();
    await closed(websocket);
  });

  inBothRolesCompressed('fails with too much behind little', async (test) => {
    const { websocket, peer, note, role, world } = test;
    const { deflateRawSync } = require('node:zlib');

    world.record(websocket);
    websocket._extensions['permessage-deflate']._maxPayload = 1000;
    websocket._receiver._maxPayload = 1000;
    peer.socket.write(incoming(role, 2, deflateRawSync(Buffer.alloc(100_000)), { rsv: 4 }));
    note(await peer.frames());
    peer.socket.end();
    await closed(websocket);
  });

  inBothRolesCompressed('fails with what can not be inflated', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket.on('error', (error) => note(error.code, error.errno, websocket.readyState));
    peer.socket.write(incoming(role, 2, Buffer.from([0xff, 0xff, 0xff]), { rsv: 4 }));
    note(await peer.frames());
    peer.socket.end();
    const [code] = await once(websocket, 'close');

    note(code);
  });
});

describe('an encrypted connection', () => {
  /** An HTTPS server with a WebSocket server on it. */
  async function serveEncrypted(world, options) {
    const server = https.createServer(certificate);
    const wss = new world.WebSocketServer({ server, ...options });
    const port = await world.serveHttp(server);

    return { wss, server, port, url: `wss://localhost:${port}` };
  }

  const trust = { ca: certificate.cert };

  it('carries messages both ways', () =>
    compare(async (world) => {
      const { wss, url } = await serveEncrypted(world, {
        verifyClient: (info) => {
          world.note('secure', info.secure);
          return true;
        }
      });

      wss.on('connection', (websocket) => {
        world.note(websocket._socket.constructor.name, websocket._socket.encrypted);
        websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
      });
      const websocket = world.connect(url, trust);

      await once(websocket, 'open');
      const socket = websocket._socket;

      world.note(socket.authorized, socket.servername, socket._parent?.constructor.name ?? null);
      for (const data of ['text', Buffer.alloc(200_000, 1)]) {
        websocket.send(data);
        const [echo, isBinary] = await once(websocket, 'message');

        world.note(echo.length, isBinary, Buffer.from(data).equals(echo));
      }
      websocket.close(3000, 'bye');
      await closed(websocket);
      world.note(websocket._closeCode, websocket._socket.destroyed);
    }));

  it('sends the name of the host, unless it is an address or the user says otherwise', () =>
    compare(async (world) => {
      const { wss, port } = await serveEncrypted(world);

      for (const [host, options] of [
        ['localhost', {}],
        ['127.0.0.1', {}],
        ['127.0.0.1', { servername: 'localhost' }],
        ['localhost', { servername: '' }]
      ]) {
        const websocket = world.connect(`wss://${host}:${port}`, {
          rejectUnauthorized: false,
          ...options
        });
        const [[peer]] = await Promise.all([once(wss, 'connection'), once(websocket, 'open')]);

        world.note(peer._socket.servername);
        websocket.terminate();
        await closed(websocket);
      }
    }));

  it('fails with the error of the certificate', () =>
    compare(async (world) => {
      const { url } = await serveEncrypted(world);
      const websocket = world.record(world.connect(url));

      await closed(websocket);
    }));

  it('takes no secrets along when it is redirected to an unencrypted one', () =>
    compare(async (world) => {
      const { wss, port } = await world.serve();
      const server = https.createServer(certificate, (_req, res) => {
        res.writeHead(302, { Location: `ws://localhost:${port}/` }).end();
      });

      server.on('upgrade', (request, socket) => {
        world.note(request.headers.authorization, request.headers.cookie);
        socket.end(
          `HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:${port}/\r\nConnection: close\r\n\r\n`
        );
      });
      wss.on('connection', (websocket, request) => {
        world.note(request.headers.authorization, request.headers.cookie);
        websocket.close(1000);
      });
      const from = await world.serveHttp(server);
      const websocket = world.record(
        world.connect(`wss://localhost:${from}`, {
          ...trust,
          followRedirects: true,
          auth: 'user:pass',
          headers: { Cookie: 'a=1' }
        })
      );

      await closed(websocket);
    }));
});

'use strict';

// How a connection ends, compared with ws in both roles.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { describe, it } = require('node:test');

const {
  attempt,
  closed,
  compare,
  upgradeRequest,
  upgradeResponse
} = require('../support/differential');
const { inBothRoles, incoming, incomingClose, ROLES, ZERO_KEY } = require('../support/roles');

const root = path.join(__dirname, '../..');

describe('closing', () => {
  const closings = {
    'without a code': [],
    'with a code': [1000],
    'with a code and a reason': [3001, 'some reason'],
    'with bytes as reason': [4999, Buffer.from('bytes')],
    'with an empty reason': [1001, ''],
    'with a reason but no code': [undefined, 'reason'],
    'with 123 bytes of reason': [1000, 'x'.repeat(123)],
    'with a reason that is a Uint8Array': [1000, new Uint8Array([97, 98])]
  };

  for (const method of ['send', 'ping', 'close']) {
    inBothRoles(`_socket.end() and then ${method}()`, async (test) => {
      const { websocket, peer, note, socket, world } = test;
      world.record(websocket);
      socket.on('error', (error) => note('socket error', error));
      socket.end((error) => note('end', error));
      if (method === 'close') websocket.close(1000);
      else websocket[method]('late', (error) => note(method, error));
      peer.socket.end();
      await closed(websocket);
    });
  }

  inBothRoles('answers a close frame at once, however late the socket is ended', async (test) => {
    const { websocket, peer, note, role, socket } = test;
    const { end } = socket;
    socket.end = () => setTimeout(() => end.call(socket), 500);
    peer.socket.write(incomingClose(role, 1000));
    const start = performance.now();
    const [answer] = await peer.frames(1);
    note(answer, performance.now() - start < 150);
    peer.socket.end();
    await closed(websocket);
  });

  inBothRoles('sends at once what follows a close() that throws', async (test) => {
    const { websocket, peer, note, role } = test;
    const { close } = websocket;
    websocket.close = () => {
      note(attempt(() => close.call(websocket, 999)));
      websocket.send('still here');
    };
    peer.socket.write(incomingClose(role, 1000));
    const start = performance.now();
    const [message] = await peer.frames(1);
    note(message, performance.now() - start < 150);
    peer.socket.end();
    await closed(websocket);
  });

  for (const [title, parameters] of Object.entries(closings)) {
    inBothRoles(`${title} is as in ws`, async ({ websocket, peer, note, role, world }) => {
      world.record(websocket);
      note(
        attempt(() => websocket.close(...parameters)),
        websocket.readyState
      );
      note(
        attempt(() => websocket.close(1003)),
        websocket.readyState
      );
      const [sent] = await peer.frames(1);

      note(sent);
      peer.socket.write(incoming(role, 8, Buffer.from(sent.payload, 'latin1')));
      await peer.all();
      peer.socket.end();
      await closed(websocket);
      note(websocket._closeFrameSent, websocket._closeFrameReceived, websocket._closeCode);
      note(
        attempt(() => websocket.close()),
        attempt(() => websocket.terminate())
      );
    });
  }

  const faults = {
    'a code that is a string': ['1000'],
    'null as code': [null],
    'code 0': [0],
    'code 1004': [1004],
    'code 1005': [1005],
    'code 1006': [1006],
    'code 1015': [1015],
    'code 2999': [2999],
    'code 5000': [5000],
    'a reason that is too long': [1000, 'x'.repeat(124)],
    'a reason that is too long in UTF-8': [1000, '€'.repeat(42)],
    'a reason that is a Uint16Array': [1000, new Uint16Array(2)],
    'a reason that is an array': [1000, ['a']],
    'a reason that is an array-like object': [1000, { length: 3 }],
    'a reason that is null': [1000, null],
    'a reason that is a number': [1000, 5]
  };

  for (const [title, parameters] of Object.entries(faults)) {
    inBothRoles(`with ${title} throws, or does not, as in ws`, async (test) => {
      const { websocket, peer, note } = test;

      note(
        attempt(() => websocket.close(...parameters)),
        websocket.readyState
      );
      // A refused close leaves the connection open.
      note(
        attempt(() => websocket.close(1000)),
        websocket.readyState
      );
      note(await peer.frames());
    });
  }

  for (const [code, reason] of [
    [1000, ''],
    [1001, 'going'],
    [1014, ''],
    [3000, 'r€ason'],
    [4999, 'x'.repeat(123)]
  ]) {
    inBothRoles(`by the peer with ${code} is answered alike`, async (test) => {
      const { websocket, peer, note, role, world } = test;

      world.record(websocket);
      websocket.on('close', (_code, data) => note(data.buffer.byteLength === data.length));
      peer.socket.write(incomingClose(role, code, reason));
      note(await peer.frames());
      peer.socket.end();
      await closed(websocket);
    });
  }

  inBothRoles('by the peer without a code', async ({ websocket, peer, note, role, world }) => {
    world.record(websocket);
    peer.socket.write(incoming(role, 8, ''));
    note(await peer.frames());
    peer.socket.end();
    await closed(websocket);
  });

  inBothRoles('by both at once', async ({ websocket, peer, note, role, world }) => {
    world.record(websocket);
    peer.socket.write(incomingClose(role, 3001, 'theirs'));
    websocket.close(3002, 'ours');
    note(await peer.frames());
    peer.socket.end();
    await closed(websocket);
  });

  inBothRoles('in a listener of message stops nothing behind it', async (test) => {
    const { websocket, peer, note, role, world } = test;

    world.record(websocket);
    websocket.once('message', () => websocket.close(1000, 'enough'));
    peer.socket.write(
      Buffer.concat([incoming(role, 1, 'a'), incoming(role, 1, 'b'), incomingClose(role, 1000)])
    );
    note(await peer.frames());
    peer.socket.end();
    await closed(websocket);
  });

  inBothRoles('by the end of the transport', async ({ websocket, peer, note, world }) => {
    world.record(websocket);
    peer.socket.end();
    await closed(websocket);
    note(websocket._closeFrameReceived, websocket._closeFrameSent);
  });

  inBothRoles('by a reset of the transport', async ({ websocket, peer, note, world }) => {
    world.record(websocket);
    websocket._socket.on('error', (error) => note('socket', error.code));
    peer.socket.resetAndDestroy();
    await closed(websocket);
    note(websocket._socket.destroyed);
  });

  inBothRoles('by terminate()', async ({ websocket, peer, note, world }) => {
    world.record(websocket);
    websocket.send('last words');
    note(
      attempt(() => websocket.terminate()),
      websocket.readyState
    );
    await closed(websocket);
    note(await peer.frames());
  });

  inBothRoles(
    'without an answer takes closeTimeout',
    async ({ websocket, peer, note, world }) => {
      world.record(websocket);
      websocket.close(1000);
      note(websocket._closeTimer._idleTimeout, websocket.readyState);
      await closed(websocket);
      note(await peer.frames());
    },
    { closeTimeout: 60 }
  );

  inBothRoles(
    'without an answer takes the time of a clock that a test has replaced',
    async ({ websocket, peer, note, world }) => {
      const { setImmediate, setTimeout } = globalThis;
      const faked = [];

      world.record(websocket);
      globalThis.setTimeout = (callback, delay) => {
        faked.push([callback, delay]);
        return setTimeout(() => {}, 0);
      };
      globalThis.setImmediate = () => note('setImmediate');
      try {
        websocket.close(1000);
        await peer.frames();
        note(faked.length, faked[0][1]);
        faked[0][0]();
        await closed(websocket);
      } finally {
        Object.assign(globalThis, { setImmediate, setTimeout });
      }
    },
    { closeTimeout: 60_000 }
  );

  for (const role of ROLES) {
    it(`keeps the process alive until it's over, as ${role}`, async () => {
      const script = (implementation) => `
        const WebSocket = require(${JSON.stringify(implementation)});
        const { port } = process.env;
        const start = Date.now();
        const options = { closeTimeout: 250, perMessageDeflate: false };
        const close = (ws) => {
          ws._socket.unref();
          ws.close();
          ws.on('close', (code) => console.log(code, Date.now() - start >= 200));
        };
        if (port) {
          const ws = new WebSocket('ws://127.0.0.1:' + port, options);
          ws.on('open', () => close(ws));
        } else {
          const wss = new WebSocket.Server({ host: '127.0.0.1', port: 0, ...options }, () => {
            console.log(wss.address().port);
          });
          wss.on('connection', (ws) => {
            wss.close();
            close(ws);
          });
        }`;
      await compare(async (world) => {
        const implementation = world.isOurs ? root : 'ws';
        let port = '';
        if (role === 'client') {
          ({ port } = await world.listen(async (peer) => {
            peer.socket.write(upgradeResponse(await peer.takeHead()));
          }));
        }
        const env = { ...process.env, port };
        const child = spawn(process.execPath, ['-e', script(implementation)], { cwd: root, env });
        world.defer(() => child.kill());
        const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
        if (role === 'server') {
          const peer = await world.dial(Number((await lines.next()).value));
          peer.socket.write(upgradeRequest());
        }
        world.note((await lines.next()).value);
        world.note((await lines.next()).done);
      });
    });
  }

  inBothRoles('an end without waiting for the peer', async (test) => {
    const { websocket, peer, note, role, world } = test;

    world.record(websocket);
    websocket.close();
    peer.socket.end(incoming(role, 8, ''));
    await closed(websocket);
    note(await peer.frames(), websocket._closeTimer._destroyed);
  });
});

describe('a violation of the protocol', () => {
  const violations = {
    'RSV2 and RSV3': (role) => incoming(role, 1, '', { rsv: 3 }),
    'RSV1 without an extension': (role) => incoming(role, 1, 'a', { rsv: 4 }),
    'an opcode that does not exist': (role) => incoming(role, 5, 'a'),
    'a continuation of nothing': (role) => incoming(role, 0, 'a'),
    'a message within a message': (role) =>
      Buffer.concat([incoming(role, 1, 'a', { fin: false }), incoming(role, 1, 'b')]),
    'a ping in fragments': (role) => incoming(role, 9, 'a', { fin: false }),
    'a ping that is too long': (role) => incoming(role, 9, 'x'.repeat(126)),
    'a close frame of one byte': (role) => incoming(role, 8, 'a'),
    'a close code that does not exist': (role) => incomingClose(role, 1005),
    'a close reason that is no UTF-8': (role) =>
      incoming(role, 8, Buffer.from([3, 0xe8, 0xc0, 0x80])),
    'text that is no UTF-8': (role) => incoming(role, 1, Buffer.from([0xce, 0xba, 0xff])),
    'the wrong masking': (role) =>
      incoming(role, 1, 'a', { key: role === 'server' ? null : ZERO_KEY }),
    'a message that is too long': (role) => incoming(role, 2, Buffer.alloc(101)),
    'fragments that are too long together': (role) =>
      Buffer.concat([
        incoming(role, 2, Buffer.alloc(60), { fin: false }),
        incoming(role, 0, Buffer.alloc(60))
      ]),
    'too many fragments': (role) =>
      Buffer.concat([
        incoming(role, 2, 'a', { fin: false }),
        incoming(role, 0, '', { fin: false }),
        incoming(role, 0, 'c', { fin: false }),
        incoming(role, 0, 'd', { fin: false })
      ]),
    'a length beyond 2^53': (role) =>
      Buffer.from([0x82, (role === 'server' ? 0x80 : 0) | 127, 0, 0x20, 0, 0, 0, 0, 0, 0])
  };

  for (const [title, make] of Object.entries(violations)) {
    inBothRoles(
      `by ${title} fails the connection as in ws`,
      async ({ websocket, peer, note, role, world }) => {
        world.record(websocket);
        websocket.on('error', () => {
          note(
            websocket._closeFrameSent,
            attempt(() => websocket.send('late'))
          );
        });
        peer.socket.write(Buffer.concat([incoming(role, 1, 'first'), make(role)]));
        peer.socket.write(incoming(role, 1, 'behind'));
        note(await peer.frames());
        peer.socket.end();
        await closed(websocket);
        note(websocket._errorEmitted, websocket._receiver._writableState.errorEmitted);
      },
      { maxPayload: 100, maxFragments: 3 }
    );
  }

  inBothRoles('emits one error only', async ({ websocket, peer, note, role, world }) => {
    world.record(websocket);
    websocket.on('error', () => {
      websocket._sender.onerror(new Error('again'));
    });
    peer.socket.write(incoming(role, 5, ''));
    await peer.frames(1);
    peer.socket.end();
    await closed(websocket);
    note('end');
  });

  inBothRoles('lets the error through to onerror', async ({ websocket, peer, note, role }) => {
    websocket.onerror = (event) => note(event.type, event.message, event.error);
    websocket.onclose = (event) => note(event.code, event.reason, event.wasClean);
    peer.socket.end(incoming(role, 1, '', { rsv: 3 }));
    await closed(websocket);
  });

  inBothRoles('by a blob that can not be read', async ({ websocket, peer, note, world }) => {
    const blob = new Blob(['data']);

    blob.arrayBuffer = () => Promise.reject(new Error('unreadable'));
    world.record(websocket);
    websocket.send(blob, (error) => note('callback', error));
    await peer.all();
    peer.socket.end();
    await closed(websocket);
    note(await peer.frames());
  });
});

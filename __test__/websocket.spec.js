'use strict';

// The class `WebSocket`: its API, and what happens to an open connection, compared with ws in both
// roles.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const https = require('node:https');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { Duplex } = require('node:stream');
const { describe, it } = require('node:test');

const certificate = require('./support/certificate');
const {
  attempt,
  closed,
  compare,
  oxws,
  parseFrames,
  perform,
  sleep,
  upgradeRequest,
  upgradeResponse
} = require('./support/differential');
const { frame } = require('./support/frames');
const { uncaughtDuring } = require('./support/uncaught');
const until = require('./support/until');

const root = path.join(__dirname, '..');
const ROLES = ['server', 'client'];
const ZERO_KEY = Buffer.alloc(4);

/** A frame as the peer of a role has to send it. */
function incoming(role, opcode, payload, options = {}) {
  return frame(opcode, payload, { key: role === 'server' ? ZERO_KEY : null, ...options });
}

/** A close frame as the peer of a role has to send it. */
function incomingClose(role, code, reason = '') {
  const payload = Buffer.from([code >> 8, code & 0xff, ...Buffer.from(reason)]);
  return incoming(role, 8, payload);
}

/** Runs a script for both roles. */
function inBothRoles(title, script, options) {
  for (const role of ROLES) {
    it(`${title}, as ${role}`, () =>
      compare(async (world) => {
        const opened = await world.open(role, options);

        await script({ ...opened, role, world, note: world.note.bind(world) });
      }));
  }
}

/** Waits until a callback has been called, and gives its arguments. */
function called(action) {
  return new Promise((resolve) => action((...parameters) => resolve(parameters)));
}

/** Tells whether a property goes beyond ws. None of those is enumerable. */
function isAddition(object, name) {
  return (
    ['binding', 'transport'].includes(name) &&
    !Object.prototype.propertyIsEnumerable.call(object, name)
  );
}

describe('the class WebSocket', () => {
  it('has the properties of that of ws', () =>
    compare(async (world) => {
      const describeAll = (object) =>
        Object.entries(Object.getOwnPropertyDescriptors(object))
          .filter(([name]) => name !== 'prototype' && !isAddition(object, name))
          .map(([name, { value, get, set, enumerable, writable, configurable }]) => [
            name,
            typeof value === 'number' ? value : typeof value,
            typeof get,
            typeof set,
            enumerable,
            writable ?? null,
            configurable
          ])
          .sort();

      world.note(describeAll(world.WebSocket));
      world.note(describeAll(world.WebSocket.prototype));
      world.note(world.WebSocket.name, world.WebSocket.length, world.WebSocketServer.length);
    }));

  it('has the fields of that of ws', () =>
    compare(async (world) => {
      const fields = (object) =>
        Object.entries(object)
          .filter(([name]) => name.startsWith('_') && !name.startsWith('_events'))
          // Made at the first ping here.
          .filter(([name]) => name !== '_autoPongComplete')
          .map(([name, value]) => [name, typeof value === 'object' ? typeof value : value])
          .sort();
      const { websocket: server } = await world.openServer();
      const { websocket: client } = await world.openClient();
      const lonely = new world.WebSocket(null, undefined, { autoPong: false, closeTimeout: 5 });

      world.note(fields(server));
      world.note(fields(client).filter(([name]) => name !== '_url'));
      world.note(fields(lonely), lonely.bufferedAmount, lonely.url);
    }));

  it('ignores a binaryType that does not exist', () =>
    compare(async (world) => {
      const websocket = new world.WebSocket(null, undefined, {});

      for (const type of ['arraybuffer', 'foo', 'fragments', undefined, 'blob', 'nodebuffer']) {
        websocket.binaryType = type;
        world.note(websocket.binaryType);
      }
    }));

  it('throws when something is sent before it is open', () =>
    compare(async (world) => {
      const { url } = await world.listen(() => {});
      const websocket = world.connect(url);

      for (const method of ['send', 'ping', 'pong']) {
        world.note(attempt(() => websocket[method]('a', () => world.note('called'))));
      }
      world.note(
        websocket.bufferedAmount,
        attempt(() => websocket.pause()),
        websocket.isPaused
      );
      world.note(
        attempt(() => websocket.resume()),
        websocket.isPaused
      );
      websocket.on('error', () => {});
      websocket.terminate();
      await closed(websocket);
    }));
});

describe('sending', () => {
  const view = new Uint8Array([0x61, 0x62, 0x63, 0x64]);
  const payloads = {
    'a string': 'text',
    'an empty string': '',
    'a string beyond ASCII': 'h€llo 😀',
    'a lone surrogate': 'a\ud800b',
    'a number': 42,
    'not a number': Number.NaN,
    zero: 0,
    'a Buffer': Buffer.from('bytes'),
    'a Uint8Array': view,
    'a part of an ArrayBuffer': new Uint16Array(view.buffer, 2, 1),
    'a DataView': new DataView(view.buffer, 1, 2),
    'an ArrayBuffer': view.buffer,
    'a SharedArrayBuffer': new SharedArrayBuffer(3),
    'an array': [0x61, 0x162, -1],
    'an array-like object': { length: 2, 0: 97, 1: 98 },
    'a Buffer as JSON': { type: 'Buffer', data: [97] },
    'an object with a value': { valueOf: () => 'value' },
    null: null,
    undefined,
    false: false,
    true: true,
    'a symbol': Symbol('a'),
    'a bigint': 1n,
    'a function': () => {},
    'a plain object': { a: 1 },
    'a Date': new Date(0),
    '125 bytes': 'x'.repeat(125),
    '126 bytes': 'x'.repeat(126),
    '65535 bytes': 'x'.repeat(65_535),
    '65536 bytes': Buffer.alloc(65_536, 1)
  };

  for (const [title, payload] of Object.entries(payloads)) {
    inBothRoles(`${title} gives the frame, or the error, of ws`, async (test) => {
      const { websocket, peer, note } = test;

      note(attempt(() => websocket.send(payload)));
      note(attempt(() => websocket.ping(payload)));
      note(attempt(() => websocket.pong(payload)));
      websocket.close();
      note(await peer.frames());
    });
  }

  for (const options of [
    { binary: true },
    { binary: false },
    { binary: undefined },
    { binary: null },
    { compress: false },
    { fin: false },
    { mask: true },
    { mask: false },
    null,
    'text',
    5
  ]) {
    inBothRoles(`with the options ${JSON.stringify(options)} is as in ws`, async (test) => {
      const { websocket, peer, note } = test;

      websocket.send('text', options);
      websocket.send(Buffer.from('bytes'), options, (...parameters) => note(...parameters));
      websocket.send('', options);
      websocket.close(1000);
      note(await peer.frames());
    });
  }

  inBothRoles('a message in fragments', async ({ websocket, peer, note }) => {
    websocket.send('a', { fin: false });
    websocket.send(Buffer.from('b'), { fin: false });
    websocket.ping('between');
    websocket.send('c');
    websocket.send('d', { binary: true });
    websocket.close(1000);
    note(await peer.frames());
  });

  inBothRoles('control frames takes their arguments in any place', async (test) => {
    const { websocket, peer, note } = test;

    for (const method of ['ping', 'pong']) {
      note(await called((callback) => websocket[method](callback)));
      note(await called((callback) => websocket[method]('a', callback)));
      note(await called((callback) => websocket[method]('b', true, callback)));
      websocket[method]('c', false);
      note(attempt(() => websocket[method]('x'.repeat(126))));
    }
    websocket.close(1000);
    note(await peer.frames());
  });

  inBothRoles('calls back in order, never at once', async ({ websocket, peer, note }) => {
    for (const name of ['a', 'b', 'c']) websocket.send(name, (...values) => note(name, ...values));
    websocket.ping('p', undefined, (...values) => note('ping', ...values));
    note('sync', websocket.bufferedAmount);
    await called((callback) => websocket.send(Buffer.alloc(100_000), callback));
    await called((callback) => websocket.send(new Blob(['blob']), callback));
    note('done', websocket.bufferedAmount);
    websocket.close(1000);
    const frames = await peer.frames();

    note(frames.map(({ first, payload }) => [first, payload.length]));
  });

  inBothRoles('keeps the order around blobs', async ({ websocket, peer, note }) => {
    websocket.send('1');
    websocket.send(new Blob(['2']), () => note('blob'));
    websocket.send('3', () => note('behind'));
    websocket.ping('4');
    note(websocket.bufferedAmount > 0);
    websocket.send(new File(['5'], 'name'));
    websocket.close(1000);
    note(websocket.readyState);
    note(await peer.frames());
  });

  inBothRoles('to a connection that is closing or closed', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket.close(1000);
    for (const state of ['closing', 'closed']) {
      for (const [method, data] of [
        ['send', 'text'],
        ['ping', Buffer.from('bytes')],
        ['pong', 5],
        ['send', new Blob(['blob'])],
        ['send', '€'],
        ['send', null]
      ]) {
        note(state, await called((callback) => websocket[method](data, callback)));
        note(websocket.bufferedAmount);
      }
      note(attempt(() => websocket.send('no callback')));
      note(attempt(() => websocket.send(true)));
      if (state === 'closed') break;
      peer.socket.end(incomingClose(role, 1000));
      await closed(websocket);
    }
  });

  inBothRoles('calls back in the order of the calls', async ({ websocket, note }) => {
    websocket.send('text', () => note('text'));
    websocket.close(1000);
    websocket.send('too late', () => note('too late'));
    await called((callback) => websocket.ping('too late, too', callback));
  });

  it('to a client whose handshake failed', () =>
    compare(async (world) => {
      const { url } = await world.listen((peer) => peer.socket.destroy());
      const websocket = world.connect(url);

      websocket.on('error', () => {});
      await closed(websocket);
      world.note(await called((callback) => websocket.send('text', callback)));
      world.note(websocket.bufferedAmount);
    }));

  it('is masked with the keys of the user', () =>
    compare(async (world) => {
      let calls = 0;
      const { websocket, peer } = await world.openClient({
        generateMask(key) {
          world.note('generateMask', key.length);
          key.fill(++calls);
        }
      });

      websocket.send('text');
      websocket.ping();
      websocket.close(1000);
      await peer.until(({ bytes }) => parseFrames(bytes).length >= 3);
      world.note(peer.bytes);
    }));

  it('counts what waits for the socket', () =>
    compare(async (world) => {
      const { websocket } = await world.openServer();
      const socket = websocket._socket;

      socket.cork();
      websocket.send('x'.repeat(10));
      world.note(socket.writableLength > 0);
      websocket.ping();
      socket.uncork();
      world.note(websocket.bufferedAmount);
    }));

  it('sees a Buffer that is changed afterwards as ws does', async () => {
    // A small payload is copied at once here; ws hands it to the kernel at once, which is the same.
    const notes = await perform(oxws, async (world) => {
      const { websocket, peer } = await world.openServer();
      const data = Buffer.from('before');

      websocket.send(data);
      data.write('behind');
      websocket.close();
      world.note((await peer.frames())[0].payload);
    });

    assert.deepStrictEqual(notes, [['before']]);
  });
});

describe('receiving', () => {
  inBothRoles('text and binary messages', async ({ websocket, peer, note, role, world }) => {
    world.record(websocket);
    peer.socket.write(
      Buffer.concat([
        incoming(role, 1, 'text'),
        incoming(role, 1, ''),
        incoming(role, 2, 'bytes'),
        incoming(role, 1, 'fr', { fin: false }),
        incoming(role, 9, 'ping'),
        incoming(role, 0, 'ag'),
        incoming(role, 10, 'pong'),
        incomingClose(role, 4000, 'bye')
      ])
    );
    note(await peer.frames());
    peer.socket.end();
    await closed(websocket);
  });

  for (const binaryType of ['nodebuffer', 'arraybuffer', 'fragments', 'blob']) {
    inBothRoles(`binary messages as ${binaryType}`, async (test) => {
      const { websocket, peer, note, role } = test;

      websocket.binaryType = binaryType;
      const messages = [];

      websocket.on('message', (data, isBinary) => {
        messages.push([data, isBinary]);
        // The change holds from the next message on.
        if (messages.length === 3) websocket.binaryType = 'nodebuffer';
      });
      websocket.on('ping', (data) => messages.push([data, 'ping']));
      peer.socket.end(
        Buffer.concat([
          incoming(role, 1, 'text'),
          incoming(role, 9, 'ping'),
          incoming(role, 2, 'ab', { fin: false }),
          incoming(role, 0, 'cd'),
          incoming(role, 2, 'last'),
          incomingClose(role, 1000)
        ])
      );
      await closed(websocket);
      for (const [data, isBinary] of messages) {
        note(data instanceof Blob ? `Blob ${await data.text()}` : data, isBinary);
      }
    });
  }

  inBothRoles(
    'in turns of their own with allowSynchronousEvents false',
    async ({ websocket, peer, note, role }) => {
      websocket.on('message', (data) => {
        note('message', data);
        queueMicrotask(() => note('microtask', data));
        process.nextTick(() => note('tick', data));
      });
      websocket.on('ping', () => note('ping'));
      peer.socket.write(
        Buffer.concat([
          incoming(role, 1, 'a'),
          incoming(role, 9, 'p'),
          incoming(role, 1, 'b'),
          incoming(role, 1, 'c'),
          incomingClose(role, 1000)
        ])
      );
      await peer.frames();
      peer.socket.end();
      await closed(websocket);
    },
    { allowSynchronousEvents: false }
  );

  inBothRoles('back to back by default', async ({ websocket, peer, note, role }) => {
    websocket.on('message', (data) => {
      note('message', data);
      queueMicrotask(() => note('microtask', data));
    });
    peer.socket.write(Buffer.concat([incoming(role, 1, 'a'), incoming(role, 1, 'b')]));
    await once(websocket, 'message');
    await sleep(10);
  });

  inBothRoles('text as strings by the attribute', async ({ websocket, peer, note, role }) => {
    websocket.onmessage = (event) => note(event.type, event.data, event.target === websocket);
    websocket.onclose = (event) => note(event.type, event.code, event.reason, event.wasClean);
    peer.socket.end(
      Buffer.concat([
        incoming(role, 1, 'h€llo'),
        incoming(role, 2, 'bytes'),
        incomingClose(role, 3000, 'r€ason')
      ])
    );
    await closed(websocket);
  });

  inBothRoles('nothing while paused, and all of it later', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket.on('message', (data) => note('message', data));
    websocket.pause();
    note(websocket.isPaused, websocket._socket.isPaused());
    peer.socket.write(incoming(role, 1, 'a'));
    await sleep(30);
    note('resume');
    websocket.resume();
    note(websocket.isPaused, websocket._socket.isPaused());
    await once(websocket, 'message');
  });

  inBothRoles('what is left when a paused connection is destroyed', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket.pause();
    websocket.on('message', (data) => note('message', data, websocket.readyState));
    websocket.on('close', (code) => note('close', code));
    peer.socket.write(Buffer.concat([incoming(role, 1, 'a'), incoming(role, 1, 'b')]));
    // Paused after the data came in, so that it lies in the socket's own memory.
    await sleep(30);
    websocket._socket.push(incoming(role, 1, 'c'));
    websocket.terminate();
    await closed(websocket);
  });
});

describe('pings of the peer', () => {
  inBothRoles('are answered with their payload', async ({ websocket, peer, note, role }) => {
    websocket.on('ping', (data) => note('ping', data, websocket._pendingAutoPongs));
    peer.socket.write(Buffer.concat([incoming(role, 9, 'a'), incoming(role, 9, '')]));
    note(await peer.frames(2));
    await sleep(10);
    note(websocket._pendingAutoPongs);
  });

  inBothRoles(
    'are not answered with autoPong off',
    async ({ websocket, peer, note, role }) => {
      websocket.on('ping', (data) => {
        note('ping', data);
        websocket.close(1000);
      });
      peer.socket.write(incoming(role, 9, 'a'));
      note(await peer.frames(), websocket._autoPong);
    },
    { autoPong: false }
  );

  inBothRoles('are not answered once autoPong is taken back', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket._autoPong = false;
    websocket.on('ping', () => websocket.close(1000));
    peer.socket.write(incoming(role, 9, 'a'));
    note(await peer.frames());
  });

  inBothRoles('are not answered while closing', async ({ websocket, peer, note, role }) => {
    websocket.close(1000);
    websocket.on('ping', (data) => note('ping', data));
    peer.socket.write(Buffer.concat([incoming(role, 9, 'a'), incomingClose(role, 1000)]));
    await once(websocket, 'ping');
    note(await peer.frames());
  });

  inBothRoles(
    'end the connection when too many answers wait',
    async ({ websocket, peer, note, role, world }) => {
      world.record(websocket);
      websocket._socket.cork();
      peer.socket.write(
        Buffer.concat([1, 2, 3, 4].map((number) => incoming(role, 9, String(number))))
      );
      await closed(websocket);
      note(websocket._pendingAutoPongs);
    },
    { maxPendingAutoPongs: 2 }
  );

  inBothRoles(
    'are all answered without a limit',
    async ({ websocket, peer, note, role }) => {
      peer.socket.write(
        Buffer.concat(Array.from({ length: 100 }, (_, index) => incoming(role, 9, `${index}`)))
      );
      note((await peer.frames(100)).length, websocket.readyState);
    },
    { maxPendingAutoPongs: 0 }
  );
});

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

describe('what programs reach into', () => {
  inBothRoles(
    'limits that are changed on the way',
    async ({ websocket, peer, note, role }) => {
      websocket.on('message', (data) => note('message', data.length));
      websocket.on('error', (error) => note(error));
      note(websocket._receiver._maxPayload, websocket._receiver._skipUTF8Validation);
      websocket._receiver._maxPayload = 5;
      peer.socket.write(incoming(role, 2, '12345'));
      await once(websocket, 'message');
      websocket._receiver._maxPayload = 0;
      websocket._receiver._skipUTF8Validation = true;
      peer.socket.write(incoming(role, 1, Buffer.from([0xff, 0xff])));
      await once(websocket, 'message');
      websocket._receiver._maxPayload = 1;
      peer.socket.write(incoming(role, 2, '12'));
      note(await peer.frames());
    },
    { maxPayload: 10 }
  );

  inBothRoles('the sender is there from the first to the last', async (test) => {
    const { websocket, note, world } = test;
    const look = (websocket) =>
      note(Object.hasOwn(websocket, '_sender'), websocket._sender?._bufferedBytes ?? null);
    const lonely = new world.WebSocket(null, undefined, {});

    look(lonely);
    look(websocket);
    websocket.terminate();
    await closed(websocket);
    websocket.send('too late');
    look(websocket);
    note(websocket.bufferedAmount);
  });

  inBothRoles('what is sent too late counts as buffered', async ({ websocket, note }) => {
    websocket.terminate();
    note(websocket.bufferedAmount);
    note(await called((callback) => websocket.send('late', callback)));
    note(websocket.bufferedAmount);
    await closed(websocket);
    note(await called((callback) => websocket.ping('later', undefined, callback)));
    note(websocket.bufferedAmount, websocket._sender._bufferedBytes);
  });

  inBothRoles('frames that are made once and sent to many', async (test) => {
    const { websocket, peer, note, world } = test;
    const list = world.WebSocket.Sender.frame(Buffer.from('shared'), {
      fin: true,
      rsv1: false,
      opcode: 1,
      mask: false,
      readOnly: false
    });
    const before = Buffer.concat(list);

    websocket.send('a');
    note(await called((callback) => websocket._sender.sendFrame(list, callback)));
    websocket._sender.sendFrame(list);
    websocket.send('b');
    websocket.close(1000);
    note(await peer.frames());
    note(Buffer.concat(list).equals(before), list.length);
  });

  inBothRoles('raw writes keep their place', async ({ websocket, peer, note }) => {
    websocket.send('a');
    websocket._socket.write(frame(1, 'raw'));
    websocket.send('b');
    for (const part of [frame(2, 'each')]) websocket._socket.write(part);
    websocket.close(1000);
    note(await peer.frames());
  });

  inBothRoles('a corked socket holds frames back', async ({ websocket, peer, note }) => {
    websocket._socket.cork();
    websocket.send('a');
    websocket.send('b');
    await sleep(20);
    note(peer.bytes.length);
    websocket._socket.uncork();
    note((await peer.frames(2)).map(({ payload }) => payload));
  });

  inBothRoles('the socket is the real one', async ({ websocket, peer, note, role }) => {
    const socket = websocket._socket;

    note(
      socket.constructor.name,
      socket.remoteAddress,
      typeof socket.remotePort,
      socket.remoteFamily,
      typeof socket._handle.fd,
      socket._parent,
      socket.listenerCount('data'),
      socket.listenerCount('close') > 0,
      socket.bytesRead > 0,
      socket.bytesWritten > 0,
      socket.timeout,
      socket._sender === undefined
    );
    const before = socket.bytesRead;
    const bytes = incoming(role, 1, 'counted');
    const seen = [];

    socket.on('data', (chunk) => seen.push(chunk.length));
    peer.socket.write(bytes);
    await once(websocket, 'message');
    note(socket.bytesRead - before === bytes.length, seen.length, seen[0] === bytes.length);
    websocket.terminate();
    await closed(websocket);
    note(socket.remoteAddress, socket.destroyed);
  });

  inBothRoles('listeners of the receiver do the work', async ({ websocket, peer, note, role }) => {
    const receiver = websocket._receiver;

    for (const event of ['conclude', 'drain', 'error', 'message', 'ping', 'pong']) {
      note(event, receiver.listenerCount(event));
    }
    receiver.prependListener('message', (data, isBinary) => note('tapped', data, isBinary));
    receiver.removeAllListeners('ping');
    websocket.on('message', (data) => note('message', data));
    websocket.on('ping', () => note('ping'));
    peer.socket.write(Buffer.concat([incoming(role, 9, 'unheard'), incoming(role, 1, 'heard')]));
    await once(websocket, 'message');
    note((await Promise.race([peer.frames(1), sleep(20)])) === undefined);
  });

  inBothRoles('a peer that plays dead', async ({ websocket, peer, note, role, world }) => {
    world.record(websocket);
    websocket._receiver.removeAllListeners('conclude');
    peer.socket.write(incomingClose(role, 1000));
    await sleep(20);
    note(websocket.readyState, peer.bytes.length);
    peer.socket.end();
    await closed(websocket);
  });

  it('hooks on the prototypes see what they see in ws', () =>
    compare(async (world) => {
      const { prototype } = world.WebSocket;
      const originals = {};

      for (const name of ['setSocket', 'send', 'close', 'emitClose', 'pong']) {
        originals[name] = prototype[name];
        prototype[name] = function (...parameters) {
          world.note(name, parameters.length);
          return originals[name].apply(this, parameters);
        };
      }
      world.defer(() => Object.assign(prototype, originals));

      const { websocket, peer } = await world.openServer();

      websocket.send('a', () => {});
      peer.socket.write(Buffer.concat([incoming('server', 9, 'p'), incomingClose('server', 1000)]));
      await peer.frames();
      peer.socket.end();
      await closed(websocket);
    }));

  it('a receiver whose `on` is wrapped passes every message through it', () =>
    compare(async (world) => {
      const { prototype } = world.WebSocket.Receiver;
      const original = prototype.on;

      prototype.on = function (event, listener) {
        if (event !== 'message') return original.call(this, event, listener);
        return original.call(this, event, function (...parameters) {
          world.note('wrapped', ...parameters);
          return listener.apply(this, parameters);
        });
      };
      world.defer(() => {
        prototype.on = original;
      });

      const { websocket, peer } = await world.openServer();

      peer.socket.write(incoming('server', 1, 'a'));
      const [data] = await once(websocket, 'message');

      world.note(data);
    }));

  it('a send of its own on one WebSocket', () =>
    compare(async (world) => {
      const { websocket, peer } = await world.openServer();
      const { send } = websocket;

      websocket.send = function (data, ...rest) {
        world.note('own', data, rest.length);
        return send.call(this, `<${data}>`, ...rest);
      };
      websocket.send('a', () => {});
      websocket.send('b', {}, () => {});
      websocket.isAlive = true;
      websocket.id = 'x';
      websocket.close(1000);
      world.note(await peer.frames());
    }));

  it('a sender of the user', async () => {
    await perform(oxws, async (world) => {
      const { websocket } = await world.openServer();
      const sent = [];

      const sender = { _bufferedBytes: 0, send: (data) => sent.push(data) };

      websocket._sender = sender;
      websocket.send('a');
      assert.strictEqual(websocket._sender, sender);
      assert.strictEqual(websocket.bufferedAmount, 0);
      assert.deepStrictEqual(sent, ['a']);
      websocket.terminate();
      await closed(websocket);
    });
  });

  it('a client made by hand over any stream', () =>
    compare(async (world) => {
      const written = [];
      const stream = new Duplex({
        read() {},
        write(chunk, _encoding, callback) {
          written.push(chunk);
          callback();
        }
      });
      const websocket = new world.WebSocket(null, undefined, { isServer: false, closeTimeout: 50 });

      websocket._isServer = false;
      world.record(websocket);
      world.note(
        'setSocket',
        attempt(() => websocket.setSocket(stream, incoming('client', 1, 'head'), { maxPayload: 0 }))
      );
      websocket.send('hi');
      await once(websocket, 'message');
      await sleep(5);
      world.note(parseFrames(Buffer.concat(written)));
      stream.push(incomingClose('client', 1000));
      stream.push(null);
      await closed(websocket);
      world.note(parseFrames(Buffer.concat(written)));
    }));

  it('a synthetic event', () =>
    compare(async (world) => {
      const websocket = new world.WebSocket(null, undefined, {});

      websocket.on('message', (data, isBinary) => world.note(data, isBinary));
      websocket.onmessage = ({ data }) => world.note(data);
      websocket.emit('message', 'text', false);
      websocket.emit('message', Buffer.from('bytes'), true);
    }));
});

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

'use strict';

// What an open connection sends, compared with ws in both roles.

const assert = require('node:assert');
const { describe, it } = require('node:test');

const { attempt, closed, compare, oxws, parseFrames, perform } = require('../support/differential');
const { called, inBothRoles, incomingClose } = require('../support/roles');

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

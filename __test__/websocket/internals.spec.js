'use strict';

// What programs reach into below the API, compared with ws in both roles.

const assert = require('node:assert');
const { once } = require('node:events');
const { Duplex } = require('node:stream');
const { describe, it } = require('node:test');

const {
  attempt,
  closed,
  compare,
  oxws,
  parseFrames,
  perform,
  sleep
} = require('../support/differential');
const { frame } = require('../support/frames');
const { called, inBothRoles, incoming, incomingClose } = require('../support/roles');

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

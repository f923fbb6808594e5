'use strict';

// The class `WebSocket`, compared with that of ws.

const { describe, it } = require('node:test');

const { attempt, closed, compare } = require('../support/differential');

/** What goes beyond ws. */
const ADDITIONS = [
  'binding',
  'closeCause',
  'closed',
  'isSubscribed',
  'latency',
  'opened',
  'publish',
  'sendAsync',
  'subscribe',
  'topics',
  'transport',
  'transportReason',
  'unsubscribe',
  'waitForDrain',
  'writableNeedDrain'
];

/** Tells whether a property goes beyond ws. None of those is enumerable. */
function isAddition(object, name) {
  return ADDITIONS.includes(name) && !Object.prototype.propertyIsEnumerable.call(object, name);
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

'use strict';

// What is published on channels of `node:diagnostics_channel`.

const assert = require('node:assert');
const diagnostics = require('node:diagnostics_channel');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const { WebSocket } = require('../..');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const CHANNELS = ['oxws:server:connection', 'oxws:client:open', 'oxws:close', 'oxws:dropped'];

/** What is published from now on: the name of the channel, and the message. */
function subscribe(t) {
  const published = [];
  for (const name of CHANNELS) {
    const listener = (message, channel) => published.push([channel, message]);
    diagnostics.subscribe(name, listener);
    t.after(() => diagnostics.unsubscribe(name, listener));
  }
  return published;
}

/** The messages of a channel about some WebSockets: others may still be ending. */
function on(published, name, websockets) {
  const isAbout = ([channel, { websocket }]) => channel === name && websockets.includes(websocket);
  return published.filter(isAbout).map(([, message]) => message);
}

for (const kind of kinds) {
  describe(`The channels, ${kind}`, () => {
    it('tell of the connections of both roles, and of their ends', async (t) => {
      const published = subscribe(t);
      const { members, wss } = await openRoom(t, 1, {}, kind);
      const [{ client, ws }] = members;
      const told = (name) => on(published, name, [client, ws]);
      const [accepted] = told('oxws:server:connection');
      assert.strictEqual(accepted.server, wss);
      assert.strictEqual(accepted.websocket, ws);
      assert.strictEqual(typeof accepted.request.headers, 'object');
      assert.deepStrictEqual(told('oxws:client:open'), [{ websocket: client }]);
      assert.deepStrictEqual(told('oxws:close'), []);
      client.close(4000, 'enough');
      await until(() => told('oxws:close').length === 2, 'both ends');
      const ends = new Map(told('oxws:close').map((end) => [end.websocket, end]));
      for (const end of [ends.get(client), ends.get(ws)]) {
        assert.strictEqual(end.code, 4000);
        assert.strictEqual(end.reason.toString(), 'enough');
      }
      assert.strictEqual(CHANNELS.flatMap(told).length, 4);
    });

    it('serve one who subscribes later, and nobody after that', async (t) => {
      const { members } = await openRoom(t, 2, {}, kind);
      const published = [];
      const all = members.flatMap(({ client, ws }) => [client, ws]);
      const listener = ({ websocket }) => {
        if (all.includes(websocket)) published.push(websocket);
      };
      diagnostics.subscribe('oxws:close', listener);
      t.after(() => diagnostics.unsubscribe('oxws:close', listener));
      members[0].client.terminate();
      await until(() => published.length === 2, 'both ends');
      assert.deepStrictEqual(new Set(published), new Set([members[0].client, members[0].ws]));
      diagnostics.unsubscribe('oxws:close', listener);
      const ended = once(members[1].ws, 'close');
      members[1].client.terminate();
      await ended;
      assert.strictEqual(published.length, 2);
    });

    it('tell of dropped messages', async (t) => {
      const published = subscribe(t);
      const options = { backpressurePolicy: 'drop', maxBackpressure: 100_000 };
      const { members } = await openRoom(t, 1, options, kind);
      const [{ client, ws }] = members;
      client.pause();
      let dropped = 0;
      ws.on('dropped', () => dropped++);
      const data = Buffer.alloc(50_000);
      for (let sent = 0; sent < 1000 && dropped === 0; sent++) ws.send(data);
      assert.ok(dropped > 0);
      const told = on(published, 'oxws:dropped', [ws]);
      assert.strictEqual(told.length, dropped);
      assert.deepStrictEqual(told[0], { data, isBinary: true, websocket: ws });
    });
  });
}

describe('The channels', () => {
  it('tell of a client that could not be opened, but not as open', async (t) => {
    const published = subscribe(t);
    const client = new WebSocket('ws://127.0.0.1:1');
    const closed = new Promise((resolve) => client.on('close', resolve));
    client.on('error', () => {});
    await closed;
    const told = CHANNELS.flatMap((name) => on(published, name, [client]));
    assert.deepStrictEqual(told, [{ code: 1006, reason: Buffer.alloc(0), websocket: client }]);
  });
});

'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { getEngine } = require('../../lib/engine');
const connections = require('../support/connections');

const skip = getEngine() === null ? 'there is no engine' : false;
const COUNT = 40;

describe('A paused connection that is closed', { skip }, () => {
  for (const [title, send] of [
    ['of which nothing is unread', () => {}],
    ['of which a message is unread', (ws) => ws.send('unread')]
  ]) {
    it(`takes no memory of its own, ${title}`, async (t) => {
      const served = await connections.serve(t);
      const pairs = [];
      for (let index = 0; index < COUNT; index++) pairs.push(await connections.join(t, served));
      const messages = [];
      for (const { peer, ws } of pairs) {
        peer.on('message', (data) => messages.push(String(data)));
        peer.pause();
        send(ws);
      }
      await sleep(100);
      const closed = pairs.map(({ peer }) => once(peer, 'close'));
      pairs[0].peer.terminate(); // what is kept for all others
      const before = process.memoryUsage().external;
      for (const { peer } of pairs) peer.terminate();
      const grown = process.memoryUsage().external - before;
      // It was 720 KB for each.
      assert.ok(grown < COUNT * 20_000, `${grown} bytes`);
      await Promise.all(closed);
      assert.ok(messages.every((message) => message === 'unread'));
    });
  }
});

'use strict';

// Messages for many, compressed.

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const PerMessageDeflate = require('../../lib/permessage-deflate');
const until = require('../support/until');
const { kinds, openRoom, receiveAll } = require('./room');

const ALONE = { perMessageDeflate: { serverNoContextTakeover: true, threshold: 100 } };
const TEXT = 'compressed once for all. '.repeat(20);
const LONG = 'a long one, compressed on another thread. '.repeat(3000);

/** How often JavaScript has something compressed while something runs. */
async function countCompressions(run) {
  const { compress } = PerMessageDeflate.prototype;
  let count = 0;
  PerMessageDeflate.prototype.compress = function (...parameters) {
    count++;
    return compress.apply(this, parameters);
  };
  try {
    await run();
  } finally {
    PerMessageDeflate.prototype.compress = compress;
  }
  return count;
}

for (const kind of kinds) {
  describe(`A compressed message for many, over ${kind}`, () => {
    it('is compressed once, and keeps its place', async (t) => {
      const { members, wss } = await openRoom(t, 5, ALONE, kind);
      for (const { ws } of members) ws.subscribe('a');
      const count = await countCompressions(async () => {
        for (const text of [TEXT, LONG]) {
          wss.publish('a', 'before');
          assert.strictEqual(wss.publish('a', text), 5);
          wss.publish('a', 'short');
          wss.broadcast(text);
          members[0].ws.ping();
          wss.publish('a', text, { compress: false });
        }
        await receiveAll(members, [12, 10, 10, 10, 10]);
      });
      assert.strictEqual(count, 4);
      const each = (text) => ['before', text, 'short', text, text];
      const expected = [...each(TEXT), ...each(LONG)];
      for (const { received } of members.slice(1)) assert.deepStrictEqual(received, expected);
      const [{ received }] = members;
      assert.strictEqual(received.indexOf('(ping)'), 4);
      await until(() => members.every(({ ws }) => ws.bufferedAmount === 0), 'nothing waits');
      for (const { client } of members) assert.ok(client.extensions !== '');
    });

    it('is compressed by the next one where the first is closed', async (t) => {
      const { members, wss } = await openRoom(t, 4, ALONE, kind);
      for (const { ws } of members) ws.subscribe('a');
      assert.strictEqual(wss.publish('a', TEXT), 4);
      members[0].ws.terminate();
      members[1].ws.terminate();
      wss.publish('a', 'behind');
      await receiveAll(members.slice(2), 2);
      for (const { received } of members.slice(2)) {
        assert.deepStrictEqual(received, [TEXT, 'behind']);
      }
    });

    for (const length of [TEXT.length, LONG.length]) {
      it(`is compressed for good if it was prepared, ${length} bytes`, async (t) => {
        const { members, wss } = await openRoom(t, 3, ALONE, kind);
        for (const { ws } of members) ws.subscribe('a');
        const text = length === TEXT.length ? TEXT : LONG;
        const prepared = wss.prepare(text);
        const plain = wss.prepare(text, { compress: false });
        const count = await countCompressions(async () => {
          for (let round = 0; round < 3; round++) {
            for (const { ws } of members) ws.send(prepared);
            for (const { ws } of members) ws.send(`${round}`);
            assert.strictEqual(wss.publish('a', prepared), 3);
            wss.broadcast(plain);
            await receiveAll(members, 4 * (round + 1));
            // The engine takes them over meanwhile.
            await sleep(30);
          }
        });
        assert.strictEqual(count, 1);
        const expected = ['0', '1', '2'].flatMap((round) => [text, round, text, text]);
        for (const { received } of members) assert.deepStrictEqual(received, expected);
      });
    }

    it('is compressed by each that takes its window over', async (t) => {
      const { members, wss } = await openRoom(t, 3, { perMessageDeflate: true }, kind);
      for (const { ws } of members) ws.subscribe('a');
      const prepared = wss.prepare(TEXT);
      for (let round = 0; round < 3; round++) {
        wss.publish('a', TEXT);
        wss.publish('a', prepared);
        for (const { ws } of members) ws.send(prepared);
        await receiveAll(members, 3 * (round + 1));
        await sleep(30);
      }
      for (const { received } of members) assert.deepStrictEqual(received, Array(9).fill(TEXT));
    });
  });
}

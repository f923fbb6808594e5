'use strict';

const assert = require('node:assert');
const { createHash } = require('node:crypto');
const { describe, it } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const { getEngine } = require('../../lib/engine');
const { connectRaw } = require('../support/connections');
const until = require('../support/until');

/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;

const MEGABYTE = 1024 * 1024;

/** Raw peers that don't read, and the server's end of each. */
async function connectSlow(t, count) {
  const ends = [];
  for (let index = 0; index < count; index++) {
    const { socket, ws } = await connectRaw(t);
    socket.pause();
    ends.push({ socket, ws });
  }
  return ends;
}

/** The bytes of an unmasked binary frame. */
function frameOf(payload) {
  const head = payload.length < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x82;
  if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Has the peers read, and compares what they get. */
async function readAll(ends, expected) {
  const length = expected.reduce((sum, payload) => sum + frameOf(payload).length, 0);
  const hash = createHash('sha1');
  for (const payload of expected) hash.update(frameOf(payload));
  const wanted = hash.digest('hex');
  const read = ends.map(({ socket }) => {
    const state = { length: 0, hash: createHash('sha1') };
    socket.on('data', (data) => {
      state.length += data.length;
      state.hash.update(data);
    });
    socket.resume();
    return state;
  });
  await until(() => read.every((state) => state.length >= length), 'all bytes');
  for (const state of read) {
    assert.strictEqual(state.length, length);
    assert.strictEqual(state.hash.digest('hex'), wanted);
  }
}

describe('A broadcast to peers that do not read', { skip }, () => {
  for (const [name, size, count, pause] of [
    ['long messages', 64 * 1024, 80, false],
    ['messages of 1 KiB', 1024, 10_000, false],
    ['long messages of many turns', 64 * 1024, 80, true],
    ['messages of 1 KiB of many turns', 1024, 10_000, true]
  ]) {
    it(`is in memory once: ${name}`, async (t) => {
      const ends = await connectSlow(t, 30);
      const payloads = Array.from({ length: count }, (_, index) => Buffer.alloc(size, index));
      const before = process.memoryUsage().rss;
      for (const payload of payloads) {
        for (const { ws } of ends) ws.send(payload);
        if (pause) await turn();
      }
      const buffered = ends.reduce((sum, { ws }) => sum + ws.bufferedAmount, 0);
      const grown = process.memoryUsage().rss - before;
      assert.ok(buffered > 20 * MEGABYTE, `${buffered} bytes wait`);
      assert.ok(grown < buffered / 2, `${grown} bytes of memory for ${buffered}`);
      await readAll(ends, payloads);
    });
  }

  it('is what was sent, though the program changes short payloads', async (t) => {
    const ends = await connectSlow(t, 3);
    const filler = Buffer.alloc(MEGABYTE);
    const fillers = Array.from({ length: 8 }, () => filler);
    for (const payload of fillers) for (const { ws } of ends) ws.send(payload);
    for (const { ws } of ends) assert.ok(ws.bufferedAmount > 0);
    const payload = Buffer.alloc(2000);
    const expected = [];
    for (let value = 1; value < 100; value++) {
      payload.fill(value);
      expected.push(Buffer.from(payload));
      for (const { ws } of ends) ws.send(payload);
    }
    await readAll(ends, [...fillers, ...expected]);
  });
});

'use strict';

// The mode of a connection of the engine: the table, and that connections follow it.

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { getEngine } = require('../../lib/engine');
const { modeAfter, TRANSITIONS } = require('../../lib/engine/mode');
const { connect, connectRaw } = require('../support/connections');
const { frame } = require('../support/frames');
const until = require('../support/until');

const COMPRESSED = {
  clientOptions: { perMessageDeflate: true },
  serverOptions: { perMessageDeflate: true }
};
const KEY = Buffer.from([1, 2, 3, 4]);
const skip = getEngine() === null ? 'there is no engine' : false;

/** Notes the mode of a connection, and each that it gets. */
function watch(ws) {
  const { _handle: handle } = ws._socket;
  const modes = [handle.mode];
  handle.change = function change(what) {
    const isChanged = Object.getPrototypeOf(this).change.call(this, what);
    if (isChanged) modes.push(this.mode);
    return isChanged;
  };
  return modes;
}

describe('The modes of a connection', () => {
  it('lead where doc/architecture.md says', () => {
    const text = fs.readFileSync(path.join(__dirname, '../../doc/architecture.md'), 'utf8');
    const documented = {};
    for (const [, mode, , cell] of text.matchAll(/^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|$/gm)) {
      documented[mode] = {};
      for (const [, changes, next] of cell.matchAll(/(\w+(?:, \w+)*) → `(\w+)`/g)) {
        for (const change of changes.split(', ')) documented[mode][change] = next;
      }
    }
    assert.deepStrictEqual(documented, JSON.parse(JSON.stringify(TRANSITIONS)));
  });

  it('lead to modes that there are, and never back from bytes for good', () => {
    for (const changes of Object.values(TRANSITIONS)) {
      for (const next of Object.values(changes)) assert.ok(next in TRANSITIONS, next);
    }
    assert.deepStrictEqual(TRANSITIONS.raw, {});
    assert.strictEqual(modeAfter('raw', 'take'), undefined);
    assert.strictEqual(modeAfter('frames', 'hold'), undefined);
  });

  describe('of the engine', { skip }, () => {
    it('are frames, leaving and raw where a program looks at the bytes', async (t) => {
      const { socket, ws } = await connectRaw(t);
      const modes = watch(ws);
      const received = [];
      ws.on('message', (data) => received.push(String(data)));
      assert.strictEqual(ws.transport, 'engine');
      const [first, second] = ['in frames', 'in bytes'].map((text) => frame(1, text, { key: KEY }));
      socket.write(first.subarray(0, 8));
      await sleep(20);
      ws._socket.on('data', () => {});
      assert.deepStrictEqual(modes, ['frames', 'leaving']);
      assert.strictEqual(ws.transport, 'stream');
      socket.write(Buffer.concat([first.subarray(8), second]));
      await until(() => received.length === 2, 'both messages');
      assert.deepStrictEqual(received, ['in frames', 'in bytes']);
      assert.deepStrictEqual(modes, ['frames', 'leaving', 'raw']);
    });

    it('are young, taken and leaving where messages are compressed', async (t) => {
      const { peer, ws } = await connect(t, COMPRESSED);
      const modes = watch(ws);
      assert.strictEqual(ws.transport, 'stream');
      await until(() => modes.length === 2, 'the engine to take it over');
      assert.strictEqual(ws.transport, 'engine');
      const receiver = ws._receiver;
      assert.deepStrictEqual(modes, ['young', 'taken', 'leaving']);
      peer.send('in bytes');
      const [data] = await once(ws, 'message');
      assert.strictEqual(String(data), 'in bytes');
      assert.deepStrictEqual(modes, ['young', 'taken', 'leaving', 'raw']);
      assert.strictEqual(ws._receiver, receiver);
    });

    for (const [title, act] of Object.entries({
      'asks for the receiver': (ws) => ws._receiver,
      'replaces the extension': (ws) => {
        ws._extensions['permessage-deflate'].compress = () => {};
      },
      'closes the connection': (ws) => ws.close()
    })) {
      it(`are young and raw where a program ${title} early`, async (t) => {
        const { ws } = await connect(t, COMPRESSED);
        const modes = watch(ws);
        act(ws);
        await until(() => modes.length === 2, 'a decision');
        assert.deepStrictEqual(modes, ['young', 'raw']);
      });
    }

    it('keep a connection from being read while it is held', async (t) => {
      const { peer, ws } = await connect(t, COMPRESSED);
      const { _handle: handle } = ws._socket;
      // Nothing is taken over while a message is read.
      let give;
      const blob = new Blob(['late']);
      blob.arrayBuffer = () => new Promise((resolve) => (give = resolve));
      ws.send(blob);
      const received = [];
      ws.on('message', (data) => received.push(String(data)));
      await until(() => handle.mode === 'held', 'it to be held');
      peer.send('meanwhile');
      await sleep(20);
      assert.deepStrictEqual(received, []);
      await until(() => handle.mode === 'young', 'it to be read again');
      await until(() => received.length === 1, 'the message');
      give(new Uint8Array(4).buffer);
      await until(() => handle.mode === 'taken', 'the engine to take it over');
      assert.strictEqual(ws.isPaused, false);
    });
  });
});

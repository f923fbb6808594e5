'use strict';

const assert = require('node:assert');
const childProcess = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');

const { getEngine } = require('../lib/engine');
const native = require('../lib/native');
const { TurnEnd } = require('../lib/turn-end');
const { connect } = require('./support/connections');
const createFrameSink = require('./support/frame-sink');
const { frame } = require('./support/frames');
const until = require('./support/until');

const execFile = promisify(childProcess.execFile);
const root = path.join(__dirname, '..');

/** One whose clock stands still, what it has put off, and whether it hears of the end of a turn. */
function create() {
  const state = { ended: 0, hears: true, isAwaited: false, time: 1 };
  const turnEnd = new TurnEnd(
    () => {
      state.isAwaited = state.hears;
      return state.hears;
    },
    () => state.time
  );
  const sender = { endTurn: () => state.ended++ };
  /** A turn in which so many ticks send; how many of them put it off. */
  const pass = (ticks) => {
    let count = 0;
    for (let tick = 0; tick < ticks && count === 0; tick++) {
      if (turnEnd.puts(sender)) count = ticks - tick;
    }
    if (state.isAwaited) turnEnd.end();
    state.isAwaited = false;
    return count;
  };
  return { pass, sender, state, turnEnd };
}

describe('The end of a turn', () => {
  it('is waited for by no tick that is alone in its turn', () => {
    const { pass, state } = create();
    for (let count = 0; count < 1000; count++) assert.strictEqual(pass(1), 0);
    assert.strictEqual(state.ended, 0);
  });

  it('is heard of seldom while turns are quiet', () => {
    const { state, turnEnd, sender } = create();
    let heard = 0;
    for (let count = 0; count < 6400; count++) {
      assert.strictEqual(turnEnd.puts(sender), false);
      if (!state.isAwaited) continue;
      heard++;
      state.isAwaited = false;
      turnEnd.end();
    }
    assert.ok(heard < 120, `${heard}`);
  });

  it('is waited for where several ticks send, and in the turns that follow', () => {
    const { pass, state } = create();
    assert.strictEqual(pass(10), 8);
    assert.strictEqual(state.ended, 1);
    for (let count = 1; count < 32; count++) assert.strictEqual(pass(10), 10);
    // Now and then it's seen whether that is still so.
    assert.strictEqual(pass(10), 8);
    for (let count = 1; count < 32; count++) assert.strictEqual(pass(10), 10);
    for (let count = 0; count < 100; count++) assert.strictEqual(pass(1), 0);
  });

  it('is when the frames of a stream leave that several ticks send', async () => {
    const { chunkCounts, sender, socket, writes } = createFrameSink();
    const sent = [];
    const send = (text) => {
      sent.push(frame(1, text));
      sender.send(text, { fin: true });
    };
    /** Ten ticks that send, in one turn of the event loop. */
    const pass = () => {
      const ticks = Array.from({ length: 10 }, (_, index) => turn().then(() => send(`${index}`)));
      return Promise.all(ticks);
    };
    for (let count = 0; count < 40; count++) await pass();
    await until(() => Buffer.concat(writes).length === Buffer.concat(sent).length);
    assert.deepStrictEqual(Buffer.concat(writes), Buffer.concat(sent));
    // Now and then a turn is looked at, and until then its ticks write; other turns write once.
    const written = chunkCounts.reduce((sum, count) => sum + count, 0);
    assert.ok(written <= 250, `${written} writes`);

    // What a user writes keeps its place.
    await turn();
    send('before');
    await new Promise(process.nextTick);
    socket.write('raw');
    sent.push(Buffer.from('raw'));
    send('after');
    await until(() => Buffer.concat(writes).length === Buffer.concat(sent).length);
    assert.deepStrictEqual(Buffer.concat(writes), Buffer.concat(sent));
  });

  it('is not waited for by the frames of a stream where a callback waits for them', async () => {
    const { sender, writes } = createFrameSink();
    for (let count = 0; count < 10; count++) {
      const ticks = Array.from({ length: 10 }, async () => {
        await turn();
        sender.send('a', { fin: true });
      });
      await Promise.all(ticks);
    }
    await until(() => Buffer.concat(writes).length === 100 * frame(1, 'a').length);
    await turn();
    const before = writes.length;
    sender.send('b', { fin: true });
    sender.send('c', { fin: true }, () => {});
    let written = 0;
    process.nextTick(() => {
      written = writes.length;
    });
    await turn();
    assert.strictEqual(written, before + 1);
  });

  it('comes although nothing else keeps the process alive', async () => {
    const script = `
      const createFrameSink = require('./__test__/support/frame-sink');
      const { sender, socket } = createFrameSink();
      let written = 0;
      socket._write = (chunk, encoding, callback) => { written += chunk.length; callback(); };
      let turns = 0;
      const pass = () => {
        for (let i = 0; i < 10; i++) setImmediate(() => sender.send('a', { fin: true }));
        if (++turns < 300) setImmediate(pass);
      };
      pass();
      process.once('beforeExit', () => console.log(written));
    `;
    const { stdout } = await execFile(process.execPath, ['-e', script], { cwd: root });
    assert.strictEqual(stdout.trim(), `${3000 * frame(1, 'a').length}`);
  });

  it('is not waited for where nobody tells of it', () => {
    const { pass, state } = create();
    state.hears = false;
    for (let count = 0; count < 100; count++) assert.strictEqual(pass(10), 0);
  });

  it('is not waited for longer than some milliseconds', () => {
    const { sender, state, turnEnd } = create();
    for (let tick = 0; tick < 3; tick++) turnEnd.puts(sender);
    let passed = 0;
    for (; !turnEnd.isLate(); passed += 0.01) state.time += 0.01;
    assert.ok(passed > 3 && passed < 6, `${passed}`);
    assert.ok(turnEnd.puts(sender));
    assert.ok(!turnEnd.isLate());
  });

  it('is not waited for by ticks that take long themselves', () => {
    const { sender, state, turnEnd } = create();
    for (let tick = 0; tick < 3; tick++) turnEnd.puts(sender);
    state.time += 1;
    assert.ok(turnEnd.isLate());
    for (let tick = 0; tick < 20; tick++) assert.strictEqual(turnEnd.puts(sender), false);
  });
});

const skip = getEngine() === null ? 'there is no engine' : false;

describe('What ticks of a turn send', { skip }, () => {
  /** An echo that answers later, and what its client has received. */
  async function converse(t, answer) {
    const { peer, ws } = await connect(t);
    const received = [];
    ws.on('message', (data) => received.push(Number(data)));
    peer.on('message', (data) => answer(() => peer.send(data.toString())));
    const { _engine: engine, _id: id } = peer._socket._handle;
    return { calls: () => native.counters(engine.native, id)[3], peer, received, ws };
  }

  for (const [name, answer] of Object.entries({
    immediates: setImmediate,
    promises: (send) => turn().then(send),
    timers: (send) => setTimeout(send, 1)
  })) {
    it(`leaves together: ${name}`, async (t) => {
      const { calls, received, ws } = await converse(t, answer);
      const amount = 500;
      const expected = Array.from({ length: amount }, (_, index) => index);
      let least = amount;
      // Where the machine is busy, or the code new, ticks may take too long to wait for each other.
      for (let round = 0; round < 50 && least > amount / 10; round++) {
        const before = calls();
        for (let number = 0; number < amount; number++) ws.send(`${number}`);
        await until(() => received.length === amount, 'the answers');
        assert.deepStrictEqual(received.splice(0), expected);
        least = Math.min(least, calls() - before);
      }
      assert.ok(least <= amount / 10, `${least} calls`);
    });
  }

  it('leaves with its tick where somebody waits for a callback', async (t) => {
    const { peer, received } = await converse(t, setImmediate);
    // So that turns are busy.
    for (let number = 0; number < 10; number++) setImmediate(() => peer.send(`${number}`));
    await turn();
    for (let number = 10; number < 200; number++) {
      peer.send(`${number}`);
      await new Promise((resolve) => peer.send(`${1000 + number}`, resolve));
    }
    await until(() => received.length === 390, 'all messages');
  });

  it('leaves before the program is asked, or closes', async (t) => {
    const { peer, received, ws } = await converse(t, setImmediate);
    for (let number = 0; number < 10; number++) setImmediate(() => peer.send(`${number}`));
    await turn();
    setImmediate(() => peer.send('10'));
    setImmediate(() => {
      peer.send('11');
      assert.strictEqual(peer.bufferedAmount, 0);
      peer.terminate();
    });
    await once(ws, 'close');
    assert.deepStrictEqual(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('does not wait for what may never happen', async (t) => {
    const { peer, received } = await converse(t, setImmediate);
    const amount = 300;
    for (let number = 0; number < amount; number++) {
      const send = () => peer.send(`${number}`);
      if (number % 3 === 0) setImmediate(send);
      else if (number % 3 === 1) setImmediate(() => process.nextTick(send));
      else setImmediate(() => Promise.resolve().then(send));
      if (number % 50 === 0) await sleep(2);
    }
    await until(() => received.length === amount, 'all messages');
    received.sort((a, b) => a - b);
    assert.strictEqual(received.at(-1), amount - 1);
  });
});

'use strict';

// Random programs of topics against a naive model: for each connection a list of what it gets.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');

const Random = require('../differential/random');
const until = require('../support/until');
const { kinds, openRoom } = require('./room');

const PROGRAMS = Number(process.env.OXWS_TEST_PROGRAMS ?? 4);
const STEPS = 150;
const MEMBERS = 5;
const TOPICS = ['', 'a', 'b'];

/** How long messages are, by how often. */
const LENGTHS = [2, 2, 2, 10, 10, 130, 130, 600, 3000, 20_000, 70_000];

const COMPRESSIONS = {
  plain: {},
  compressed: { perMessageDeflate: true },
  'compressed by itself': {
    perMessageDeflate: { serverNoContextTakeover: true, threshold: 100 }
  }
};

/** One connection as the model has it. */
class Modelled {
  constructor({ client, received, ws }) {
    this.client = client;
    this.received = received;
    this.ws = ws;
    this.topics = new Set();
    this.isOpen = true;
    this.isKilled = false;
    this.isCorked = false;
    /** What it gets, in order. */
    this.expected = [];
    /** What it gets behind the message whose fragments are being sent; `null` without one. */
    this.deferred = null;
    ws.on('close', () => {
      this.isOpen = false;
    });
  }

  get(text) {
    if (!this.isOpen) return false;
    (this.deferred ?? this.expected).push(text);
    return true;
  }
}

/** A program: what it does, and what comes of that. */
class Program {
  constructor(random, members, wss) {
    this.random = random;
    this.members = members.map((member) => new Modelled(member));
    this.wss = wss;
    this.number = 0;
    this.prepared = null;
  }

  /** A message that there has not been before. */
  message() {
    const text = `${this.number++} `;
    return text.padEnd(this.random.pick(LENGTHS), 'payload ');
  }

  /** A message in some form, and what is received of it. */
  payload() {
    const text = this.message();
    switch (this.random.below(6)) {
      case 0:
        return { data: Buffer.from(text), expected: [...Buffer.from(text)] };
      case 1:
        return { data: Buffer.from(text), options: { binary: false }, expected: text };
      case 2:
        return { data: text, options: { compress: false }, expected: text };
      case 3:
        return { data: this.wss.prepare(text), expected: text };
      default:
        return { data: text, expected: text };
    }
  }

  async step() {
    const { random, wss } = this;
    const member = random.pick(this.members);
    const { ws } = member;
    const topic = random.pick(TOPICS);
    switch (random.below(24)) {
      case 0:
      case 1:
      case 2: {
        const changes = member.isOpen && ws.readyState === 1 && !member.topics.has(topic);
        assert.strictEqual(ws.subscribe(topic), changes);
        if (changes) member.topics.add(topic);
        break;
      }
      case 3:
        assert.strictEqual(ws.unsubscribe(topic), member.topics.delete(topic));
        break;
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
      case 10: {
        const { data, expected, options } = this.payload();
        const others = random.below(3) === 0 ? [random.pick(this.members)] : [];
        const except = others.map((other) => other.ws);
        const all = this.members.filter((each) => each.topics.has(topic));
        if (random.below(2) === 0) {
          const queued = all.filter((each) => !others.includes(each) && each.get(expected));
          const count = wss.publish(topic, data, { ...options, except });
          assert.strictEqual(count, queued.length);
        } else {
          const queued = all.filter(
            (each) => each !== member && !others.includes(each) && each.get(expected)
          );
          const count = ws.publish(topic, data, { ...options, except: except[0] });
          assert.strictEqual(count, queued.length);
        }
        break;
      }
      case 11: {
        const { data, expected, options } = this.payload();
        const queued = this.members.filter((each) => each.get(expected));
        assert.strictEqual(wss.broadcast(data, options), queued.length);
        break;
      }
      case 12:
      case 13: {
        if (!member.isOpen || member.deferred !== null) break;
        const text = this.message();
        member.get(text);
        ws.send(text, random.below(2) === 0 ? undefined : () => {});
        break;
      }
      case 14:
        if (!member.isOpen) break;
        // Control frames go between fragments.
        member.expected.push('(ping)');
        ws.ping();
        break;
      case 15:
        // Of a compressed connection the raw bytes overtake what is being compressed, as with ws.
        if (!member.isOpen || member.deferred !== null || ws.extensions !== '') break;
        member.get('raw');
        ws._socket.write(Buffer.from([0x81, 3, 0x72, 0x61, 0x77]));
        break;
      case 16: {
        if (!member.isOpen) break;
        if (member.deferred === null) {
          member.begun = this.message();
          member.deferred = [];
          ws.send(member.begun, { fin: false });
        } else this.endFragments(member);
        break;
      }
      case 17:
        if (!member.isOpen) break;
        if (member.isCorked) ws._socket.uncork();
        else ws._socket.cork();
        member.isCorked = !member.isCorked;
        break;
      case 18:
        if (member.isOpen) member.client.pause();
        break;
      case 19:
        if (member.isOpen) member.client.resume();
        break;
      case 20:
        if (random.below(12) === 0 && member.isOpen && member.deferred === null) {
          member.expected.push('(close 1005)');
          ws.close();
          member.isOpen = false;
        } else if (random.below(20) === 0 && member.isOpen) {
          ws.terminate();
          member.isOpen = false;
          member.isKilled = true;
        }
        break;
      case 21:
        await turn();
        break;
      case 22:
        if (random.below(4) === 0) await sleep(25);
        else await null;
        break;
      default:
        if (!member.isOpen || member.deferred !== null) break;
        this.prepared ??= wss.prepare(this.message());
        member.get(this.prepared.data);
        ws.send(this.prepared);
    }
    for (const name of TOPICS) {
      const all = this.members.filter((each) => each.topics.has(name));
      assert.strictEqual(wss.subscriberCount(name), all.length);
    }
    assert.deepStrictEqual(new Set(ws.topics), member.topics);
  }

  endFragments(member) {
    const last = this.message();
    const { deferred } = member;
    member.deferred = null;
    member.expected.push(member.begun + last, ...deferred);
    member.ws.send(last);
  }

  /** Lets everything arrive, and compares. */
  async end() {
    for (const member of this.members) {
      if (member.isOpen && member.deferred !== null) this.endFragments(member);
      if (member.isCorked && member.isOpen) member.ws._socket.uncork();
      else if (member.isCorked) member.ws._socket?.uncork();
      member.client.resume();
    }
    for (const member of this.members) {
      const { expected, received } = member;
      if (!member.isKilled) {
        const what = () => `${received.length} of ${expected.length}`;
        await until(() => received.length >= expected.length, what);
        assert.deepStrictEqual(received, expected);
        if (member.isOpen) await until(() => member.ws.bufferedAmount === 0, 'nothing waits');
      } else {
        await until(() => received.at(-1) === '(close 1006)', 'the end');
        const messages = received.slice(0, -1);
        assert.deepStrictEqual(messages, expected.slice(0, messages.length));
      }
    }
    for (const { client, ws } of this.members) {
      if (ws.readyState !== 3) {
        client.terminate();
        await once(ws, 'close');
      }
    }
    for (const name of TOPICS) assert.strictEqual(this.wss.subscriberCount(name), 0);
  }
}

for (const kind of kinds) {
  for (const [compression, options] of Object.entries(COMPRESSIONS)) {
    describe(`Random programs, over ${kind}, ${compression}`, () => {
      for (let index = 0; index < PROGRAMS; index++) {
        const seed = Number(process.env.OXWS_TEST_SEED ?? 1) * 1000 + index;
        it(`give each connection what is sent there, in order, seed ${seed}`, async (t) => {
          const room = await openRoom(t, MEMBERS, options, kind);
          if (index % 2 === 0) await sleep(50);
          const program = new Program(new Random(seed), room.members, room.wss);
          // A connection of the model leaves its topics when it has closed.
          room.wss.on('subscription', (ws, topic, count, before) => {
            const member = program.members.find((each) => each.ws === ws);
            if (count < before && ws.readyState === 3) member.topics.delete(topic);
          });
          for (let step = 0; step < STEPS; step++) await program.step();
          await program.end();
        });
      }
    });
  }
}

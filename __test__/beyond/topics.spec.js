'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const { WebSocket, WebSocketServer } = require('../..');
const { serve } = require('../support/connections');
const { uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');
const { kinds, openRoom, receiveAll } = require('./room');

describe('Subscriptions', () => {
  it('tell whether something has changed', async (t) => {
    const { members, wss } = await openRoom(t, 2);
    const [{ ws }, { ws: other }] = members;
    assert.strictEqual(ws.isSubscribed('news'), false);
    assert.strictEqual(ws.subscribe('news'), true);
    assert.strictEqual(ws.subscribe('news'), false);
    assert.strictEqual(ws.isSubscribed('news'), true);
    assert.strictEqual(other.isSubscribed('news'), false);
    assert.strictEqual(wss.subscriberCount('news'), 1);
    assert.strictEqual(other.unsubscribe('news'), false);
    assert.strictEqual(other.subscribe('news'), true);
    assert.strictEqual(wss.subscriberCount('news'), 2);
    assert.strictEqual(ws.unsubscribe('news'), true);
    assert.strictEqual(ws.unsubscribe('news'), false);
    assert.strictEqual(wss.subscriberCount('news'), 1);
    assert.strictEqual(wss.subscriberCount('__proto__'), 0);
  });

  it('are listed as they are now', async (t) => {
    const { members } = await openRoom(t, 1);
    const [{ ws }] = members;
    assert.deepStrictEqual(ws.topics, []);
    for (const topic of ['', 'a', '__proto__', 'ü']) ws.subscribe(topic);
    const { topics } = ws;
    assert.deepStrictEqual(topics, ['', 'a', '__proto__', 'ü']);
    for (const topic of topics) ws.unsubscribe(topic);
    assert.strictEqual(topics.length, 4);
    assert.deepStrictEqual(ws.topics, []);
  });

  it('are told of, those that end with their connection before its end', async (t) => {
    const { members, wss } = await openRoom(t, 3);
    const told = [];
    const nameOf = (ws) => members.findIndex((member) => member.ws === ws);
    wss.on('subscription', (ws, topic, count, before) => {
      told.push([nameOf(ws), topic, count, before]);
      assert.strictEqual(wss.subscriberCount(topic), count);
    });
    for (const { ws } of members) ws.subscribe('a');
    members[0].ws.subscribe('a');
    members[1].ws.subscribe('b');
    members[0].ws.unsubscribe('a');
    members[1].ws.on('close', () => told.push('close'));
    members[1].client.close();
    await once(members[1].ws, 'close');
    members[2].ws.on('close', () => told.push('close'));
    members[2].client.terminate();
    await once(members[2].ws, 'close');
    assert.deepStrictEqual(told, [
      [0, 'a', 1, 0],
      [1, 'a', 2, 1],
      [2, 'a', 3, 2],
      [1, 'b', 1, 0],
      [0, 'a', 2, 3],
      [1, 'a', 1, 2],
      [1, 'b', 0, 1],
      'close',
      [2, 'a', 0, 1],
      'close'
    ]);
    assert.strictEqual(members[1].ws.subscribe('a'), false);
    assert.strictEqual(members[1].ws.unsubscribe('a'), false);
    assert.deepStrictEqual(members[1].ws.topics, []);
    assert.strictEqual(wss.subscriberCount('a'), 0);
  });

  it('end with their connection even if a listener throws', async (t) => {
    const { members, wss } = await openRoom(t, 1);
    const [{ client, ws }] = members;
    for (const topic of ['a', 'b']) ws.subscribe(topic);
    wss.on('subscription', (_ws, topic) => {
      throw new Error(`of ${topic}`);
    });
    const messages = await uncaughtDuring(async () => {
      client.close();
      await once(ws, 'close');
      await new Promise(setImmediate);
    });
    assert.deepStrictEqual(messages, ['of a', 'of b']);
    assert.strictEqual(wss.subscriberCount('a') + wss.subscriberCount('b'), 0);
  });

  it('are those of one server', async (t) => {
    const rooms = [await openRoom(t, 1), await openRoom(t, 1)];
    for (const { members } of rooms) members[0].ws.subscribe('a');
    assert.strictEqual(rooms[0].wss.publish('a', 'first'), 1);
    assert.strictEqual(rooms[1].wss.publish('a', 'second'), 1);
    for (const { members } of rooms) await receiveAll(members, 1);
    assert.deepStrictEqual(rooms[0].members[0].received, ['first']);
    assert.deepStrictEqual(rooms[1].members[0].received, ['second']);
  });

  it('need a server', async (t) => {
    const { members } = await openRoom(t, 1);
    const [{ client }] = members;
    const expected = { code: 'ERR_OXWS_NO_SERVER', name: 'Error' };
    assert.throws(() => client.subscribe('a'), expected);
    assert.throws(() => client.publish('a', 'b'), expected);
    assert.throws(() => new WebSocket(null, undefined, {}).subscribe('a'), expected);
    assert.strictEqual(client.unsubscribe('a'), false);
    assert.strictEqual(client.isSubscribed('a'), false);
    assert.deepStrictEqual(client.topics, []);
  });

  it('refuse what is no topic', async (t) => {
    const { members, wss } = await openRoom(t, 1);
    const [{ ws }] = members;
    const expected = { message: 'The topic must be a string', name: 'TypeError' };
    for (const topic of [undefined, null, 1, {}, Symbol('a'), new String('a')]) {
      assert.throws(() => ws.subscribe(topic), expected);
      assert.throws(() => ws.unsubscribe(topic), expected);
      assert.throws(() => ws.isSubscribed(topic), expected);
      assert.throws(() => ws.publish(topic, 'a'), expected);
      assert.throws(() => wss.publish(topic, 'a'), expected);
      assert.throws(() => wss.subscriberCount(topic), expected);
    }
  });

  it("leave a user's own properties alone", async (t) => {
    class Own extends WebSocket {
      publish() {
        return 'mine';
      }
      subscribe(channel) {
        this.channel = channel;
      }
    }
    const { members, wss } = await openRoom(t, 2, { WebSocket: Own });
    const [{ ws }] = members;
    ws.subscribe('x');
    assert.strictEqual(ws.publish(), 'mine');
    assert.strictEqual(ws.channel, 'x');
    assert.deepStrictEqual(ws.topics, []);
    ws.topics = new Set(['own']);
    assert.deepStrictEqual(ws.topics, new Set(['own']));
    assert.ok(Object.keys(ws).includes('topics'));
    wss.broadcast = wss.prepare = wss.publish = wss.subscriberCount = () => 'mine';
    assert.strictEqual(wss.broadcast(), 'mine');
    WebSocket.prototype.subscribe.call(members[1].ws, 'y');
    assert.strictEqual(WebSocketServer.prototype.publish.call(wss, 'y', 'z'), 1);
    await receiveAll([members[1]], 1);
    assert.deepStrictEqual(members[1].received, ['z']);
  });
});

for (const kind of kinds) {
  describe(`Publishing, over ${kind}`, () => {
    it('reaches who has subscribed and is open, and counts them', async (t) => {
      const { members, wss } = await openRoom(t, 4, {}, kind);
      assert.strictEqual(wss.publish('a', 'nobody'), 0);
      for (const { ws } of members.slice(0, 3)) ws.subscribe('a');
      assert.strictEqual(wss.publish('a', 'one'), 3);
      assert.strictEqual(wss.publish('a', Buffer.from([2])), 3);
      assert.strictEqual(wss.publish('a', Buffer.from('three'), { binary: false }), 3);
      assert.strictEqual(wss.publish('a', 4), 3);
      assert.strictEqual(wss.publish('a', '5', { binary: true }), 3);
      assert.strictEqual(wss.publish('a', ''), 3);
      assert.strictEqual(wss.publish('a', new Uint16Array([7])), 3);
      members[0].ws.close();
      assert.strictEqual(wss.publish('a', 'eight'), 2);
      members[1].ws.terminate();
      assert.strictEqual(wss.publish('a', 'nine'), 1);
      members[3].ws.send('last');
      await receiveAll(members, [8, 9, 9, 1]);
      const common = ['one', [2], 'three', '4', [0x35], '', [7, 0]];
      assert.deepStrictEqual(members[0].received, [...common, '(close 1005)']);
      assert.deepStrictEqual(members[1].received, [...common, 'eight', '(close 1006)']);
      assert.deepStrictEqual(members[2].received, [...common, 'eight', 'nine']);
      assert.deepStrictEqual(members[3].received, ['last']);
    });

    it('leaves out itself, and whoever is excepted', async (t) => {
      const { members, wss } = await openRoom(t, 4, {}, kind);
      const [a, b, c, d] = members.map(({ ws }) => ws);
      for (const ws of [a, b, c]) ws.subscribe('x');
      assert.strictEqual(a.publish('x', '1'), 2);
      assert.strictEqual(d.publish('x', '2'), 3);
      assert.strictEqual(a.publish('x', '3', { except: b }), 1);
      assert.strictEqual(wss.publish('x', '4', { except: [a, d] }), 2);
      assert.strictEqual(wss.publish('x', '5', { except: new Set([a, b, c]) }), 0);
      assert.strictEqual(wss.publish('x', '6', { except: d }), 3);
      assert.strictEqual(wss.broadcast('7', { except: [a, b] }), 2);
      assert.strictEqual(wss.broadcast('8', { filter: (ws) => ws !== c, except: a }), 2);
      assert.strictEqual(wss.publish('x', '9', { except: null }), 3);
      await receiveAll(members, [3, 6, 7, 2]);
      assert.deepStrictEqual(
        members.map(({ received }) => received.join('')),
        ['269', '124689', '1234679', '78']
      );
    });

    it('keeps the order of everything that is sent to a connection', async (t) => {
      const { members, wss } = await openRoom(t, 3, {}, kind);
      for (const { ws } of members) ws.subscribe('a');
      const prepared = wss.prepare('prepared');
      const [{ ws }] = members;
      for (let round = 0; round < 3; round++) {
        ws.send('send');
        wss.publish('a', 'publish');
        ws.ping();
        wss.broadcast('broadcast');
        ws.send(prepared);
        ws._socket.write(Buffer.from([0x81, 3, 0x72, 0x61, 0x77]));
        wss.publish('a', 'x'.repeat(100_000));
        ws.send('after');
        ws.send('callback', () => {});
        wss.publish('a', 'y');
        ws.unsubscribe('a');
        wss.publish('a', 'not for all');
        ws.subscribe('a');
      }
      wss.publish('a', 'end');
      ws.close();
      wss.publish('a', 'late');
      const round = [
        'send',
        'publish',
        '(ping)',
        'broadcast',
        'prepared',
        'raw',
        'x'.repeat(100_000),
        'after',
        'callback',
        'y'
      ];
      const other = ['publish', 'broadcast', round[6], 'y', 'not for all'];
      await receiveAll(members, [32, 17, 17]);
      const thrice = (list) => [...list, ...list, ...list];
      assert.deepStrictEqual(members[0].received, [...thrice(round), 'end', '(close 1005)']);
      assert.deepStrictEqual(members[1].received, [...thrice(other), 'end', 'late']);
    });

    it('comes behind a message whose fragments are being sent', async (t) => {
      const { members, wss } = await openRoom(t, 2, {}, kind);
      for (const { ws } of members) ws.subscribe('a');
      const [{ ws }] = members;
      ws.send('in ', { fin: false });
      assert.strictEqual(wss.publish('a', 'published'), 2);
      assert.strictEqual(wss.broadcast('to all'), 2);
      assert.strictEqual(ws.bufferedAmount >= 15, true);
      ws.send('two', { fin: true });
      ws.send('behind');
      await receiveAll(members, [4, 2]);
      assert.deepStrictEqual(members[0].received, ['in two', 'published', 'to all', 'behind']);
      assert.deepStrictEqual(members[1].received, ['published', 'to all']);
      await until(() => ws.bufferedAmount === 0, 'all written');
    });

    it('takes a Blob, and reads it once', { skip: typeof Blob === 'undefined' }, async (t) => {
      const { members, wss } = await openRoom(t, 3, {}, kind);
      for (const { ws } of members) ws.subscribe('a');
      let reads = 0;
      const blob = new Blob([Uint8Array.of(1, 2, 3)]);
      blob.arrayBuffer = function arrayBuffer() {
        reads++;
        return Blob.prototype.arrayBuffer.call(this);
      };
      assert.strictEqual(wss.publish('a', blob), 3);
      assert.strictEqual(wss.publish('a', 'behind'), 3);
      await receiveAll(members, 2);
      for (const { received } of members) assert.deepStrictEqual(received, [[1, 2, 3], 'behind']);
      assert.strictEqual(reads, 1);
    });

    it('counts as buffered while it waits', { skip: kind === 'duplex' }, async (t) => {
      const { members, wss } = await openRoom(t, 2, {}, kind);
      const [{ client, received, ws }] = members;
      client.pause();
      ws.subscribe('a');
      const text = 't'.repeat(1000);
      let count = 0;
      while (ws.bufferedAmount < 100_000) {
        for (let index = 0; index < 100; index++) wss.publish('a', text);
        count += 100;
        await new Promise(setImmediate);
      }
      for (let index = 0; index < 50; index++) {
        const before = ws.bufferedAmount;
        wss.publish('a', text);
        count++;
        // As long as the peer doesn't read.
        assert.strictEqual(ws.bufferedAmount - before, 1004);
        if (index % 10 === 0) await new Promise(setImmediate);
      }
      client.resume();
      await until(() => received.length === count, 'all');
      await until(() => ws.bufferedAmount === 0, 'nothing waits');
    });

    it('keeps the order of short messages behind what waits', async (t) => {
      const { members, wss } = await openRoom(t, 2, {}, kind);
      const expected = [];
      for (const { client, ws } of members) {
        client.pause();
        ws.subscribe('a');
      }
      const long = 'l'.repeat(60_000);
      for (let index = 0; index < 400; index++) {
        for (const { ws } of members) ws.send(`long ${index}`);
        if (index < 120) wss.publish('a', long);
        wss.publish('a', `short ${index}`);
        if (index % 10 === 0) await new Promise(setImmediate);
        expected.push(`long ${index}`, ...(index < 120 ? [long] : []), `short ${index}`);
        if (index === 200) for (const { client } of members) client.resume();
      }
      await receiveAll(members, expected.length);
      for (const { received } of members) assert.deepStrictEqual(received, expected);
    });

    it('keeps the order for those who read slowly, and what they wait for once', async (t) => {
      const { members, wss } = await openRoom(t, 12, {}, kind);
      for (const { client, ws } of members) {
        client.pause();
        ws.subscribe('a');
      }
      const before = process.memoryUsage();
      const payload = 'p'.repeat(50_000);
      for (let index = 0; index < 200; index++) {
        assert.strictEqual(wss.publish('a', `${index} ${payload}`), 12);
        if (index % 50 === 0) members[0].ws.send(`own ${index}`);
        if (index % 20 === 0) await new Promise(setImmediate);
      }
      const after = process.memoryUsage();
      if (kind !== 'duplex') {
        const amount = members.reduce((sum, { ws }) => sum + ws.bufferedAmount, 0);
        assert.ok(amount > 60e6, `${amount} bytes wait`);
        const growth = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed;
        // For each message the string, its bytes, and the frame.
        assert.ok(growth < 50e6, `${growth} bytes of memory`);
      }
      for (const { client } of members) client.resume();
      await receiveAll(
        members,
        members.map((_, index) => (index === 0 ? 204 : 200))
      );
      const expected = Array.from({ length: 200 }, (_, index) => `${index}`);
      const heads = (received) => received.map((text) => text.replace(` ${payload}`, ''));
      assert.deepStrictEqual(heads(members[1].received), expected);
      const own = expected.flatMap((text, index) =>
        index % 50 === 0 ? [text, `own ${index}`] : [text]
      );
      assert.deepStrictEqual(heads(members[0].received), own);
      await until(() => members.every(({ ws }) => ws.bufferedAmount === 0), 'nothing waits');
    });
  });
}

describe('A broadcast', () => {
  it('refuses what it can not do, before it sends anything', async (t) => {
    const { members, wss } = await openRoom(t, 2);
    const filter = (ws) => {
      if (ws === members[1].ws) throw new Error('of the filter');
      return true;
    };
    assert.throws(() => wss.broadcast('a', { filter }), { message: 'of the filter' });
    assert.throws(() => wss.broadcast('a', { filter: 1 }), TypeError);
    for (const except of [1, 'a', {}, true]) {
      assert.throws(() => wss.broadcast('a', { except }), TypeError);
      assert.throws(() => wss.publish('a', 'b', { except }), TypeError);
      assert.throws(() => members[0].ws.publish('a', 'b', { except }), TypeError);
    }
    for (const options of [null, 1, 'text', () => {}]) {
      assert.throws(() => wss.broadcast('a', options), TypeError);
      assert.throws(() => wss.publish('a', 'b', options), TypeError);
      assert.throws(() => wss.prepare('b', options), TypeError);
    }
    assert.throws(() => wss.broadcast(Symbol('a')), TypeError);
    wss.broadcast('only');
    await receiveAll(members, 1);
    for (const { received } of members) assert.deepStrictEqual(received, ['only']);
  });

  it('needs to know the clients', async (t) => {
    const wss = new WebSocketServer({ clientTracking: false, noServer: true });
    t.after(() => wss.close());
    assert.throws(() => wss.broadcast('a'), { message: /clientTracking/, name: 'Error' });
  });
});

describe('A prepared message', () => {
  it('is what it was, however often it is sent, in both roles', async (t) => {
    const { members, wss } = await openRoom(t, 2);
    const bytes = Buffer.from([1, 2, 3]);
    const prepared = wss.prepare(bytes);
    bytes.fill(9);
    const text = wss.prepare('text');
    const typed = wss.prepare('as bytes', { binary: true, compress: false });
    const [{ client, received, ws }] = members;
    const heard = [];
    ws.on('message', (data, isBinary) => heard.push(isBinary ? [...data] : data.toString()));
    let called = 0;
    for (const end of [ws, client]) {
      end.send(prepared);
      end.send(text, (error) => {
        assert.ok(!error);
        called++;
      });
      end.send(text, { binary: true });
      end.send(typed);
      end.send(prepared, {}, () => called++);
    }
    const expected = [[1, 2, 3], 'text', 'text', [...Buffer.from('as bytes')], [1, 2, 3]];
    await until(() => received.length === 5 && heard.length === 5 && called === 4, 'all');
    assert.deepStrictEqual(received, expected);
    assert.deepStrictEqual(heard, expected);
    assert.strictEqual(prepared.length, 3);
    assert.strictEqual(prepared.isBinary, true);
  });

  it('is refused where any other is', async (t) => {
    const { url, wss } = await serve(t);
    const prepared = wss.prepare('text');
    const client = new WebSocket(url);
    assert.throws(() => client.send(prepared), { message: /readyState 0 \(CONNECTING\)/ });
    await once(client, 'open');
    client.close();
    const [error] = await new Promise((resolve) =>
      client.send(prepared, (...values) => resolve(values))
    );
    assert.match(error.message, /readyState 2 \(CLOSING\)/);
    assert.ok(client.bufferedAmount >= 4);
    assert.throws(() => wss.prepare(new Blob(['a'])), { name: 'TypeError' });
  });
});

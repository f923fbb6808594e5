'use strict';

// What the RFCs ask of both endpoints where the rules of the protocol meet the transport: the
// closing handshake, pongs, failures, compressed frames. A peer that speaks raw bytes watches. Each
// script runs on ws and on this package, which have to do the same. See doc/conformance.md.

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { deflateRawSync } = require('node:zlib');

const { closed, compare, parseFrames, upgradeRequest } = require('./support/differential');
const { frame } = require('./support/frames');
const { KEY } = require('./support/roles');

const EXTENSION = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
const TEXT = 1;
const CLOSE = 8;
const PING = 9;

/** First bytes of frames that are whole. */
const SENT_TEXT = 0x81;
const SENT_CLOSE = 0x88;
const SENT_PONG = 0x8a;

/** The payload of a close frame. */
function closing(code, reason = '') {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

/** First bytes and payloads of what the peer got. */
function seen(frames) {
  return frames.map(({ first, payload }) => [first, payload]);
}

/**
 * Runs a script as server and as client, on ws and here, and compares what it noted down.
 *
 * @param {(opened: any) => Promise<void>} script The script
 * @param {object} [options] Options of the endpoint
 */
async function inBothRoles(script, options) {
  for (const role of ['server', 'client']) {
    await compare(async (world) => {
      const { peer, websocket } = await world.open(role, options);
      /** Sends frames of the peer, by opcode and payload or as they are. */
      const send = (...frames) => {
        const key = role === 'server' ? KEY : null;
        const bytes = frames.map(([opcode, payload, form]) => {
          return frame(opcode, payload, { key, ...form });
        });
        peer.socket.write(Buffer.concat(bytes));
      };
      world.record(websocket);
      await script({ peer, role, send, websocket, world });
    });
  }
}

/** Ends the peer's side, and waits until the endpoint has closed. */
async function finish({ peer, websocket }) {
  await peer.all();
  peer.socket.end();
  await closed(websocket);
}

describe('The closing handshake', { timeout: 60_000 }, () => {
  it('answers a close frame with its code, and ends the connection', () =>
    inBothRoles(async (opened) => {
      opened.send([CLOSE, closing(3000, 'bye')]);
      assert.deepStrictEqual(seen(await opened.peer.frames()), [
        [SENT_CLOSE, closing(3000, 'bye').toString('latin1')]
      ]);
      await finish(opened);
    }));

  it('answers a close frame without a code with one without a code', () =>
    inBothRoles(async (opened) => {
      opened.websocket.on('close', (code) => assert.strictEqual(code, 1005));
      opened.send([CLOSE, '']);
      assert.deepStrictEqual(seen(await opened.peer.frames()), [[SENT_CLOSE, '']]);
      await finish(opened);
    }));

  it('sends one close frame, however often it is told to, and nothing after it', () =>
    inBothRoles(async (opened) => {
      const { peer, send, websocket, world } = opened;
      websocket.close(1000, 'first');
      websocket.close(1001, 'second');
      websocket.send('too late', (error) => world.note('sent', error));
      await peer.frames();
      send([CLOSE, closing(1000)]);
      await finish(opened);
      assert.deepStrictEqual(seen(parseFrames(peer.bytes)), [
        [SENT_CLOSE, closing(1000, 'first').toString('latin1')]
      ]);
    }));

  it('takes messages until the close frame of the peer comes, and nothing after that', () =>
    inBothRoles(async (opened) => {
      const { peer, send, websocket } = opened;
      const messages = [];
      websocket.on('message', (data) => messages.push(data.toString()));
      websocket.close();
      await peer.frames();
      send([TEXT, 'before'], [CLOSE, closing(1000)], [TEXT, 'after']);
      await finish(opened);
      assert.deepStrictEqual(messages, ['before']);
    }));

  it('closes cleanly where both sides begin at once', () =>
    inBothRoles(async (opened) => {
      const { peer, send, websocket } = opened;
      send([CLOSE, closing(3001)]);
      websocket.close(3002);
      await finish(opened);
      assert.strictEqual(parseFrames(peer.bytes).length, 1);
    }));

  it('gives up a peer that does not answer the close frame', () =>
    inBothRoles(
      async ({ peer, websocket }) => {
        websocket.on('close', (code) => assert.strictEqual(code, 1006));
        websocket.close(1000);
        await closed(websocket);
        await peer.all();
      },
      { closeTimeout: 100 }
    ));

  it('gives up a peer that does not end the connection', () =>
    inBothRoles(
      async ({ peer, send, websocket }) => {
        websocket.on('close', (code) => assert.strictEqual(code, 1000));
        websocket.close(1000);
        await peer.frames();
        send([CLOSE, closing(1000)]);
        await closed(websocket);
      },
      { closeTimeout: 100 }
    ));

  it('gives 1006 where the connection ends without a close frame', () =>
    inBothRoles(async (opened) => {
      opened.websocket.on('close', (code) => assert.strictEqual(code, 1006));
      opened.peer.socket.end();
      await closed(opened.websocket);
    }));
});

describe('A failure', { timeout: 60_000 }, () => {
  const faults = {
    'an opcode that is reserved': [[3, ''], 1002],
    'text that is not UTF-8': [[TEXT, Buffer.from([0xff])], 1007],
    'a message that is too long': [[TEXT, 'x'.repeat(41)], 1009]
  };

  it('sends the code of the reason, and takes nothing more', async () => {
    for (const [fault, code] of Object.values(faults)) {
      await inBothRoles(
        async (opened) => {
          opened.send(fault, [TEXT, 'after it']);
          assert.deepStrictEqual(seen(await opened.peer.frames()), [
            [SENT_CLOSE, closing(code).toString('latin1')]
          ]);
          await finish(opened);
        },
        { maxPayload: 40 }
      );
    }
  });

  it('ends a connection that the peer does not end', () =>
    inBothRoles(
      async ({ peer, send, websocket }) => {
        send(faults['an opcode that is reserved'][0]);
        await closed(websocket);
        await peer.all();
      },
      { closeTimeout: 100 }
    ));
});

describe('A ping', { timeout: 60_000 }, () => {
  it('is answered with its data, unless that is turned off', async () => {
    for (const autoPong of [true, false]) {
      await inBothRoles(
        async ({ peer, send, websocket }) => {
          websocket.on('message', () => websocket.send('done'));
          send([PING, ''], [PING, 'data'], [TEXT, 'what comes after']);
          const pongs = [
            [SENT_PONG, ''],
            [SENT_PONG, 'data']
          ];
          const expected = [...(autoPong ? pongs : []), [SENT_TEXT, 'done']];
          assert.deepStrictEqual(seen(await peer.frames(expected.length)), expected);
        },
        { autoPong }
      );
    }
  });

  it('is not answered by an endpoint that is closing', () =>
    inBothRoles(async (opened) => {
      const { peer, send, websocket } = opened;
      websocket.close();
      await peer.frames();
      send([PING, 'data'], [CLOSE, closing(1000)]);
      await finish(opened);
      assert.deepStrictEqual(seen(parseFrames(peer.bytes)), [[SENT_CLOSE, '']]);
    }));
});

describe('A compressed message', { timeout: 60_000 }, () => {
  /** Opens an endpoint that has agreed on permessage-deflate. */
  async function open(world, role) {
    const options = { perMessageDeflate: { threshold: 0 } };
    if (role === 'client') return world.openClient(options, { responseHeaders: EXTENSION });
    const { wss, port } = await world.serve(options);
    const peer = await world.dial(port);
    const connected = new Promise((resolve) => wss.once('connection', resolve));
    peer.socket.write(upgradeRequest({ headers: EXTENSION }));
    await peer.takeHead();
    return { peer, websocket: await connected };
  }

  it('has RSV1 in its first frame only, in both directions', async () => {
    for (const role of ['server', 'client']) {
      await compare(async (world) => {
        const { peer, websocket } = await open(world, role);
        world.record(websocket);
        websocket.send('a first fragment, ', { fin: false });
        websocket.send('a second one', { fin: true });
        websocket.ping();
        const frames = await peer.frames(3);
        assert.deepStrictEqual(
          frames.map(({ first }) => first),
          [0x41, 0x80, 0x89]
        );

        const data = deflateRawSync('what the peer says', { finishFlush: 2 }).subarray(0, -4);
        const key = role === 'server' ? KEY : null;
        const head = frame(TEXT, data.subarray(0, 5), { fin: false, key, rsv: 4 });
        const rest = frame(0, data.subarray(5), { key });
        const arrived = new Promise((resolve) => websocket.once('message', resolve));
        peer.socket.write(Buffer.concat([head, rest]));
        assert.strictEqual((await arrived).toString(), 'what the peer says');

        websocket.on('error', ({ code }) => assert.strictEqual(code, 'WS_ERR_UNEXPECTED_RSV_1'));
        peer.socket.write(frame(PING, '', { key, rsv: 4 }));
        await finish({ peer, websocket });
      });
    }
  });
});

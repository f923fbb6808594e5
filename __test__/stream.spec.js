'use strict';

// `createWebSocketStream()`, compared with that of ws.

const assert = require('node:assert');
const { once } = require('node:events');
const { Duplex } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { describe, it } = require('node:test');

const { attempt, closed, compare, oxws, perform, sleep } = require('./support/differential');
const { frame } = require('./support/frames');

/** Notes down the events of a stream. */
function recordStream(world, stream) {
  for (const event of ['end', 'finish', 'error', 'close']) {
    stream.on(event, (...values) => world.note('stream', event, ...values, stream.destroyed));
  }
  return stream;
}

/** Waits until a stream is closed. */
async function streamClosed(stream) {
  await new Promise((resolve) => stream.once('close', resolve));
}

/** A client with a stream on it, and its raw peer. */
async function openStream(world, options) {
  const { websocket, peer } = await world.openClient();

  world.record(websocket);
  const stream = recordStream(world, world.WebSocket.createWebSocketStream(websocket, options));

  return { websocket, peer, stream };
}

const close = (code) => frame(8, Buffer.from([code >> 8, code & 0xff]));

describe('createWebSocketStream', () => {
  it('gives a Duplex with the options of the user, but for four', () =>
    compare(async (world) => {
      const websocket = new world.WebSocket(null, undefined, {});
      const stream = world.WebSocket.createWebSocketStream(websocket, {
        allowHalfOpen: false,
        autoDestroy: true,
        emitClose: true,
        objectMode: true,
        readableObjectMode: true,
        writableObjectMode: true,
        readableHighWaterMark: 1,
        writableHighWaterMark: 2,
        encoding: 'utf8',
        read: () => assert.fail('called'),
        write: () => assert.fail('called')
      });

      world.note(
        stream instanceof Duplex,
        stream.constructor.name,
        stream.allowHalfOpen,
        stream.readableObjectMode,
        stream.writableObjectMode,
        stream.readableHighWaterMark,
        stream.writableHighWaterMark,
        stream.readableEncoding,
        stream._readableState.autoDestroy,
        stream._writableState.emitClose
      );
      for (const event of ['message', 'error', 'close', 'open']) {
        world.note(event, websocket.listenerCount(event));
      }
      for (const event of ['end', 'error', 'close', 'finish']) {
        world.note(event, stream.listenerCount(event));
      }
    }));

  it('reads messages as bytes', () =>
    compare(async (world) => {
      const { peer, stream } = await openStream(world);
      let text = '';

      stream.on('data', (chunk) => {
        text += chunk;
        world.note('data', Buffer.isBuffer(chunk));
      });
      peer.socket.write(Buffer.concat([frame(1, 'text'), frame(2, 'bytes'), frame(1, '')]));
      peer.socket.write(close(1000));
      await peer.frames();
      peer.socket.end();
      stream.end();
      await streamClosed(stream);
      world.note(text);
    }));

  it('reads messages one by one, text as strings, in object mode', () =>
    compare(async (world) => {
      const { peer, stream } = await openStream(world, { readableObjectMode: true });

      stream.on('data', (chunk) => world.note('data', typeof chunk, chunk));
      peer.socket.write(Buffer.concat([frame(1, 'text'), frame(2, 'bytes')]));
      peer.socket.write(close(1000));
      await peer.frames();
      peer.socket.end();
      stream.end();
      await streamClosed(stream);
    }));

  it('writes messages, also before the connection is open', () =>
    compare(async (world) => {
      const { websocket, peer } = await world.handshakeClient();
      const stream = recordStream(world, world.WebSocket.createWebSocketStream(websocket));

      world.record(websocket);
      stream.write('early', (error) => world.note('callback', error));
      stream.write(Buffer.from('bytes'));
      stream.end('last');
      stream.resume();
      world.note(await peer.frames());
      peer.socket.end(close(1000));
      await streamClosed(stream);
    }));

  it('hands the messages of its pipeline through', async () => {
    await perform(oxws, async (world) => {
      const { wss, url } = await world.serve();

      wss.on('connection', (websocket) => {
        const stream = oxws.createWebSocketStream(websocket);

        stream.on('error', () => {});
        stream.pipe(stream);
      });
      const stream = oxws.createWebSocketStream(world.connect(url));
      const data = Buffer.alloc(3_000_000, 'abcdefg');
      const received = [];
      let length = 0;

      stream.on('data', (chunk) => {
        received.push(chunk);
        length += chunk.length;
        if (length === data.length) stream.end();
      });
      for (let at = 0; at < data.length; at += 50_000) {
        if (!stream.write(data.subarray(at, at + 50_000))) await once(stream, 'drain');
      }
      await streamClosed(stream);
      assert.ok(Buffer.concat(received).equals(data));
    });
  });

  it('pauses the connection while nobody reads', () =>
    compare(async (world) => {
      const { websocket, peer, stream } = await openStream(world, { readableHighWaterMark: 10 });

      peer.socket.write(frame(2, 'x'.repeat(10)));
      await once(websocket, 'message');
      world.note(websocket.isPaused, stream.readableLength);
      peer.socket.write(frame(2, 'y'.repeat(5)));
      await sleep(20);
      world.note(websocket.isPaused, stream.readableLength);
      stream.read();
      await once(websocket, 'message');
      world.note(websocket.isPaused, stream.readableLength);
      stream.destroy();
      await streamClosed(stream);
    }));

  it('ends with the peer', () =>
    compare(async (world) => {
      const { peer, stream } = await openStream(world);

      stream.resume();
      peer.socket.write(close(1001));
      world.note(await peer.frames());
      peer.socket.end();
      await once(stream, 'end');
      world.note(stream.destroyed, stream.writableFinished);
      stream.end();
      await streamClosed(stream);
    }));

  it('fails with the WebSocket, whose close frame still gets out', () =>
    compare(async (world) => {
      const { peer, stream } = await openStream(world);

      peer.socket.write(frame(5, ''));
      world.note(await peer.frames());
      peer.socket.end();
      await streamClosed(stream);
    }));

  it('fails with the handshake', () =>
    compare(async (world) => {
      const { url } = await world.listen((peer) =>
        peer.socket.end('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')
      );
      const websocket = world.record(world.connect(url));
      const stream = recordStream(world, world.WebSocket.createWebSocketStream(websocket));

      stream.end('never');
      await streamClosed(stream);
    }));

  for (const reason of [undefined, new Error('mine')]) {
    it(`destroyed ${reason ? 'with an error ' : ''}cuts the connection off`, () =>
      compare(async (world) => {
        const { peer, stream } = await openStream(world);

        stream.destroy(reason);
        await streamClosed(stream);
        world.note(await peer.frames());
      }));
  }

  it('destroyed before the connection is open', () =>
    compare(async (world) => {
      const { url } = await world.listen(() => {});
      const websocket = world.record(world.connect(url));
      const stream = recordStream(world, world.WebSocket.createWebSocketStream(websocket));

      stream.destroy();
      await streamClosed(stream);
    }));

  it('destroyed after the connection is closed', () =>
    compare(async (world) => {
      const { websocket, stream } = await openStream(world);

      websocket.terminate();
      await closed(websocket);
      stream.destroy();
      await streamClosed(stream);
    }));

  it('written to after the connection is closed', () =>
    compare(async (world) => {
      const { websocket, stream } = await openStream(world);

      websocket.terminate();
      await closed(websocket);
      stream.write('late', (error) => world.note('callback', error));
      await streamClosed(stream);
    }));

  it('has methods that are called without it', () =>
    compare(async (world) => {
      const { websocket, stream } = await openStream(world);
      const { _read: read } = stream;

      websocket.pause();
      world.note(
        attempt(() => read()),
        websocket.isPaused
      );
      stream.destroy();
      await streamClosed(stream);
    }));

  it('is good for a pipeline', async () => {
    await perform(oxws, async (world) => {
      const { wss, url } = await world.serve();
      const upper = [];

      wss.on('connection', (websocket) => {
        const stream = oxws.createWebSocketStream(websocket, { encoding: 'utf8' });

        pipeline(
          stream,
          async function* (source) {
            for await (const chunk of source) yield chunk.toUpperCase();
          },
          stream
        ).catch(() => {});
      });
      const stream = oxws.createWebSocketStream(world.connect(url), { encoding: 'utf8' });

      stream.write('hello');
      upper.push((await once(stream, 'data'))[0]);
      stream.end();
      await streamClosed(stream);
      assert.deepStrictEqual(upper, ['HELLO']);
    });
  });
});

'use strict';

// What an open connection receives, compared with ws in both roles.

const { once } = require('node:events');
const { describe } = require('node:test');

const { closed, sleep } = require('../support/differential');
const { inBothRoles, incoming, incomingClose } = require('../support/roles');
const until = require('../support/until');

describe('receiving', () => {
  inBothRoles('text and binary messages', async ({ websocket, peer, note, role, world }) => {
    world.record(websocket);
    peer.socket.write(
      Buffer.concat([
        incoming(role, 1, 'text'),
        incoming(role, 1, ''),
        incoming(role, 2, 'bytes'),
        incoming(role, 1, 'fr', { fin: false }),
        incoming(role, 9, 'ping'),
        incoming(role, 0, 'ag'),
        incoming(role, 10, 'pong'),
        incomingClose(role, 4000, 'bye')
      ])
    );
    note(await peer.frames());
    peer.socket.end();
    await closed(websocket);
  });

  // A long message comes in chunks of what a socket reads at once.
  for (const maxBufferedChunks of [1, 2, 3, 4]) {
    for (const length of [40_000, 65_000, 100_000, 150_000, 1_000_000]) {
      const title = `${length} bytes in at most ${maxBufferedChunks} chunks`;
      inBothRoles(
        title,
        async ({ websocket, peer, role, world }) => {
          world.record(websocket);
          // Where it's written in one call, and not read meanwhile, chunks are full.
          websocket.pause();
          peer.socket.write(
            Buffer.concat([incoming(role, 2, Buffer.alloc(length)), incomingClose(role, 1000)])
          );
          await sleep(5);
          websocket.resume();
          await peer.frames();
          peer.socket.end();
          await closed(websocket);
        },
        { maxBufferedChunks }
      );
    }
  }

  inBothRoles(
    'pieces of a frame that come one by one, with few chunks',
    async ({ websocket, peer, role, world }) => {
      world.record(websocket);
      const bytes = incoming(role, 2, Buffer.alloc(1000));
      const { bytesRead } = websocket._socket;
      peer.socket.setNoDelay();
      for (let end = 300; websocket.readyState === 1; end += 300) {
        peer.socket.write(bytes.subarray(end - 300, end));
        await until(() => websocket._socket.bytesRead === bytesRead + end, 'the piece');
        await sleep(1);
      }
      await peer.frames();
      peer.socket.end();
      await closed(websocket);
    },
    { maxBufferedChunks: 2 }
  );

  for (const binaryType of ['nodebuffer', 'arraybuffer', 'fragments', 'blob']) {
    inBothRoles(`binary messages as ${binaryType}`, async (test) => {
      const { websocket, peer, note, role } = test;

      websocket.binaryType = binaryType;
      const messages = [];

      websocket.on('message', (data, isBinary) => {
        messages.push([data, isBinary]);
        // The change holds from the next message on.
        if (messages.length === 3) websocket.binaryType = 'nodebuffer';
      });
      websocket.on('ping', (data) => messages.push([data, 'ping']));
      peer.socket.end(
        Buffer.concat([
          incoming(role, 1, 'text'),
          incoming(role, 9, 'ping'),
          incoming(role, 2, 'ab', { fin: false }),
          incoming(role, 0, 'cd'),
          incoming(role, 2, 'last'),
          incomingClose(role, 1000)
        ])
      );
      await closed(websocket);
      for (const [data, isBinary] of messages) {
        note(data instanceof Blob ? `Blob ${await data.text()}` : data, isBinary);
      }
    });
  }

  inBothRoles(
    'in turns of their own with allowSynchronousEvents false',
    async ({ websocket, peer, note, role }) => {
      websocket.on('message', (data) => {
        note('message', data);
        queueMicrotask(() => note('microtask', data));
        process.nextTick(() => note('tick', data));
      });
      websocket.on('ping', () => note('ping'));
      peer.socket.write(
        Buffer.concat([
          incoming(role, 1, 'a'),
          incoming(role, 9, 'p'),
          incoming(role, 1, 'b'),
          incoming(role, 1, 'c'),
          incomingClose(role, 1000)
        ])
      );
      await peer.frames();
      peer.socket.end();
      await closed(websocket);
    },
    { allowSynchronousEvents: false }
  );

  inBothRoles('back to back by default', async ({ websocket, peer, note, role }) => {
    websocket.on('message', (data) => {
      note('message', data);
      queueMicrotask(() => note('microtask', data));
    });
    peer.socket.write(Buffer.concat([incoming(role, 1, 'a'), incoming(role, 1, 'b')]));
    await once(websocket, 'message');
    await sleep(10);
  });

  inBothRoles('text as strings by the attribute', async ({ websocket, peer, note, role }) => {
    websocket.onmessage = (event) => note(event.type, event.data, event.target === websocket);
    websocket.onclose = (event) => note(event.type, event.code, event.reason, event.wasClean);
    peer.socket.end(
      Buffer.concat([
        incoming(role, 1, 'h€llo'),
        incoming(role, 2, 'bytes'),
        incomingClose(role, 3000, 'r€ason')
      ])
    );
    await closed(websocket);
  });

  inBothRoles('nothing while paused, and all of it later', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket.on('message', (data) => note('message', data));
    websocket.pause();
    note(websocket.isPaused, websocket._socket.isPaused());
    peer.socket.write(incoming(role, 1, 'a'));
    await sleep(30);
    note('resume');
    websocket.resume();
    note(websocket.isPaused, websocket._socket.isPaused());
    await once(websocket, 'message');
  });

  inBothRoles('what is left when a paused connection is destroyed', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket.pause();
    websocket.on('message', (data) => note('message', data, websocket.readyState));
    websocket.on('close', (code) => note('close', code));
    peer.socket.write(Buffer.concat([incoming(role, 1, 'a'), incoming(role, 1, 'b')]));
    // Paused after the data came in, so that it lies in the socket's own memory.
    await sleep(30);
    websocket._socket.push(incoming(role, 1, 'c'));
    websocket.terminate();
    await closed(websocket);
  });
});

describe('pings of the peer', () => {
  inBothRoles('are answered with their payload', async ({ websocket, peer, note, role }) => {
    websocket.on('ping', (data) => note('ping', data, websocket._pendingAutoPongs));
    peer.socket.write(Buffer.concat([incoming(role, 9, 'a'), incoming(role, 9, '')]));
    note(await peer.frames(2));
    await sleep(10);
    note(websocket._pendingAutoPongs);
  });

  inBothRoles(
    'are not answered with autoPong off',
    async ({ websocket, peer, note, role }) => {
      websocket.on('ping', (data) => {
        note('ping', data);
        websocket.close(1000);
      });
      peer.socket.write(incoming(role, 9, 'a'));
      note(await peer.frames(), websocket._autoPong);
    },
    { autoPong: false }
  );

  inBothRoles('are not answered once autoPong is taken back', async (test) => {
    const { websocket, peer, note, role } = test;

    websocket._autoPong = false;
    websocket.on('ping', () => websocket.close(1000));
    peer.socket.write(incoming(role, 9, 'a'));
    note(await peer.frames());
  });

  inBothRoles('are not answered while closing', async ({ websocket, peer, note, role }) => {
    websocket.close(1000);
    websocket.on('ping', (data) => note('ping', data));
    peer.socket.write(Buffer.concat([incoming(role, 9, 'a'), incomingClose(role, 1000)]));
    await once(websocket, 'ping');
    note(await peer.frames());
  });

  inBothRoles(
    'end the connection when too many answers wait',
    async ({ websocket, peer, note, role, world }) => {
      world.record(websocket);
      websocket._socket.cork();
      peer.socket.write(
        Buffer.concat([1, 2, 3, 4].map((number) => incoming(role, 9, String(number))))
      );
      await closed(websocket);
      note(websocket._pendingAutoPongs);
    },
    { maxPendingAutoPongs: 2 }
  );

  inBothRoles(
    'are all answered without a limit',
    async ({ websocket, peer, note, role }) => {
      peer.socket.write(
        Buffer.concat(Array.from({ length: 100 }, (_, index) => incoming(role, 9, `${index}`)))
      );
      note((await peer.frames(100)).length, websocket.readyState);
    },
    { maxPendingAutoPongs: 0 }
  );
});

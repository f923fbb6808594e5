'use strict';

// What a connection sends: when the socket says that it is written, and what becomes of what isn't.

const { once } = require('node:events');
const { describe } = require('node:test');

const { closed, sleep } = require('../../support/differential');
const { inBothRoles, watch } = require('../../support/roles');

describe('The end of the sending side', () => {
  for (const how of ['end', 'destroySoon']) {
    inBothRoles(`is told while the peer says nothing: ${how}()`, async (test) => {
      const { note, socket } = test;
      await sleep(20);
      watch(test);
      socket[how]();
      await once(socket, 'finish');
      await sleep(5);
      note(socket.writableFinished, socket.destroyed);
    });
  }

  inBothRoles('is told after a closing handshake whose peer goes on', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    watch(test);
    peer.socket.write(incoming(8, Buffer.from([3, 232])));
    await once(socket, 'finish');
    note(websocket.readyState, socket.writableFinished);
  });

  inBothRoles('is told after a violation', async (test) => {
    const { incoming, note, peer, socket, websocket } = test;
    watch(test);
    peer.socket.write(incoming(3, ''));
    await once(socket, 'finish');
    note(websocket.readyState, socket.writableFinished);
  });

  inBothRoles(
    'comes before the end of a peer that ends along with its close frame',
    async (test) => {
      const { incoming, peer, websocket } = test;
      watch(test);
      peer.socket.end(incoming(8, Buffer.from([3, 232])));
      await closed(websocket);
    }
  );

  inBothRoles(
    'comes in a later turn than that in which it is asked for',
    async ({ note, socket }) => {
      socket.on('finish', () => note('finish'));
      socket.end();
      process.nextTick(() => note('tick'));
      await Promise.resolve();
      note('microtask');
      await once(socket, 'finish');
    }
  );
});

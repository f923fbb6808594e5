'use strict';

// What a connection sends: when the socket says that it is written, and what becomes of what isn't.

const { once } = require('node:events');
const { describe } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');

const { closed, sleep } = require('../../support/differential');
const { inBothRoles, watch } = require('../../support/roles');
const until = require('../../support/until');

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

describe('What the kernel refuses', () => {
  const CODES = ['ECONNRESET', 'EPIPE'];
  const isRefused = (error) => CODES.includes(error?.code) && error.syscall === 'write';

  inBothRoles('is reported to callbacks, whatever was sent how', async (test) => {
    const { note, peer, socket, websocket } = test;
    const called = [];
    const sent = (title) => (error) => called.push([title, isRefused(error)]);
    watch(test);
    peer.socket.resetAndDestroy();
    websocket.send('small', sent('small'));
    websocket.send('smaller', sent('smaller'));
    websocket.send(Buffer.alloc(100_000), sent('large'));
    websocket.ping('', undefined, sent('ping'));
    socket.write('raw', sent('raw'));
    await closed(websocket);
    note(called.sort());
  });

  inBothRoles('is a reset for the first write only', async (test) => {
    const { note, peer, role, websocket } = test;
    peer.socket.resetAndDestroy();
    for (const size of [20_000, 20_000, 1]) {
      // Header and payload are one write of a client, which waits for the failure of the first.
      const tell = (error) => note(role === 'server' ? error?.code : isRefused(error));
      websocket.send(Buffer.alloc(size), tell);
    }
    await closed(websocket);
  });

  inBothRoles('is found by the first write of what was corked', async (test) => {
    const { note, peer, socket, websocket } = test;
    socket.cork();
    for (let count = 0; count < 20; count++) {
      websocket.send(Buffer.alloc(8_000), (error) => note(error?.code));
    }
    // Nothing that it sent is unread: its end is no reset before something arrives.
    peer.socket.destroy();
    socket.uncork();
    await closed(websocket);
  });

  // Several times: which thread hears of the reset first is a matter of luck.
  for (let round = 1; round <= 8; round++) {
    inBothRoles(`is reported though a long message follows, ${round}`, async (test) => {
      const { note, peer, websocket } = test;
      peer.socket.resetAndDestroy();
      websocket.send('small', (error) => note(isRefused(error)));
      websocket.send(Buffer.alloc(64 * 1024));
      await closed(websocket);
    });
  }

  for (const [title, send] of Object.entries({
    'a small message': ({ websocket }, callback) => websocket.send('small', callback),
    'a large message': ({ websocket }, callback) => websocket.send(Buffer.alloc(70_000), callback),
    'a raw write': ({ socket }, callback) => socket.write('raw', callback),
    'a corked write': ({ socket }, callback) => {
      socket.cork();
      socket.write('one');
      socket.write('two', callback);
      socket.uncork();
    }
  })) {
    inBothRoles(`ends the connection: ${title}`, async (test) => {
      const { note, peer, socket, websocket } = test;
      for (const event of ['error', 'close', 'end', 'finish']) {
        socket.on(event, (value) => note(`socket ${event}`, value));
      }
      websocket.on('close', (code) => note('close', code));
      peer.socket.resetAndDestroy();
      send(test, (error) => note('called', error));
      note(websocket.bufferedAmount, websocket.readyState);
      await closed(websocket);
      note(socket.destroyed, socket.errored?.code);
    });
  }

  inBothRoles(
    'is reported where the peer has gone while something was on its way',
    async (test) => {
      const { incoming, note, peer, socket, websocket } = test;
      socket.on('error', ({ code }) => note('socket error', CODES.includes(code)));
      websocket.on('error', ({ code }) => note('error', code));
      websocket.on('close', (code) => note('close', code));
      peer.socket.write(incoming(3, ''));
      websocket.send('on its way');
      note(websocket.bufferedAmount); // sends it now
      peer.socket.destroy();
      const start = performance.now();
      await closed(websocket);
      note(performance.now() - start < 5000);
    }
  );

  inBothRoles('is no clean close', async ({ incoming, note, peer, websocket }) => {
    websocket.onclose = ({ code, wasClean }) => note(code, wasClean);
    peer.socket.write(incoming(8, Buffer.from([3, 232])));
    peer.socket.resetAndDestroy();
    await closed(websocket);
  });

  inBothRoles('loses what the peer had sent and nobody has read', async (test) => {
    const { incoming, note, peer, websocket } = test;
    websocket.on('message', (data) => note('message', data));
    websocket.on('close', (code) => note('close', code));
    peer.socket.write(incoming(1, 'unread'));
    peer.socket.resetAndDestroy();
    websocket.send('to nobody', (error) => note(isRefused(error)));
    await closed(websocket);
  });

  inBothRoles('is reported of a socket that its peer resets while bytes wait', async (test) => {
    const { note, peer, websocket } = test;
    peer.socket.pause();
    const results = [];
    let sent = 0;
    while (websocket.bufferedAmount === 0) {
      sent++;
      websocket.send(Buffer.alloc(100_000), (error) => results.push(error));
    }
    websocket.send('behind', (error) => results.push(error));
    peer.socket.resetAndDestroy();
    await closed(websocket);
    await sleep(5);
    note(results.length === sent + 1, results.at(-1)?.code);
  });
});

describe('What waits', () => {
  const raw = Buffer.from([0x82, 3, 1, 2, 3]);
  const ways = {
    'raw writes': ({ socket }, callback) => {
      socket.write(raw, callback);
      return raw.length;
    },
    'long raw writes': ({ socket }, callback) => {
      socket.write(Buffer.alloc(10_000), callback);
      return 10_000;
    },
    'messages that are corked': ({ socket, websocket }, callback) => {
      socket.cork();
      websocket.send(Buffer.alloc(16_000), { mask: false }, callback);
      socket.uncork();
      return 16_004;
    },
    'a cork between them': ({ socket, websocket }, callback) => {
      socket.cork();
      socket.write(raw);
      websocket.send('text', { mask: false }, callback);
      socket.uncork();
      return raw.length + 6;
    },
    'large messages': ({ websocket }, callback) => {
      websocket.send(Buffer.alloc(60_000), { mask: false }, callback);
      return 60_004;
    }
  };
  for (const [title, send] of Object.entries(ways)) {
    inBothRoles(`leaves in the end: messages and ${title}`, async (test) => {
      const { note, peer, socket, websocket } = test;
      peer.socket.pause();
      let [sent, calls, called] = [0, 0, 0];
      const onCalled = () => called++;
      while (socket.writableLength === 0) {
        websocket.send(Buffer.alloc(16_000), { mask: false });
        sent += 16_004 + send(test, onCalled);
        calls++;
        await turn();
      }
      note(called < calls, websocket.bufferedAmount > 0);
      websocket.send('last', { mask: false }, () => note('called', called === calls));
      sent += 6;
      peer.socket.resume();
      await peer.until(({ bytes }) => bytes.length >= sent);
      await until(() => websocket.bufferedAmount === 0, 'an empty queue');
      note(peer.bytes.length === sent, websocket.bufferedAmount, socket.writableLength);
      websocket.send('more', { mask: false });
      await peer.until(({ bytes }) => bytes.length >= sent + 6);
    });
  }

  inBothRoles('is counted', async ({ note, peer, websocket }) => {
    peer.socket.pause();
    let sent = 0;
    while (websocket.bufferedAmount === 0) {
      websocket.send(Buffer.alloc(16_000), { mask: false });
      websocket.send(Buffer.alloc(60_000), { mask: false });
      sent += 76_008;
      await turn();
    }
    const waiting = websocket.bufferedAmount;
    websocket.terminate();
    peer.socket.resume();
    await peer.until(({ isClosed, isEnded }) => isClosed || isEnded);
    // What ws counts is up to a frame more than what waits.
    const rest = sent - peer.bytes.length;
    note(waiting >= rest, waiting <= rest + 76_008);
  });

  inBothRoles('is not called back', async ({ note, peer, socket, websocket }) => {
    peer.socket.pause();
    let isCalled = false;
    websocket.send('small');
    socket.write(Buffer.alloc(50_000_000), () => {
      isCalled = true;
    });
    await sleep(50);
    note(isCalled, websocket.bufferedAmount > 0, socket.writableNeedDrain);
  });
});

describe('A large message', () => {
  inBothRoles('makes the socket tell of a drain, though nothing waits', async (test) => {
    const { note, socket, websocket } = test;
    socket.on('drain', () => note('drain', websocket.bufferedAmount, socket.writableNeedDrain));
    for (const length of [100, 70_000, 80_000]) {
      websocket.send(Buffer.alloc(length), () => note('sent', length));
      note(websocket.bufferedAmount, socket.writableNeedDrain);
      await sleep(20);
    }
  });

  inBothRoles('counts for that as many characters as ws writes', async (test) => {
    const { note, socket, websocket } = test;
    const mark = socket.writableHighWaterMark;
    socket.on('drain', () => note('drain'));
    const lengths = [mark / 2, mark - 14, mark - 9, mark - 8, mark - 4, mark - 2, mark, 2 * mark];
    const makers = [(length) => 'x'.repeat(length), (length) => 'ß'.repeat(length), Buffer.alloc];
    for (const make of makers) {
      for (const length of lengths) {
        websocket.send(make(length));
        note(length, socket.writableNeedDrain);
        await sleep(5);
      }
    }
  });
});

describe('The timeout of a socket', () => {
  const LIMIT = 400;
  /** Does something again and again for longer than the timeout. */
  const keep = async (action) => {
    for (let i = 0; i < 20; i++) {
      action(i);
      await sleep(50);
    }
  };

  for (const [title, act] of Object.entries({
    'long messages': ({ websocket }) => websocket.send(Buffer.alloc(20_000)),
    'raw writes': ({ socket }) => socket.write('raw'),
    'parts of a message that arrives': ({ incoming, peer }, i) => {
      const message = incoming(1, 'slow'.repeat(5));
      peer.socket.write(message.subarray(i, i + 1));
    },
    'fragments of a message that arrives': ({ incoming, peer }, i) => {
      const bytes = incoming(i === 0 ? 1 : 0, 'x');
      bytes[0] &= 0x7f; // without FIN
      peer.socket.write(bytes);
    }
  })) {
    inBothRoles(`is put off by ${title}`, async (test) => {
      const { note, socket } = test;
      let isIdle = false;
      socket.setTimeout(LIMIT, () => {
        isIdle = true;
      });
      await keep((i) => act(test, i));
      note(isIdle);
    });
  }

  inBothRoles('comes where the peer takes nothing', async ({ note, peer, socket, websocket }) => {
    peer.socket.pause();
    while (websocket.bufferedAmount === 0) websocket.send(Buffer.alloc(100_000));
    socket.setTimeout(100);
    await once(socket, 'timeout');
    note(websocket.bufferedAmount > 0);
  });
});

import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { io as connect } from 'socket.io-client';
import { WebSocketServer } from 'ws';
import { listen, noise, track, until } from '../kit.mjs';

/**
 * A server whose connections echo, join rooms and leave notes, each on a track of its own.
 *
 * @param {string} name What the tracks are named after
 * @param {object} options Options of socket.io
 */
async function serve(name, options) {
  const httpServer = createServer();
  const io = new Server(httpServer, options);

  io.use((socket, next) => {
    next(socket.handshake.auth.secret === 'wrong' ? new Error('not you') : undefined);
  });
  io.on('connection', (socket) => {
    const { name: who } = socket.handshake.auth;
    const log = who ? track(`${name}, ${who}`) : () => {};
    log('connected by', socket.conn.transport.name);
    socket.conn.on('upgrade', (transport) => log('upgraded to', transport.name));
    socket.on('echo', (...args) => {
      const answer = args.pop();
      log('echo', ...args);
      answer(...args);
    });
    socket.on('join', (room, done) => {
      socket.join(room);
      done([...socket.rooms].filter((other) => other !== socket.id));
    });
    socket.on('say', (room, ...words) => socket.to(room).emit('said', ...words));
    socket.on('kick', () => socket.disconnect(true));
    socket.on('disconnect', (reason) => log('disconnected:', reason));
  });
  io.of('/other').on('connection', (socket) => socket.emit('welcome', 'other', noise(40)));
  const port = await listen(httpServer);
  return { io, url: `http://127.0.0.1:${port}` };
}

/**
 * Connects and notes what comes.
 *
 * @param {string} url Where to
 * @param {string} name The track
 * @param {object} options Options of the client
 */
async function join(url, name, options = {}) {
  const log = track(name);
  const socket = connect(url, {
    auth: { name },
    forceNew: true,
    reconnection: false,
    transports: ['websocket'],
    ...options
  });
  socket.on('connect_error', (error) => log('connect_error', error.message));
  socket.on('disconnect', (reason) => log('disconnect', reason));
  socket.on('said', (...words) => log('said', ...words));
  await new Promise((resolve) => socket.once('connect', resolve).once('connect_error', resolve));
  if (socket.connected) {
    await until(() => socket.io.engine.transport.name === 'websocket');
    log('connected');
  }
  return { log, socket };
}

/** Text, binary, nested binary, acknowledgements, rooms, a namespace, refusal, both ends. */
async function talk(kind, serverOptions, clientOptions) {
  const { io, url } = await serve(`${kind} server`, serverOptions);
  const one = await join(url, `${kind} one`, clientOptions);
  const two = await join(url, `${kind} two`, clientOptions);
  const three = await join(url, `${kind} three`, clientOptions);

  const ask = async ({ log, socket }, ...args) =>
    log('answer', ...(await new Promise((done) => socket.emit(...args, (...all) => done(all)))));
  await ask(one, 'echo', 'text', 'ünïcödé \u{1f600}', 42, null, { list: [1, [2]], yes: true });
  await ask(one, 'echo', Buffer.from([0, 1, 2, 255]));
  await ask(one, 'echo', { deep: { er: [noise(70_000), 'and text'] } }, new Uint8Array(3).buffer);
  await ask(two, 'echo', 'compressible '.repeat(2000));
  await ask(two, 'echo', noise(200_000));
  await ask(one, 'join', 'room');
  await ask(two, 'join', 'room');
  one.socket.emit('say', 'room', 'to the room', noise(20));
  for (let i = 0; i < 50; i++) one.socket.emit('say', 'room', i);
  await new Promise((done) => {
    two.socket.on('said', (word) => word === 49 && done());
  });
  io.to('room').except(two.socket.id).emit('said', 'not to two');
  io.emit('said', 'to all');
  io.local.compress(false).emit('said', 'uncompressed to all');
  await Promise.all(
    [one, two, three]
      .map(({ log, socket }) =>
        io
          .to(socket.id)
          .timeout(20_000)
          .emitWithAck('question')
          .then((answers) => log(answers))
          .catch((error) => log(error))
      )
      .concat(
        [one, two, three].map(
          ({ socket }) =>
            new Promise((done) => {
              socket.on('question', (answer) => {
                answer('yes');
                done();
              });
            })
        )
      )
  );

  const other = connect(`${url}/other`, { ...clientOptions, transports: ['websocket'] });
  const otherLog = track(`${kind} namespace`);
  await new Promise((done) => {
    other.on('welcome', (...args) => done(otherLog('welcome', ...args)));
  });
  other.close();
  await join(url, `${kind} refused`, { ...clientOptions, auth: { secret: 'wrong' } }).then(
    ({ socket }) => socket.close()
  );

  one.socket.emit('kick');
  await until(() => one.socket.disconnected);
  two.socket.disconnect();
  await until(() => io.engine.clientsCount === 1);
  await io.close();
  await until(() => three.socket.disconnected);
}

/** One broadcast to many: encoded once, written by `sendFrame`. */
async function broadcast(kind, options) {
  const { io, url } = await serve(`${kind} server`, options);
  const log = track(`${kind} clients`);
  const received = Array.from({ length: 150 }, () => []);
  const clients = received.map((list) =>
    connect(url, { forceNew: true, reconnection: false, transports: ['websocket'] }).on(
      'news',
      (...news) => list.push(news)
    )
  );
  await until(() => clients.every(({ connected }) => connected));
  // Without compression the adapter encodes a broadcast once and gives the frame to every sender.
  const { _sender: sender } = [...io.sockets.sockets.values()][0].conn.transport.socket;
  const { sendFrame } = sender;
  let prepared = 0;
  sender.sendFrame = function (...args) {
    prepared++;
    return sendFrame.apply(this, args);
  };
  for (let i = 0; i < 30; i++) io.emit('news', i, 'to everybody', 'x'.repeat(i * 40));
  io.emit('news', noise(1000), { also: noise(5) });
  io.emit('news', 'end');
  await until(() => received.every((list) => list.length === 32));
  if (!options.perMessageDeflate) log('frames given to sendFrame', prepared >= 30);
  log('all the same', new Set(received.map((list) => JSON.stringify(list))).size);
  for (const news of received[0]) log('news', ...news);
  for (const client of clients) client.close();
  await until(() => io.engine.clientsCount === 0);
  await io.close();
}

await talk('websocket', {});
await talk('upgrade', {}, { transports: ['polling', 'websocket'] });
await talk('deflate', { perMessageDeflate: { threshold: 512 } }, { perMessageDeflate: true });
await broadcast('broadcast', {});
await broadcast('compressed broadcast', { perMessageDeflate: true });

// The class as an option, which is how a server takes oxws without an override.
const made = [];
class Engine extends WebSocketServer {
  handleUpgrade(...args) {
    made.push('upgrade');
    return super.handleUpgrade(...args);
  }
}
await talk('wsEngine', { wsEngine: Engine });
track('wsEngine')(made.join(' '));

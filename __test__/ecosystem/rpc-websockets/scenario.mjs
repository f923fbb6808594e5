import { once } from 'node:events';
import { Client, Server } from 'rpc-websockets';
import { track, until } from '../kit.mjs';

const log = track('server');
const server = new Server({ host: '127.0.0.1', port: 0 });
await once(server, 'listening');
const { port } = server.wss.address();
server.register('sum', ([a, b]) => a + b);
server.register('echo', (params) => params);
server.register('fails', () => {
  throw new Error('it failed');
});
server.register('secret', () => 'for you only').protected();
server.setAuth(({ password }) => password === 'right');
server.event('news');
server.on('connection', (_socket, { url }) =>
  log('connection', url.replace(/socket_id=.*/, 'socket_id'))
);
server.on('disconnection', () => log('disconnection'));

const tell = track('client');
const client = new Client(`ws://127.0.0.1:${port}`, { max_reconnects: 3, reconnect_interval: 20 });
let opened = 0;
client.on('open', () => {
  tell('open');
  opened++;
});
client.on('close', (code, reason) => tell('close', code, reason));
client.on('error', (error) => tell('error', error));
await until(() => opened === 1);
const call = async (...args) => {
  try {
    tell(args[0], await client.call(...args));
  } catch (error) {
    tell(args[0], 'error', error.code, error.message, error.data);
  }
};

await call('sum', [5, 3]);
await call('echo', { text: 'ünïcödé \u{1f600}', big: 'x'.repeat(200_000) });
await call('fails');
await call('nothing');
await call('secret');
await client.login({ password: 'wrong' }).catch((error) => tell('login', error.message));
tell('login', await client.login({ password: 'right' }));
await call('secret');
await Promise.all(Array.from({ length: 100 }, (_, i) => call('sum', [i, 1])));
tell('batch ignored', await client.notify('echo', [1]));

let news = 0;
client.on('news', (...args) => {
  tell('news', ...args);
  news++;
});
tell('subscribe', await client.subscribe('news'));
for (let i = 0; i < 20; i++) server.emit('news', i, 'today');
await until(() => news === 20);
tell('unsubscribe', await client.unsubscribe('news'));

// Broken from the other end: connects again.
for (const socket of server.wss.clients) socket.terminate();
await until(() => opened === 2);
await call('sum', [1, 1]);
client.close();
await until(() => server.wss.clients.size === 0);
await server.close();

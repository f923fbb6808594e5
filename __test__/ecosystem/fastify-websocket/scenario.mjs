import websocket from '@fastify/websocket';
import fastify from 'fastify';
import WebSocket from 'ws';
import { converse, echo, track, until } from '../kit.mjs';

const log = track('server');
const answer = echo('server');
const app = fastify();
await app.register(websocket, {
  errorHandler: (error, socket) => {
    log('errorHandler', error);
    socket.close(1011, error.message);
  },
  options: {
    maxPayload: 1_000_000,
    perMessageDeflate: true,
    verifyClient: ({ req }, done) => done(req.headers['x-wrong'] === undefined, 403, 'not you')
  }
});
app.addHook('preValidation', async (request, reply) => {
  log('hook', request.ws, request.url);
  if (request.url === '/refused') await reply.code(401).send('refused');
});
await app.register(async (scope) => {
  scope.get('/echo', { websocket: true }, (socket, request) => answer(socket, request.raw));
  scope.get('/refused', { websocket: true }, () => log('never'));
  scope.get('/fails', { websocket: true }, () => {
    throw new Error('it failed');
  });
  scope.route({
    method: 'GET',
    url: '/both',
    handler: async () => 'plain',
    wsHandler: (socket) => {
      socket.on('message', () => {
        for (const client of app.websocketServer.clients) client.send('to all');
      });
    }
  });
});
await app.listen({ host: '127.0.0.1', port: 0 });
const url = `ws://127.0.0.1:${app.server.address().port}`;

await converse('client', new WebSocket(`${url}/echo?a=1`));
await converse('wrong client', new WebSocket(`${url}/echo`, { headers: { 'x-wrong': '1' } }));
await converse('refused', new WebSocket(`${url}/refused`));
await converse('fails', new WebSocket(`${url}/fails`));
await converse('no route', new WebSocket(`${url}/nowhere`));
track('plain')(await (await fetch(`${url.replace('ws', 'http')}/both`)).text());

// Closed by the server while connections are open: they are closed, too.
const two = [track('one of two'), track('other of two')].map((tell) => {
  const socket = new WebSocket(`${url}/both`);
  socket.on('message', (data) => tell('message', data));
  socket.on('close', (code, reason) => tell('close', code, reason));
  return socket;
});
await until(() => two.every(({ readyState }) => readyState === WebSocket.OPEN));
two[0].send('hello');
let told = 0;
for (const socket of two) socket.on('message', () => told++);
await until(() => told === 2);
await app.close();
await until(() => two.every(({ readyState }) => readyState === WebSocket.CLOSED));

// `injectWS` connects to a route without a server.
const inside = fastify();
await inside.register(websocket);
inside.get('/', { websocket: true }, (socket) => {
  socket.on('message', (data) => socket.send(`you said ${data}`));
});
await inside.ready();
const injected = await inside.injectWS('/');
const tell = track('injectWS');
const answered = new Promise((resolve) => injected.once('message', resolve));
injected.send('hello');
tell(await answered);
injected.terminate();
await inside.close();

import express from 'express';
import expressWs from 'express-ws';
import WebSocket from 'ws';
import { close, converse, echo, track, until } from '../kit.mjs';

const log = track('server');
const answer = echo('server');
const { app, getWss } = expressWs(express(), undefined, {
  wsOptions: { maxPayload: 1_000_000, perMessageDeflate: true }
});
app.use((request, _response, next) => {
  log('middleware', request.url, request.ws !== undefined);
  request.who = request.headers.cookie;
  next();
});
app.ws('/echo/:name', (ws, request) => {
  log(request.who, request.params, request.query);
  if (request.params.name === 'nobody') ws.close(4404, 'nobody');
  else answer(ws, request);
});
const router = express.Router();
router.ws('/all', (ws) => {
  ws.on('message', (data) => {
    for (const client of getWss('/chat/all').clients) client.send(`all: ${data}`);
  });
});
app.use('/chat', router);
app.get('/plain', (_request, response) => response.send('not a WebSocket'));

const server = app.listen(0, '127.0.0.1');
await until(() => server.listening);
const url = `ws://127.0.0.1:${server.address().port}`;

await converse('client', new WebSocket(`${url}/echo/me?a=1`, { headers: { cookie: 'me' } }));
await converse('nobody', new WebSocket(`${url}/echo/nobody`));
await converse('no route', new WebSocket(`${url}/nowhere`));
track('plain')(await (await fetch(`${url.replace('ws', 'http')}/plain`)).text());

const two = [track('one of two'), track('other of two')].map((tell) => {
  const socket = new WebSocket(`${url}/chat/all`);
  socket.on('message', (data) => {
    tell('message', data);
    socket.close();
  });
  return socket;
});
await until(() => two.every(({ readyState }) => readyState === WebSocket.OPEN));
two[0].send('hello');
await until(() => getWss().clients.size === 0);
await close(server);

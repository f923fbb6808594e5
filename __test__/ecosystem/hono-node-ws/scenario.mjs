import { serve } from '@hono/node-server';
import { createNodeWebSocket } from '@hono/node-ws';
import { Hono } from 'hono';
import WebSocket from 'ws';
import { close, converse, track, until } from '../kit.mjs';

const log = track('server');
const app = new Hono();
const { injectWebSocket, upgradeWebSocket, wss } = createNodeWebSocket({ app });
app.get(
  '/echo',
  upgradeWebSocket((context) => ({
    onOpen: (_event, ws) => log('open', context.req.query('a'), ws.readyState, ws.protocol),
    onMessage: ({ data }, ws) => {
      log('message', data);
      ws.send(data);
    },
    onClose: ({ code, reason, wasClean }) => log('close', code, reason, wasClean),
    onError: ({ type }) => log(type)
  }))
);
app.get(
  '/raw',
  upgradeWebSocket(() => ({
    onOpen: (_event, ws) => {
      ws.raw.ping('from below');
      ws.close(4002, 'open and shut');
    }
  }))
);
app.get('/refused', (context) => context.text('refused', 401));

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
injectWebSocket(server);
await until(() => server.listening);
const url = `ws://127.0.0.1:${server.address().port}`;
await converse('client', new WebSocket(`${url}/echo?a=1`));
await converse('raw', new WebSocket(`${url}/raw`));
await converse('refused', new WebSocket(`${url}/refused`));
await converse('no route', new WebSocket(`${url}/nowhere`));
log('clients', wss.clients.size);
await close(server);

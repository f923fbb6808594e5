import Koa from 'koa';
import koaWebSocket from 'koa-websocket';
import WebSocket from 'ws';
import { certificate, close, converse, echo, track, until } from '../kit.mjs';

const log = track('server');
const answer = echo('server');

async function scenario(kind, scheme, tls) {
  const app = koaWebSocket(new Koa(), { perMessageDeflate: true }, tls);
  app.use((context) => {
    context.body = 'plain';
  });
  app.ws.use((context, next) => {
    log('middleware', context.path, context.query, context.get('x-one'));
    return context.path === '/closed' ? context.websocket.close(4403, 'not you') : next();
  });
  app.ws.use((context) => answer(context.websocket, context.req));
  const server = app.listen(0, '127.0.0.1');
  await until(() => server.listening);
  const url = `${scheme}://127.0.0.1:${server.address().port}`;
  const options = { headers: { 'X-One': '1' }, rejectUnauthorized: false };
  await converse(`${kind} client`, new WebSocket(`${url}/echo?a=1`, options));
  await converse(`${kind} closed`, new WebSocket(`${url}/closed`, options));
  await close(server);
}

await scenario('plain', 'ws');
await scenario('TLS', 'wss', certificate());

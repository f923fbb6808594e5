import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import httpProxy from 'http-proxy';
import WebSocket, { WebSocketServer } from 'ws';
import { certificate, close, converse, echo, listen, track } from '../kit.mjs';

const log = track('server');
const answer = echo('server');
const target = createServer();
const wss = new WebSocketServer({ perMessageDeflate: true, server: target });
wss.on('connection', (ws, request) => {
  const {
    'x-forwarded-for': address,
    'x-forwarded-proto': protocol,
    'x-special': special
  } = request.headers;
  log({ address, protocol, special });
  answer(ws, request);
});
const targetPort = await listen(target);

const proxyLog = track('proxy');
const proxy = httpProxy.createProxyServer({ target: `ws://127.0.0.1:${targetPort}`, xfwd: true });
proxy.on('proxyReqWs', (request) => request.setHeader('X-Special', 'from the proxy'));
proxy.on('error', (error, _request, socket) => {
  proxyLog('error', error);
  socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
});

for (const [name, front, scheme] of [
  ['plain', createServer(), 'ws'],
  ['TLS', createSecureServer(certificate()), 'wss']
]) {
  front.on('upgrade', (request, socket, head) => {
    const away = request.url === '/away';
    proxy.ws(request, socket, head, away ? { target: 'ws://127.0.0.1:1' } : {});
  });
  const url = `${scheme}://127.0.0.1:${await listen(front)}`;
  const options = { rejectUnauthorized: false };
  await converse(`${name} client`, new WebSocket(`${url}/a?b=c`, options));
  await converse(
    `${name} uncompressed`,
    new WebSocket(`${url}/`, { ...options, perMessageDeflate: false })
  );
  await converse(`${name} nobody there`, new WebSocket(`${url}/away`, options));
  await close(front);
}
proxy.close();
await close(target);

import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { createProxy } from 'proxy';
import WebSocket, { WebSocketServer } from 'ws';
import { certificate, close, converse, echo, listen, track } from '../kit.mjs';

const answer = echo('server');
const proxyLog = track('proxy');

/** A proxy that asks for a password. */
async function startProxy(server) {
  const proxy = createProxy(server);
  proxy.authenticate = ({ headers }) => headers['proxy-authorization'] === 'Basic bWU6c2VjcmV0';
  proxy.on('connect', ({ method, url }) => proxyLog(method, url));
  return { port: await listen(proxy), proxy };
}

const targets = [];
for (const [scheme, server] of [
  ['ws', createServer()],
  ['wss', createSecureServer(certificate())]
]) {
  const wss = new WebSocketServer({ perMessageDeflate: true, server });
  wss.on('connection', answer);
  targets.push({ scheme, server, url: `${scheme}://127.0.0.1:${await listen(server)}` });
}

for (const [kind, server] of [
  ['http', createServer()],
  ['https', createSecureServer(certificate())]
]) {
  const { port, proxy } = await startProxy(server);
  const agentTo = (user) =>
    new HttpsProxyAgent(`${kind}://${user}@127.0.0.1:${port}`, { rejectUnauthorized: false });
  for (const { scheme, url } of targets) {
    const options = { agent: agentTo('me:secret'), rejectUnauthorized: false };
    await converse(`${scheme} by ${kind}`, new WebSocket(`${url}/${kind}`, options));
    await converse(
      `${scheme} by ${kind}, uncompressed`,
      new WebSocket(`${url}/${kind}`, { ...options, perMessageDeflate: false })
    );
  }
  await converse(
    `${kind}, wrong password`,
    new WebSocket(targets[0].url, { agent: agentTo('a:b') })
  );
  const nobody = { agent: agentTo('me:secret') };
  await converse(`${kind}, nobody there`, new WebSocket('ws://127.0.0.1:1/', nobody));
  await close(proxy);
}
for (const { server } of targets) await close(server);

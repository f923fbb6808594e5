import { createServer } from 'node:http';
import crossws from 'crossws/adapters/node';
import WebSocket, { WebSocketServer } from 'ws';
import { close, converse, listen, track, until } from '../kit.mjs';

async function scenario(kind, options) {
  const log = track(`${kind} server`);
  const adapter = crossws({
    ...options,
    hooks: {
      upgrade(request) {
        const { pathname } = new URL(request.url);
        log('upgrade', pathname);
        if (pathname === '/refused') return new Response('refused', { status: 401 });
        return { headers: { 'x-upgraded': 'yes' } };
      },
      open(peer) {
        log('open');
        peer.subscribe('all');
      },
      message(peer, message) {
        const data = message.rawData;
        log('message', typeof data === 'string' ? data : message.uint8Array());
        if (message.text() === 'publish') peer.publish('all', 'to the others');
        else peer.send(data);
      },
      close: (_peer, { code, reason }) => log('close', code, reason),
      error: (_peer, error) => log('error', error)
    }
  });
  const server = createServer();
  server.on('upgrade', adapter.handleUpgrade);
  const url = `ws://127.0.0.1:${await listen(server)}`;

  const upgraded = track(`${kind} headers`);
  const client = new WebSocket(`${url}/`);
  client.on('upgrade', ({ headers }) => upgraded(headers['x-upgraded']));
  await converse(`${kind} client`, client);
  await converse(`${kind} refused`, new WebSocket(`${url}/refused`));

  const one = new WebSocket(`${url}/room`);
  await until(() => one.readyState === WebSocket.OPEN);
  const two = new WebSocket(`${url}/room`);
  await until(() => two.readyState === WebSocket.OPEN);
  const heard = new Promise((resolve) => two.once('message', resolve));
  one.send('publish');
  track(`${kind} other`)(await heard);
  const tell = track(`${kind} end`);
  const end = new Promise((resolve) => one.once('close', (...args) => resolve(tell(...args))));
  two.close();
  const peers = () => [...adapter.peers.values()].reduce((sum, { size }) => sum + size, 0);
  await until(() => peers() === 1);
  adapter.closeAll(4005, 'closed by the server');
  await end;
  await close(server);
}

await scenario('own', {});
await scenario('given', { wss: new WebSocketServer({ noServer: true, perMessageDeflate: true }) });

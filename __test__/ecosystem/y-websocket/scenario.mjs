import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import WebSocket, { WebSocketServer } from 'ws';
import { close, listen, track, until } from '../kit.mjs';

// One instance of yjs: that of the server, which is CommonJS.
const require = createRequire(import.meta.url);
const Y = require('yjs');
const { WebsocketProvider } = require('y-websocket');
const { docs, setupWSConnection } = require('y-websocket/bin/utils');

const server = track('server');
const wss = new WebSocketServer({ noServer: true });
const http = createServer();
http.on('upgrade', (request, socket, head) => {
  wss.handleUpgrade(request, socket, head, (ws) => {
    server('connection', request.url);
    ws.on('close', (code, reason) => server('close', code, reason));
    setupWSConnection(ws, request);
  });
});
const port = await listen(http);

function join(name, room) {
  const doc = new Y.Doc();
  doc.clientID = name.length; // what is written doesn't depend on chance
  const provider = new WebsocketProvider(`ws://127.0.0.1:${port}`, room, doc, {
    WebSocketPolyfill: WebSocket,
    disableBc: true,
    maxBackoffTime: 50,
    params: { as: name }
  });
  const log = track(name);
  provider.on('status', ({ status }) => log(status));
  provider.on('sync', (synced) => log('synced', synced));
  return { doc, log, provider, text: doc.getText('text') };
}
const synced = ({ provider }) => until(() => provider.synced);
const knows = ({ doc }) =>
  JSON.stringify([...Y.decodeStateVector(Y.encodeStateVector(doc))].sort());
const same = (one, other) => until(() => knows(one) === knows(other));

const a = join('a', 'room');
await synced(a);
a.text.insert(0, 'ünïcödé \u{1f600} ');
const bb = join('bb', 'room');
await synced(bb);
await same(a, bb);
bb.log('text', bb.text.toString());

for (let i = 0; i < 100; i++) {
  a.text.insert(a.text.length, `${i},`);
  bb.text.insert(0, `${i};`);
  bb.doc.getMap('map').set(`k${i}`, { i });
}
a.doc.getArray('array').insert(0, ['x'.repeat(300_000), new Uint8Array(100_000).fill(7)]);
await until(() => bb.doc.getArray('array').length === 2 && a.doc.getMap('map').size === 100);
await same(a, bb);
a.log('doc', a.doc.getText('text').length, a.doc.getMap('map').toJSON());
bb.log('array', ...bb.doc.getArray('array').toArray());

a.provider.awareness.setLocalState({ name: 'a', cursor: 3 });
bb.provider.awareness.setLocalState({ name: 'bb', cursor: 5 });
await until(() => [...a.provider.awareness.getStates().values()].some(({ name }) => name === 'bb'));
await until(() => [...bb.provider.awareness.getStates().values()].some(({ name }) => name === 'a'));
a.log('others', a.provider.awareness.getStates().get(2));

// A broken connection: what was written meanwhile arrives afterwards.
bb.provider.ws._socket?.destroy();
await until(() => !bb.provider.wsconnected);
bb.text.insert(0, 'written while away ');
a.text.insert(0, 'written meanwhile ');
await until(() => bb.provider.synced);
await same(a, bb);
bb.log('length', bb.text.length);

bb.provider.disconnect();
await until(() => a.provider.awareness.getStates().get(2) === undefined);
a.log('the other is gone');
a.provider.destroy();
bb.provider.destroy();
await until(() => wss.clients.size === 0 && docs.get('room')?.conns.size === 0);
for (const doc of [a.doc, bb.doc, ...docs.values()]) doc.destroy();
await close(http);

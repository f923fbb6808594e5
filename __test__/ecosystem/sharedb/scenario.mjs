import { once } from 'node:events';
import { createRequire } from 'node:module';
import WebSocketJSONStream from '@teamwork/websocket-json-stream';
import ShareDB from 'sharedb';
import WebSocket, { WebSocketServer } from 'ws';
import { close, track, until } from '../kit.mjs';

const { Connection } = createRequire(import.meta.url)('sharedb/lib/client');

let connections = 0;
const backend = new ShareDB({ doNotForwardSendPresenceErrorsToClient: true, presence: true });
backend.use('submit', ({ op }, next) => {
  next(op.op?.some(({ p }) => p[0] === 'forbidden') ? new Error('not you') : undefined);
});
const wss = new WebSocketServer({ host: '127.0.0.1', perMessageDeflate: true, port: 0 });
await once(wss, 'listening');
wss.on('connection', (ws) => {
  const log = track(`server, connection ${++connections}`);
  ws.on('close', (code, reason) => log('close', code, reason));
  backend.listen(new WebSocketJSONStream(ws));
});

/** Calls a function with a callback, as a promise. */
const wait = (object, method, ...args) =>
  new Promise((resolve, reject) => {
    object[method](...args, (error, value) => (error ? reject(error) : resolve(value)));
  });

async function join(name) {
  const tell = track(name);
  const socket = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  const connection = new Connection(socket);
  connection.on('state', (state) => tell('state', state));
  const doc = connection.get('documents', 'one');
  await wait(doc, 'subscribe');
  return { connection, doc, socket, tell };
}

const one = await join('one');
await wait(one.doc, 'create', { count: 0, list: [], text: '' });
const two = await join('two');
two.tell('data', two.doc.data);

for (let i = 0; i < 100; i++) {
  one.doc.submitOp([{ p: ['count'], na: 1 }]);
  two.doc.submitOp([{ p: ['count'], na: 10 }]);
}
one.doc.submitOp([{ p: ['list', 0], li: 'ünïcödé \u{1f600}' }]);
two.doc.submitOp([{ p: ['text', 0], si: 'x'.repeat(200_000) }]);
const whole = ({ doc }) =>
  doc.data.count === 1100 && doc.data.list.length === 1 && doc.data.text.length === 200_000;
await until(() => whole(one) && whole(two));
one.tell('data', one.doc.data);
two.tell('data', two.doc.data);

await wait(two.doc, 'submitOp', [{ p: ['forbidden'], oi: 1 }]).catch((error) =>
  two.tell('refused', error.message)
);
const query = await wait(one.connection, 'createFetchQuery', 'documents', {}, {});
one.tell(
  'query',
  query.map(({ id, version }) => [id, version > 0])
);

const presence = two.connection.getPresence('room');
await wait(presence, 'subscribe');
const seen = new Promise((resolve) => presence.on('receive', (id, value) => resolve([id, value])));
await wait(one.connection.getPresence('room').create('cursor'), 'submit', { p: 7 });
two.tell('presence', ...(await seen));

one.connection.close();
two.socket.close(4000, 'enough');
await until(() => wss.clients.size === 0);
await wait(backend, 'close');
await close(wss);

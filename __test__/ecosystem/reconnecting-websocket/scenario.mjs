import { once } from 'node:events';
import ReconnectingWebSocket from 'reconnecting-websocket';
import WebSocket, { WebSocketServer } from 'ws';
import { close, track, until } from '../kit.mjs';

const log = track('server');

async function serve(port) {
  const wss = new WebSocketServer({ host: '127.0.0.1', port });
  await once(wss, 'listening');
  wss.on('connection', (ws, request) => {
    log('connection', request.url, ws.protocol);
    ws.on('message', (data, isBinary) => {
      log('message', data, isBinary);
      ws.send(data, { binary: isBinary });
    });
    ws.on('close', (code, reason) => log('close', code, reason));
  });
  return wss;
}

let wss = await serve(0);
const { port } = wss.address();

const tell = track('client');
let attempt = 0;
const socket = new ReconnectingWebSocket(() => `ws://127.0.0.1:${port}/${++attempt}`, ['chat'], {
  WebSocket,
  maxReconnectionDelay: 50,
  minReconnectionDelay: 10,
  minUptime: 1
});
socket.binaryType = 'arraybuffer';
let answers = 0;
let opened = 0;
let failed = 0;
socket.addEventListener('open', () => {
  tell('open', socket.protocol, socket.readyState);
  opened++;
});
socket.addEventListener('message', ({ data }) => {
  tell('message', data);
  answers++;
});
socket.addEventListener('close', ({ code, reason, wasClean }) => {
  // It says 1000 of each try while nobody listens: how many there are depends on the time.
  if (code !== 1000) tell('close', code, reason, wasClean);
});
socket.addEventListener('error', ({ message, type }) => {
  if (failed++ === 0) tell(type, message);
});

// Kept until it is open.
socket.send('early');
await until(() => answers === 1);
socket.send(new Uint8Array([1, 2, 3]));
await until(() => answers === 2);

for (const end of [(ws) => ws.terminate(), (ws) => ws.close(1012, 'restart')]) {
  const before = opened;
  for (const ws of wss.clients) end(ws);
  await until(() => opened === before + 1);
  socket.send(`after ${opened}`);
  await until(() => answers === before + 2);
}

// Nobody there for a while.
for (const ws of wss.clients) ws.close(1001);
await close(wss);
socket.send('while away');
await until(() => failed > 1);
attempt = 9;
wss = await serve(port);
await until(() => answers === 5);
socket.close(4000, 'enough');
await until(() => wss.clients.size === 0);
await close(wss);

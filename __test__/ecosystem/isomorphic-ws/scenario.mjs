import { createRequire } from 'node:module';
import WebSocket from 'isomorphic-ws';
import ws, { WebSocketServer } from 'ws';
import { close, track } from '../kit.mjs';

const module = track('module');
module('import gives ws', WebSocket === ws);
module('require gives ws', createRequire(import.meta.url)('isomorphic-ws') === ws);
module('statics', WebSocket.WebSocketServer === WebSocketServer, WebSocket.OPEN);

const server = track('server');
const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
await new Promise((resolve) => wss.on('listening', resolve));
wss.on('connection', (socket, request) => {
  server('connection', request.url);
  socket.on('message', (data, isBinary) => {
    server('message', data, isBinary);
    socket.send(data, { binary: isBinary });
  });
  socket.on('close', (code, reason) => server('close', code, reason));
});

const client = track('client');
const socket = new WebSocket(`ws://127.0.0.1:${wss.address().port}/path`);
socket.binaryType = 'arraybuffer';
socket.onopen = () => {
  client('open', socket.readyState, socket.protocol, socket.extensions);
  socket.send('text');
  socket.send(new Uint8Array([1, 2, 3]));
};
socket.onmessage = ({ data }) => {
  client('message', data);
  if (data instanceof ArrayBuffer) socket.close(4000, 'enough');
};
socket.onclose = ({ code, reason, wasClean }) => {
  client('close', code, reason, wasClean);
  close(wss);
};

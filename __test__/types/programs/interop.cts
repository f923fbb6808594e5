// A TypeScript program that compiles to CommonJS: default and named imports under esModuleInterop.

import { createServer } from 'node:http';
import type { ClientOptions, RawData } from 'ws';
import * as namespace from 'ws';
import WebSocket, { createWebSocketStream, Server, WebSocketServer } from 'ws';

class Connection extends WebSocket {
  room = 'lobby';
}

const wss = new WebSocketServer({ noServer: true, WebSocket: Connection });
wss.on('connection', (ws) => ws.room.trim());
for (const ws of wss.clients) ws.close(1001, ws.room);
const server = createServer((_request, response) => response.end());
server.on('upgrade', (request, socket, head) => {
  if (!wss.shouldHandle(request)) return socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  wss.handleUpgrade(request, socket, head, (ws, upgraded) => {
    ws.room = upgraded.url ?? ws.room;
    wss.emit('connection', ws, upgraded);
  });
});

const other: Server<typeof Connection> = wss;
const plain: WebSocketServer = new Server({ port: 0 });
const options: ClientOptions = { handshakeTimeout: 100 };
const client: WebSocket = new namespace.WebSocket('ws://127.0.0.1', options);
const text = (data: RawData): string => data.toString();
client.on('message', (data) => text(data));
createWebSocketStream(client).end();
other.close();
plain.options.perMessageDeflate = true;

function isWebSocket(value: unknown): value is WebSocket {
  return value instanceof WebSocket;
}
isWebSocket(client);

'use strict';

// Two WebSocket servers and ordinary HTTP on one port. The path of the handshake decides who serves
// it.

const { createServer } = require('node:http');
const { WebSocketServer } = require('oxws');

const echo = new WebSocketServer({ noServer: true });
const clock = new WebSocketServer({ noServer: true });

const servers = new Map([
  ['/echo', echo],
  ['/clock', clock]
]);

echo.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});

clock.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.send(new Date().toISOString());
});

setInterval(() => {
  const now = new Date().toISOString();
  for (const ws of clock.clients) ws.send(now);
}, 1000);

const server = createServer((_request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end(`WebSockets are at ${[...servers.keys()].join(' and ')}.\n`);
});

server.on('upgrade', (request, socket, head) => {
  const [path] = request.url.split('?');
  const wss = servers.get(path);

  if (wss === undefined) {
    socket.on('error', console.error);
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    return;
  }
  wss.handleUpgrade(request, socket, head, (ws) => wss.emit('connection', ws, request));
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  const { port } = server.address();
  console.log(`http://localhost:${port}/`);
  for (const path of servers.keys()) console.log(`  npx oxws -c ws://localhost:${port}${path}`);
});

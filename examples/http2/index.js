'use strict';

// WebSockets over HTTP/2: they are streams of one connection, next to requests. Without TLS, which
// no browser takes; `http2.createSecureServer({ allowHTTP1: true, .. })` serves browsers.

const http2 = require('node:http2');
const { WebSocket, WebSocketServer } = require('oxws');

const { PORT = '8080' } = process.env;

const server = http2.createServer(
  { settings: { enableConnectProtocol: true } },
  (request, response) => {
    response.end(`a page at ${request.url}`);
  }
);
const wss = new WebSocketServer({ server });

wss.on('connection', (ws, request) => {
  ws.on('error', console.error);
  ws.on('message', (data) => ws.send(`${request.url} got "${data}"`));
});

server.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = server.address();
  console.log(`ws://127.0.0.1:${port}/`);

  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', console.error);

  session
    .request({ ':path': '/index.html' })
    .setEncoding('utf8')
    .on('data', (text) => console.log(`The client got ${text}`));
  for (const name of ['one', 'two', 'three']) {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/${name}`, { http2: session });
    ws.on('error', console.error);
    ws.on('open', () => ws.send('hello'));
    ws.on('message', (data) => {
      console.log(`The client got ${data}`);
      ws.close();
    });
  }
});

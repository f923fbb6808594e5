'use strict';

// A client that reaches its server through an HTTP proxy, by the agent of https-proxy-agent. Proxy
// and server are here, too, so that there is something to reach: in earnest you need the last part
// only.

const { createServer } = require('node:http');
const { connect } = require('node:net');
const { HttpsProxyAgent } = require('https-proxy-agent');
const { WebSocket, WebSocketServer } = require('oxws');

// The server.
const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });

wss.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.on('message', (data) => ws.send(`you said ${data}`));
});

// The proxy: it's asked for a connection, by the method CONNECT, and passes bytes on.
const proxy = createServer();

proxy.on('connect', (request, socket, head) => {
  console.log(`proxy: ${request.method} ${request.url}`);
  const [host, port] = request.url.split(':');
  const target = connect(Number(port), host, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    target.write(head);
    target.pipe(socket).pipe(target);
  });
  target.on('error', () => socket.destroy());
  socket.on('error', () => target.destroy());
});

proxy.listen(0, '127.0.0.1', () => {
  // The client.
  const agent = new HttpsProxyAgent(`http://127.0.0.1:${proxy.address().port}`);
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`, { agent });

  ws.on('error', console.error);
  ws.on('open', () => ws.send('hello'));
  ws.on('message', (data) => {
    console.log(`client: ${data}`);
    ws.close();
  });
  ws.on('close', () => {
    wss.close();
    proxy.close();
  });
});

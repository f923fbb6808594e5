'use strict';

// The server that is attacked: it sends texts back, and may send everybody a message now and then.
// Its one argument is JSON: the package and what else `Setting` of attacks.mjs says. It prints its
// port, says to an HTTP request how many connections it has, and ends with its standard input.

const http = require('node:http');

const { package: name, perMessageDeflate, maxPayload, broadcast } = JSON.parse(process.argv[2]);
const { WebSocketServer } = require(name);

const options = { perMessageDeflate: perMessageDeflate ?? false };
if (maxPayload) options.maxPayload = maxPayload;

const server = http.createServer((_request, response) => response.end(`${wss.clients.size}`));
const wss = new WebSocketServer({ server, ...options });

wss.on('connection', (ws) => {
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => {
    if (!isBinary) ws.send(data, { binary: false });
  });
});

if (broadcast) {
  const message = Buffer.alloc(broadcast.size, 'x');
  setInterval(() => {
    for (const ws of wss.clients) ws.send(message);
  }, broadcast.interval);
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());

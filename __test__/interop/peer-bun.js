// @ts-nocheck: the types of Bun are not installed.
'use strict';

// Bun as a peer, with the server and the client that it brings along: see `peer.py` beside it.

const { createInterface } = require('node:readline');
const exchange = require('./exchange');

if (process.argv[2] === 'server') {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response('')),
    websocket: {
      perMessageDeflate: { compress: 'dedicated', decompress: 'dedicated' },
      message: (ws, data) => ws.send(data, true)
    }
  });
  console.log(JSON.stringify({ port: server.port }));
  process.stdin.resume().on('end', () => process.exit());
} else {
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const { url, sizes, startsWithText, pauseMs } = JSON.parse(line);
    const open = () => new WebSocket(url);
    const outcome = await exchange(open, sizes, startsWithText, false, pauseMs);
    console.log(JSON.stringify(outcome));
  });
}

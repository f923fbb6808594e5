// The server that the Autobahn testsuite fuzzes: sends back what it gets.
//
//   node server.mjs PORT FOLDER_OF_THE_PACKAGE

import { createRequire } from 'node:module';

const [port, folder] = process.argv.slice(2);
const { WebSocketServer } = createRequire(import.meta.url)(folder);

// Some cases have more fragments than the default allows.
const wss = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  perMessageDeflate: true,
  maxFragments: 0
});

wss.on('connection', (ws) => {
  ws.on('error', () => {}); // breaking the protocol is what most cases are about
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});

// The server that the Autobahn testsuite fuzzes: sends back what it gets.
//
//   node server.mjs PORT FOLDER_OF_THE_PACKAGE [tls]

import { createServer } from 'node:https';
import { createRequire } from 'node:module';

import { enterTls } from './tunnel.mjs';

const [port, folder, over] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { WebSocketServer } = require(folder);

/** Listens for connections over TLS, which come through a tunnel. */
function serveTls() {
  const server = createServer(require('../support/certificate'));
  server.listen(0, '127.0.0.1', () => enterTls(Number(port), server.address().port));
  return { server };
}

// Some cases have more fragments than the default allows.
const wss = new WebSocketServer({
  ...(over === 'tls' ? serveTls() : { host: '127.0.0.1', port: Number(port) }),
  perMessageDeflate: true,
  maxFragments: 0
});

wss.on('connection', (ws) => {
  ws.on('error', () => {}); // breaking the protocol is what most cases are about
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});

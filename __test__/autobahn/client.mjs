// The client that the Autobahn testsuite fuzzes: asks for one case after the other and sends back
// what it gets.
//
//   node client.mjs PORT AGENT FOLDER_OF_THE_PACKAGE [tls]

import { createRequire } from 'node:module';

import { leaveTls } from './tunnel.mjs';

const [port, agent, folder, over] = process.argv.slice(2);
const WebSocket = createRequire(import.meta.url)(folder);
const address =
  over === 'tls' ? `wss://127.0.0.1:${await leaveTls(Number(port))}` : `ws://127.0.0.1:${port}`;

/**
 * Connects to the testsuite.
 *
 * @param {string} request What is asked for
 * @return {WebSocket} The connection
 */
function connect(request) {
  // Some cases have more fragments than the default allows.
  const options = {
    perMessageDeflate: true,
    maxFragments: 0,
    rejectUnauthorized: false,
    // The testsuite insists on its own port.
    headers: { Host: `127.0.0.1:${port}` }
  };
  const ws = new WebSocket(`${address}/${request}`, options);
  ws.on('error', () => {}); // breaking the protocol is what most cases are about
  return ws;
}

/**
 * Waits for the end of a connection. (`events.once()` would take its errors for those of the wait.)
 *
 * @param {WebSocket} ws The connection
 * @return {Promise<void>} Resolves then
 */
function closing(ws) {
  return new Promise((resolve) => ws.on('close', () => resolve()));
}

const counter = connect('getCaseCount');
const closed = closing(counter);
let count = Number.NaN;
counter.on('message', (data) => {
  count = Number(data.toString());
});
await closed;
if (!Number.isInteger(count)) throw new Error('the testsuite does not say how many cases it has');

for (let number = 1; number <= count; number++) {
  const ws = connect(`runCase?case=${number}&agent=${agent}`);
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
  await closing(ws);
}
await closing(connect(`updateReports?agent=${agent}`));

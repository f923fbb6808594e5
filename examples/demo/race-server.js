// @ts-check
'use strict';

// A server that echoes, with ws or with oxws: a process of its own, started by race.js.

const [name] = process.argv.slice(2);
const { WebSocketServer } = require(name === 'ws' ? 'ws' : '../..');

const wss = new WebSocketServer({ host: '127.0.0.1', perMessageDeflate: false, port: 0 }, () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (wss.address());
  process.send?.({ port });
});
wss.on('connection', (/** @type {any} */ ws) => {
  ws.on('error', () => {}); // its client goes away at the end
  ws.on('message', (/** @type {Buffer} */ data, /** @type {boolean} */ isBinary) => {
    ws.send(data, { binary: isBinary });
  });
});

let before = process.cpuUsage();
process.on('message', (message) => {
  if (message === 'start') before = process.cpuUsage();
  if (message !== 'stop') return;
  const { system, user } = process.cpuUsage(before);
  process.send?.({ cpu: system + user });
});
process.on('disconnect', () => process.exit());

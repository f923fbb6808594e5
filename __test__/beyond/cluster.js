'use strict';

// A program of several processes by `node:cluster`, each with a server and a broker of its own:
// `cluster.js KIND BROKER_PORT PROCESSES`. A client hears at once which process it is connected to,
// then what anyone publishes; what a client sends is published.

const cluster = require('node:cluster');
const { once } = require('node:events');

const { WebSocketServer } = require('../..');
const { BROKERS } = require('./brokers');

const [kind, brokerPort, processes] = process.argv.slice(2);

async function main() {
  if (cluster.isPrimary) {
    const workers = Array.from({ length: Number(processes) }, () => cluster.fork());
    cluster.on('message', (_worker, message) => process.send(message));
    process.on('disconnect', () => process.exit());
    await Promise.all(workers.map((worker) => once(worker, 'listening')));
    process.send({ type: 'ready' });
    return;
  }
  const { broker } = await BROKERS[kind].connect(Number(brokerPort));
  const wss = new WebSocketServer({ broker, host: '127.0.0.1', port: 0 });
  wss.on('connection', (ws) => {
    ws.send(`process ${cluster.worker.id}`);
    ws.subscribe('news');
    ws.on('message', (data) => wss.publish('news', data, { binary: false }));
  });
  wss.on('brokerError', () => process.send({ type: 'brokerError', id: cluster.worker.id }));
  await once(wss, 'listening');
  process.send({ type: 'port', port: wss.address().port });
}

main();

'use strict';

// A process for each processor, all on one port. Connections are spread over them by node:cluster;
// what a client says reaches the clients of all processes by way of the first one.

const cluster = require('node:cluster');
const { availableParallelism } = require('node:os');
const { WebSocket, WebSocketServer } = require('oxws');

/** Starts the others, and passes on what they say. */
function runPrimary() {
  const count = Number(process.env.WORKERS ?? availableParallelism());
  let listening = 0;

  for (let i = 0; i < count; i++) cluster.fork();

  cluster.on('listening', (_worker, { port }) => {
    if (++listening === count) console.log(`ws://localhost:${port}/ on ${count} processes`);
  });
  cluster.on('message', (_from, text) => {
    for (const worker of Object.values(cluster.workers)) worker.send(text);
  });
  cluster.on('exit', (worker, code, signal) => {
    if (worker.exitedAfterDisconnect) return;
    console.error(`process ${worker.process.pid} ended (${signal ?? code}); starting another one`);
    cluster.fork();
  });
}

/** Serves a share of the clients. */
function runWorker() {
  const wss = new WebSocketServer({ port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' });

  wss.on('connection', (ws) => {
    ws.on('error', console.error);
    ws.on('message', (data) => process.send(`${process.pid} says: ${data}`));
    ws.send(`you are connected to process ${process.pid}`);
  });

  process.on('message', (text) => {
    for (const ws of wss.clients) {
      if (ws.readyState === WebSocket.OPEN) ws.send(text);
    }
  });
}

if (cluster.isPrimary) runPrimary();
else runWorker();

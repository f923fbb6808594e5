'use strict';

// Shows how a server is doing, twice a second, to every window that is open. Nothing is measured
// while nobody looks.

const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const path = require('node:path');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const { WebSocket, WebSocketServer } = require('oxws');

const INTERVAL = 500;

const page = readFileSync(path.join(__dirname, 'page.html'));
const server = createServer((_request, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(page);
});
const wss = new WebSocketServer({ server, maxPayload: 1024 });

let messages = 0;

/**
 * Starts to measure, and to send what was measured.
 *
 * @return {() => void} What ends it
 */
function startStatistics() {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  let last = { time: performance.now(), cpu: process.cpuUsage(), messages };
  delay.enable();

  const timer = setInterval(() => {
    const now = { time: performance.now(), cpu: process.cpuUsage(), messages };
    const ms = now.time - last.time;
    const cpu = now.cpu.user + now.cpu.system - last.cpu.user - last.cpu.system;
    const { heapUsed, rss } = process.memoryUsage();
    const text = JSON.stringify({
      connections: wss.clients.size,
      cpu: cpu / 10 / ms, // microseconds in milliseconds, as percent of one processor
      delay: Math.max(0, delay.percentile(99) / 1e6 - 10), // nanoseconds; less what it waits anyway
      heap: heapUsed,
      memory: rss,
      messages: ((now.messages - last.messages) / ms) * 1000
    });
    for (const ws of wss.clients) {
      if (ws.readyState === WebSocket.OPEN) ws.send(text);
    }
    delay.reset();
    last = now;
  }, INTERVAL);

  return () => {
    clearInterval(timer);
    delay.disable();
  };
}

/** @type {(() => void) | undefined} */
let stopStatistics;

wss.on('connection', (ws) => {
  stopStatistics ??= startStatistics();
  ws.on('error', console.error);
  // A window can make some load, to have something to see: it gets back what it sends.
  ws.on('message', (data, isBinary) => {
    messages++;
    ws.send(data, { binary: isBinary });
  });
  ws.on('close', () => {
    if (wss.clients.size > 0) return;
    stopStatistics?.();
    stopStatistics = undefined;
  });
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`);
});

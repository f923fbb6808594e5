// @ts-check
'use strict';

// The load of a race: connections that each keep small messages under way, by the engine of oxws. A
// process of its own, started by race.js.

const { WebSocket } = require('../..');

const CONNECTIONS = 64;
const IN_FLIGHT = 32;
const SIZE = 20;

/** Milliseconds between two reports. */
const INTERVAL = 250;

const [port, duration] = process.argv.slice(2).map(Number);
const payload = Buffer.alloc(SIZE, 'x');
let messages = 0;
let open = 0;

for (let i = 0; i < CONNECTIONS; i++) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  ws.on('error', (error) => {
    throw error;
  });
  ws.on('message', () => {
    messages++;
    ws.send(payload);
  });
  ws.on('open', () => {
    for (let sent = 0; sent < IN_FLIGHT; sent++) ws.send(payload);
    if (++open === CONNECTIONS) measure();
  });
}

/**
 * Reports how many messages came back: each quarter of a second, and of all the time at the end.
 */
function measure() {
  const start = performance.now();
  const first = messages;
  let last = { time: start, messages };
  const timer = setInterval(() => {
    const now = { time: performance.now(), messages };
    const seconds = (now.time - last.time) / 1000;
    process.send?.({ rate: Math.round((now.messages - last.messages) / seconds) });
    last = now;
    if (now.time - start < duration) return;
    clearInterval(timer);
    const share = duration / (now.time - start);
    process.send?.({ total: (messages - first) * share });
  }, INTERVAL);
}

process.on('disconnect', () => process.exit());

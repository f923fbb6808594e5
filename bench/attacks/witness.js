'use strict';

// A client that does nothing wrong: it sends a text, awaits it back, waits for some milliseconds,
// and goes on. Whoever has forked it asks how long that takes.

const { WebSocket } = require('ws');

const PAUSE_MS = 5;

const client = new WebSocket(process.argv[2], { perMessageDeflate: false });
let sentAt = 0;
let trips = [];

/** Sends a text. */
function send() {
  sentAt = performance.now();
  client.send('still there?');
}

client.on('open', send);
client.on('message', (_data, isBinary) => {
  if (isBinary) return;
  trips.push(performance.now() - sentAt);
  setTimeout(send, PAUSE_MS);
});
client.on('close', () => process.exit());
client.on('error', () => process.exit(1));

process.on('message', () => {
  // One that has not come back counts as well.
  const all = [...trips, performance.now() - sentAt].sort((a, b) => a - b);
  process.send({ count: trips.length, p99: all[Math.floor(all.length * 0.99)], max: all.at(-1) });
  trips = [];
});
process.on('disconnect', () => process.exit());

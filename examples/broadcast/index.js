'use strict';

// A drawing board that all windows share: what one draws is sent to all others. A stroke is a
// binary message of ten bytes. Who comes later gets everything drawn so far as one message.

const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const path = require('node:path');
const { WebSocket, WebSocketServer } = require('oxws');

/** Bytes of a stroke: hue, from x and y, to x and y, 16 bits each. The page knows it, too. */
const STROKE = 10;

/** Strokes that are kept for those who come later. */
const MAX_STROKES = 20_000;

/** Unsent bytes above which a window has stopped reading: it misses strokes until it goes on. */
const MAX_UNSENT = 1024 * 1024;

const page = readFileSync(path.join(__dirname, 'page.html'));
const server = createServer((_request, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(page);
});
const wss = new WebSocketServer({ server, maxPayload: STROKE });

/** @type {Buffer[]} What has been drawn, oldest first. */
const strokes = [];

/**
 * Sends to every window but one.
 *
 * @param {Buffer | string} data What to send
 * @param {WebSocket} [except] The window that has it already
 */
function broadcast(data, except) {
  for (const ws of wss.clients) {
    if (ws === except || ws.readyState !== WebSocket.OPEN) continue;
    if (ws.bufferedAmount < MAX_UNSENT) ws.send(data);
  }
}

/** Tells every window how many there are. */
function announce() {
  broadcast(JSON.stringify({ windows: wss.clients.size }));
}

wss.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.on('close', announce);
  ws.on('message', (data, isBinary) => {
    if (!isBinary) {
      strokes.length = 0;
      broadcast(JSON.stringify({ clear: true }));
    } else if (data.length === STROKE) {
      // A copy: the message is a view on memory that is larger.
      strokes.push(Buffer.from(data));
      if (strokes.length > MAX_STROKES) strokes.shift();
      broadcast(data, ws);
    }
  });

  ws.send(Buffer.concat(strokes));
  announce();
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`);
});

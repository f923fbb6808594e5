'use strict';

// A connection as a stream: sends data of any size to a reader that is slow. Nothing piles up: the
// writer waits for the reader, across the network.

const { createHash } = require('node:crypto');
const { Transform } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { setTimeout: sleep } = require('node:timers/promises');
const { createWebSocketStream, WebSocket, WebSocketServer } = require('oxws');

const MEBIBYTE = 1024 * 1024;
const size = Number(process.env.MEBIBYTES ?? 64) * MEBIBYTE;

/**
 * Makes data.
 *
 * @return {Generator<Buffer>} As many bytes as wanted
 */
function* produce() {
  const block = Buffer.alloc(MEBIBYTE / 16);
  for (let made = 0, i = 0; made < size; made += block.length) yield Buffer.from(block.fill(i++));
}

/**
 * Makes a stream that passes on what it gets and knows its hash.
 *
 * @return {Transform & { digest: () => string }} The stream
 */
function hashing() {
  const hash = createHash('sha256');
  const stream = new Transform({
    transform(chunk, _encoding, callback) {
      hash.update(chunk);
      callback(null, chunk);
    }
  });
  return Object.assign(stream, { digest: () => hash.digest('hex') });
}

const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });

wss.on('connection', async (ws) => {
  const hash = hashing();
  let received = 0;

  await pipeline(createWebSocketStream(ws), hash, async (chunks) => {
    for await (const { length } of chunks) {
      // As if each mebibyte had to be stored somewhere.
      if ((received % MEBIBYTE) + length >= MEBIBYTE) await sleep(5);
      received += length;
    }
  });
  console.log(`received ${received} bytes, SHA-256 ${hash.digest()}`);
  wss.close();
});

wss.on('listening', async () => {
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  const hash = hashing();
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, ws.bufferedAmount);
  }, 1);

  await pipeline(produce, hash, createWebSocketStream(ws));
  clearInterval(timer);
  console.log(`sent     ${size} bytes, SHA-256 ${hash.digest()}`);
  console.log(`at most  ${most} bytes were waiting to be sent`);
});

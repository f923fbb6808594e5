import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import websocket from 'websocket-stream';
import { close, listen, noise, track, until } from '../kit.mjs';

const http = createServer();
const wss = websocket.createServer(
  { perMessageDeflate: false, server: http },
  (stream, request) => {
    const log = track(`server, ${request.url}`);
    log('stream');
    stream.on('error', (error) => log('error', error.message));
    stream.on('end', () => log('end'));
    stream.socket.addEventListener('close', ({ code }) => log('close', code));
    if (request.url === '/destroy') stream.destroy();
    else stream.pipe(stream);
  }
);
const url = `ws://127.0.0.1:${await listen(http)}`;

/** Sends everything and takes as much back. */
async function there(name, path, chunks) {
  const tell = track(name);
  const stream = websocket(url + path);
  const total = chunks.reduce((sum, chunk) => sum + Buffer.byteLength(chunk), 0);
  const received = [];
  let length = 0;
  const back = new Promise((resolve) => {
    stream.on('data', (chunk) => {
      received.push(Buffer.from(chunk));
      length += Buffer.byteLength(chunk);
      if (length === total) resolve();
    });
    stream.on('close', resolve);
  });
  stream.on('error', (error) => tell('error', error.message));
  stream.on('close', () => tell('close'));
  for (const chunk of chunks) {
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  await back;
  tell('back', Buffer.concat(received));
  stream.end();
  await new Promise((resolve) => stream.socket.addEventListener('close', resolve));
}

const chunks = Array.from({ length: 200 }, (_, i) => noise(i * 100));
await there('bytes', '/bytes', chunks);
await there('text', '/text', ['text', 'ünïcödé \u{1f600}', 'x'.repeat(100_000)]);
await there('large', '/large', [noise(5_000_000)]);

const piped = websocket(`${url}/piped`);
const tell = track('piped');
const parts = [];
piped.on('data', (part) => parts.push(part));
await pipeline(Readable.from(chunks), piped).catch((error) => tell('error', error.message));
tell('sent');

const destroyed = websocket(`${url}/destroy`);
const ended = track('destroyed');
destroyed.on('error', (error) => ended('error', error.message));
await new Promise((resolve) => destroyed.on('close', () => resolve(ended('close'))));

const nobody = track('nobody there');
const lost = websocket('ws://127.0.0.1:1/');
await new Promise((resolve) =>
  lost.on('error', (error) => resolve(nobody('error', error.message)))
);

await until(() => wss.clients.size === 0);
await close(http);

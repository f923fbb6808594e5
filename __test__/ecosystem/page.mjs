// What the scenarios with a browser share: a page whose WebSocket is Chromium's own. Copied beside
// the installs, so it imports nothing but Node.

import { createServer } from 'node:http';
import { echo, listen } from './kit.mjs';

/** What Chromium is started with. */
export const CHROMIUM_FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];

/**
 * Serves a page and echoes what its WebSocket sends.
 *
 * @param {typeof import('ws').WebSocketServer} WebSocketServer That of the install
 * @return {Promise<{ http: import('node:http').Server, url: string }>} The server, and where the
 *   page is
 */
export async function servePage(WebSocketServer) {
  const http = createServer((_request, response) => {
    response
      .setHeader('Content-Type', 'text/html')
      .end('<!doctype html><title>a page</title><h1>Hello</h1>');
  });
  const wss = new WebSocketServer({ perMessageDeflate: true, server: http });
  wss.on('connection', echo('server'));
  return { http, url: `http://127.0.0.1:${await listen(http)}/` };
}

/**
 * Talks with the server that has served the page. Runs in the page.
 *
 * @return {Promise<unknown[]>} What has happened
 */
export async function talkInPage() {
  const socket = new WebSocket(location.href.replace('http', 'ws'));
  socket.binaryType = 'arraybuffer';
  const events = [];
  socket.onopen = () => {
    events.push(`open ${socket.extensions}`);
    socket.send('text');
    socket.send(new Uint8Array(100_000).fill(7));
    socket.send('x'.repeat(100_000));
  };
  socket.onmessage = ({ data }) => {
    events.push(typeof data === 'string' ? data.length : data.byteLength);
    if (events.length === 4) socket.close(4000, 'enough');
  };
  await new Promise((resolve) => {
    socket.onclose = ({ code, reason, wasClean }) => resolve(events.push(code, reason, wasClean));
  });
  return events;
}

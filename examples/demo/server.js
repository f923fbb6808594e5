// @ts-check
'use strict';

// The demo's server: an ordinary `http` server with the page on it, and a WebSocket server on the
// same port.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { WebSocketServer } = require('../..');
const { createRoom } = require('./room');

/** Bytes of the largest message that a window may send. */
const MAX_PAYLOAD = 16 * 1024;

/** Milliseconds between two pings; a window that leaves one unanswered is gone. */
const HEARTBEAT_INTERVAL = 15_000;

/** Milliseconds that the closing handshakes may take when the server ends. */
const CLOSE_TIMEOUT = 1000;

const PAGE = path.join(__dirname, 'page');

/** @type {Record<string, { file: string, type: string }>} What is served, by path. */
const FILES = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.mjs': { file: 'page.mjs', type: 'text/javascript; charset=utf-8' },
  '/sparkline.mjs': { file: 'sparkline.mjs', type: 'text/javascript; charset=utf-8' },
  '/style.css': { file: 'style.css', type: 'text/css; charset=utf-8' },
  '/icon.svg': { file: 'icon.svg', type: 'image/svg+xml' }
};

const HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
  // Isolated pages have a finer clock, which the round trips are measured with.
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff'
};

/**
 * Answers an ordinary HTTP request with a file of the page.
 *
 * @param {http.IncomingMessage} request The request
 * @param {http.ServerResponse} response The response
 */
function servePage(request, response) {
  const entry = FILES[String(request.url).split('?')[0]];
  if (entry === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
    response.writeHead(entry ? 405 : 404, { 'Content-Type': 'text/plain' });
    response.end(`${entry ? 'Method not allowed' : 'Not found'}\n`);
    return;
  }
  response.writeHead(200, { ...HEADERS, 'Content-Type': entry.type });
  response.end(
    request.method === 'HEAD' ? undefined : fs.readFileSync(path.join(PAGE, entry.file))
  );
}

/**
 * Tells whether a handshake comes from our own page. Browsers let any page open a WebSocket to any
 * server, so a server that trusts its visitors has to look. Programs send no origin.
 *
 * @param {http.IncomingMessage} request The opening handshake
 * @return {boolean} Whether it does
 */
function isOwnOrigin({ headers }) {
  if (headers.origin === undefined) return true;
  return URL.canParse(headers.origin) && new URL(headers.origin).host === headers.host;
}

/**
 * Pings the windows, and drops those that did not answer the ping before.
 *
 * @param {InstanceType<typeof WebSocketServer>} wss The WebSocket server
 * @return {NodeJS.Timeout} The timer
 */
function startHeartbeat(wss) {
  const awaited = new WeakSet();
  wss.on('connection', (ws) => ws.on('pong', () => awaited.delete(ws)));
  const timer = setInterval(() => {
    for (const ws of wss.clients) {
      if (awaited.has(ws)) {
        ws.terminate();
      } else {
        awaited.add(ws);
        ws.ping();
      }
    }
  }, HEARTBEAT_INTERVAL);
  return timer.unref();
}

/**
 * Makes the demo's server. It does not listen yet.
 *
 * @return {{
 *   server: http.Server,
 *   wss: InstanceType<typeof WebSocketServer>,
 *   close: () => Promise<void>
 * }} The servers, and what ends them and every connection
 */
function createDemo() {
  const server = http.createServer(servePage);
  const wss = new WebSocketServer({
    maxPayload: MAX_PAYLOAD,
    noServer: true,
    // All that is sent: the messages of a chat are short.
    perMessageDeflate: { threshold: 0 }
  });
  const room = createRoom();
  const heartbeat = startHeartbeat(wss);

  wss.on('connection', (ws) => room.join(ws));
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== '/room' || !isOwnOrigin(request)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    wss.handleUpgrade(request, socket, head, (ws) => wss.emit('connection', ws, request));
  });

  /** @return {Promise<void>} Resolves when nothing is open any more */
  function close() {
    clearInterval(heartbeat);
    room.close();
    for (const ws of wss.clients) ws.close(1001, 'The server is going away');
    const timer = setTimeout(() => {
      for (const ws of wss.clients) ws.terminate();
      server.closeAllConnections();
    }, CLOSE_TIMEOUT);
    return new Promise((resolve) => {
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      server.closeIdleConnections();
    });
  }
  return { server, wss, close };
}

module.exports = { createDemo };

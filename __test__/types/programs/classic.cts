// A CommonJS program without esModuleInterop: server, client, EventTarget side, stream.

import http = require('node:http');
import https = require('node:https');

import { once } from 'node:events';
import type { Duplex } from 'node:stream';

import WebSocket = require('ws');

// An own HTTP server.

const wss = new WebSocket.Server({ port: 0, host: '127.0.0.1', backlog: 16 }, () => {
  const address = wss.address();
  if (address !== null && typeof address === 'object') address.port.toFixed();
});
wss.on('connection', (ws, request) => {
  const ip: string | undefined = request.socket.remoteAddress;
  ws.on('error', console.error);
  ws.on('message', (data, isBinary) => {
    for (const client of wss.clients) {
      if (client !== ws && client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: isBinary });
      }
    }
    if (Array.isArray(data)) Buffer.concat(data);
    else if (data instanceof ArrayBuffer) Buffer.from(data);
    else data.toString('utf8');
  });
  ws.send(ip ?? 'unknown', (error) => error?.message);
});
wss.on('headers', (headers, request) => headers.push(`X-Path: ${request.url}`));
wss.on('error', (error) => error.message);
wss.on('wsClientError', (error, socket, request) => {
  socket.end(`HTTP/1.1 400 ${error.message} ${request.method}\r\n\r\n`);
});
wss.once('listening', () => {});
wss.close((error) => error?.message);

// A shared HTTP server, with everything that decides on a handshake.

const server: http.Server = http.createServer();
const options: WebSocket.ServerOptions = {
  server,
  path: '/chat',
  clientTracking: true,
  maxPayload: 1024,
  maxBufferedChunks: 16,
  maxFragments: 16,
  allowSynchronousEvents: false,
  autoPong: true,
  skipUTF8Validation: false,
  perMessageDeflate: {
    zlibDeflateOptions: { level: 3, memLevel: 7, chunkSize: 1024, dictionary: Buffer.alloc(4) },
    zlibInflateOptions: { chunkSize: 10 * 1024 },
    clientNoContextTakeover: true,
    serverNoContextTakeover: true,
    serverMaxWindowBits: 10,
    clientMaxWindowBits: 10,
    concurrencyLimit: 10,
    threshold: 1024
  },
  verifyClient: (info: { origin: string; secure: boolean; req: http.IncomingMessage }) =>
    info.secure && info.origin !== '' && info.req.url === '/chat',
  handleProtocols: (protocols, request) =>
    protocols.has('chat') && request.headers.host !== undefined ? 'chat' : false
};
const shared = new WebSocket.WebSocketServer(options);
shared.options.maxPayload = 2048;
const verify: WebSocket.VerifyClientCallbackAsync = (info, callback) => {
  if (info.req.headers.authorization) callback(true);
  else callback(false, 401, 'Unauthorized', { 'Retry-After': 120, 'Set-Cookie': ['a', 'b'] });
};
new WebSocket.Server({ noServer: true, verifyClient: verify });
new WebSocket.Server({ server: https.createServer() });

// A client.

const clientOptions: WebSocket.ClientOptions = {
  agent: new http.Agent(),
  ca: 'certificate',
  checkServerIdentity: () => true,
  family: 4,
  finishRequest: (request, websocket) => {
    request.setHeader('X-State', websocket.readyState);
    request.end();
  },
  followRedirects: true,
  generateMask: (mask) => mask.fill(0),
  handshakeTimeout: 1000,
  headers: { Authorization: 'Basic' },
  localAddress: '127.0.0.1',
  maxRedirects: 3,
  origin: 'https://example.com',
  perMessageDeflate: false,
  protocolVersion: 13,
  rejectUnauthorized: false
};
const authorization: string | undefined = clientOptions.headers?.Authorization;
const client = new WebSocket('wss://example.com', ['a', 'b'], clientOptions);
new WebSocket(new URL('ws://example.com'), clientOptions);
new WebSocket('ws://example.com', 'chat');
new WebSocket('ws://example.com', { headers: { cookie: ['a=1', 'b=2'] }, auth: 'user:pass' });
new WebSocket(null);
client.binaryType = 'arraybuffer';
client.on('open', function () {
  this.send('text');
  this.send(new Float32Array(5));
  this.send(new ArrayBuffer(5), { compress: true, fin: false, mask: true });
  this.send([1, 2, 3], {}, (error) => error);
  this.send(1);
  this.send(new Blob(['x']));
});
client.on('close', (code, reason) => `${code.toFixed()} ${reason.toString()}`);
client.on('upgrade', (response) => response.headers['set-cookie']?.length);
client.on('redirect', (url, request) => request.removeHeader(url));
client.on('unexpected-response', (request, response) => {
  response.resume();
  request.destroy();
});
client.on('ping', (data) => client.pong(data, true, (error) => error.message));
client.once('pong', (data: Buffer) => data.length);
client
  .off('message', console.log)
  .removeListener('open', () => {})
  .addListener('foo', () => {});
client.ping();
client.pause();
client.resume();
if (client.isPaused || client.bufferedAmount > 0) client.terminate();
client.close(1000, 'done');
client.close(4000, Buffer.from('done'));
`${client.url} ${client.protocol} ${client.extensions}`.trim();

// The EventTarget side.

client.onopen = (event) => event.target.send('hi');
client.onmessage = ({ data, type, target }) => {
  if (typeof data === 'string') data.trim();
  return `${type} ${target.url}`;
};
client.onclose = (event) => [event.wasClean, event.code, event.reason];
client.onerror = (event) => event.error.message + event.message;
client.onclose = null;
const listener = (event: WebSocket.MessageEvent) => event.data;
client.addEventListener('message', listener, { once: true });
client.addEventListener('close', { handleEvent: (event: WebSocket.CloseEvent) => event.code });
client.removeEventListener('message', listener);

// Other parts.

const duplex: Duplex = WebSocket.createWebSocketStream(client, { encoding: 'utf8' });
duplex.pipe(process.stdout);

async function exchange(ws: WebSocket): Promise<[WebSocket.RawData, boolean]> {
  await once(ws, 'open');
  ws.send('x');
  const [data, isBinary] = await once(ws, 'message');
  return [data, isBinary];
}
exchange(client).then(([data]) => data);

const states: Record<WebSocket['readyState'], string> = { 0: 'a', 1: 'b', 2: 'c', 3: 'd' };
states[client.readyState];
states[WebSocket.CLOSED];
authorization?.trim();

// What oxws declares beyond `@types/ws`, and what it refuses, in CommonJS.

import http = require('node:http');
import http2 = require('node:http2');

import { Duplex, type Writable } from 'node:stream';

import WebSocket = require('oxws');

// Each export of index.js.

const exported: Array<keyof typeof WebSocket> = [
  'CONNECTING',
  'OPEN',
  'CLOSING',
  'CLOSED',
  'createWebSocketStream',
  'extension',
  'PerMessageDeflate',
  'Receiver',
  'Sender',
  'Server',
  'subprotocol',
  'WebSocket',
  'WebSocketServer'
];
const same: typeof WebSocket = WebSocket.WebSocket;
const servers: Array<typeof WebSocket.Server> = [WebSocket.Server, WebSocket.WebSocketServer];

// Options that `@types/ws` doesn't know.

const limits: WebSocket.ServerOptions & WebSocket.ClientOptions = {
  closeTimeout: 1000,
  maxBufferedChunks: 1,
  maxFragments: 1,
  maxPayload: 1,
  maxPendingAutoPongs: 1
};
const wss = new WebSocket.WebSocketServer({ ...limits, noServer: true, maxPendingAutoPongs: 0 });
const client = new WebSocket('ws://127.0.0.1', {
  ...limits,
  auth: 'user:password',
  autoSelectFamily: true,
  checkServerIdentity: (name, certificate) =>
    certificate.subject.CN === name ? undefined : new Error(name),
  protocols: ['chat'],
  servername: 'example.com',
  signal: AbortSignal.timeout(1000)
});
new WebSocket('wss://127.0.0.1', [], { lookup: () => {}, ALPNProtocols: ['http/1.1'] });
new WebSocket(null, undefined, { autoPong: false });
new WebSocket.Server({
  noServer: true,
  perMessageDeflate: { clientMaxWindowBits: false, serverMaxWindowBits: false }
});
client.binaryType = 'blob';

// Backpressure.

const slow: WebSocket.ServerOptions & WebSocket.ClientOptions = {
  backpressurePolicy: 'drop',
  highWaterMark: 1,
  maxBackpressure: 1
};
const beats: WebSocket.ServerOptions[] = [{ heartbeat: 1 }, { heartbeat: { interval: 1 } }];
new WebSocket('ws://127.0.0.1', { heartbeat: { interval: 1, timeout: 1 } });
client.on('drain', () => client.writableNeedDrain === true);
client.on('dropped', (data, isBinary) => [data, isBinary.valueOf()]);
const drained: Promise<void> | undefined = client.waitForDrain?.({ threshold: 1 });
client.send('x', { droppable: true });
client.onclose = ({ cause }) => cause?.code === 'ERR_OXWS_BACKPRESSURE';
wss.on('connection', async (ws) => {
  await ws.waitForDrain({ signal: AbortSignal.timeout(1) });
  const { closeCause, latency, writableNeedDrain }: WebSocket.Operated = ws;
  latency?.toFixed();
  wss.publish('a', 'b', { droppable: !writableNeedDrain && closeCause === null });
});

// Promises.

const signals: WebSocket.ClientOptions = {
  lifetimeSignal: AbortSignal.timeout(1),
  promises: true
};
wss.on('connection', async (ws) => {
  for await (const { data, isBinary } of ws) {
    const received: WebSocket.RawData = data;
    await ws.sendAsync(received, { binary: isBinary, signal: AbortSignal.timeout(1) });
  }
  const end: WebSocket.Closed | undefined = await ws.closed;
  end?.reason.concat(end.wasClean ? '' : end.code.toFixed());
});
(client as WebSocket & WebSocket.Operated).opened?.then(({ protocol }) => protocol.length);
// @ts-expect-error no signal
client.sendAsync?.('x', { signal: 1 });
void signals;

// The end of a server.

const shut: Promise<WebSocket.ShutdownResult> = wss.shutdown({ code: 1012, spread: 1, timeout: 1 });
shut.then(({ closed, terminated }) => closed + terminated);
wss.closeAllConnections();
const disposed: Promise<void> = wss[Symbol.asyncDispose]();
// @ts-expect-error a reason is text
wss.shutdown({ reason: Buffer.alloc(1) });
// @ts-expect-error a heartbeat has an interval
const wrongBeat: WebSocket.ServerOptions = { heartbeat: { timeout: 1 } };
// @ts-expect-error no such policy
const wrongPolicy: WebSocket.ServerOptions = { backpressurePolicy: 'wait' };
void [slow, beats, drained, disposed, wrongBeat, wrongPolicy];

// Arguments that may be left out, and their types.

client.ping('x', (error) => error.message);
client.pong((error: Error) => error.message);
client.close(1000, new Uint8Array(2));
client.prependListener('message', (data, isBinary) => data && !isBinary);
client.prependOnceListener('close', (code) => code.toFixed());
wss.prependListener('headers', (headers) => headers.push('X: y'));

// Receiver and Sender.

const deflate = new WebSocket.PerMessageDeflate({ isServer: true, maxPayload: 1024, threshold: 0 });
const offers = WebSocket.extension.parse('permessage-deflate; server_max_window_bits=10');
const offer = offers[WebSocket.PerMessageDeflate.extensionName];
if (offer !== undefined) deflate.accept(offer).server_max_window_bits?.toFixed();
const header: string = WebSocket.extension.format({ 'permessage-deflate': deflate.offer() });
WebSocket.extension.format({ a: [{ b: ['1', true] }, {}], c: { d: 8 } });
const names: Set<string> = WebSocket.subprotocol.parse('a, b');
deflate.compress('text', true, (error, result) => error ?? result?.length);
deflate.decompress(Buffer.alloc(1), false, (error, result) => error ?? result?.length);
deflate.cleanup();

const receiver = new WebSocket.Receiver({
  allowSynchronousEvents: false,
  binaryType: 'fragments',
  extensions: { 'permessage-deflate': deflate },
  isServer: true,
  maxBufferedChunks: 1,
  maxFragments: 2,
  maxPayload: 3,
  skipUTF8Validation: true
});
const writable: Writable = receiver;
receiver.on('conclude', (code, reason) => [code.toFixed(), reason.toString()]);
receiver.on('message', (data, isBinary) => data && isBinary);
receiver.once('ping', (data) => data.length).addListener('pong', (data) => data.length);
receiver.on('error', (error) => {
  const code: WebSocket.ErrorCode = 'WS_ERR_INVALID_UTF8';
  if (error.code === code) receiver.destroy(error);
});

const socket = new Duplex();
const sender = new WebSocket.Sender(socket, {}, (mask) => mask.fill(1));
const frame: Buffer[] = WebSocket.Sender.frame(Buffer.from('x'), {
  fin: true,
  mask: false,
  opcode: 1,
  readOnly: false,
  rsv1: false
});
sender.sendFrame(frame, (error) => error?.message);
sender.send('x', { binary: false, compress: false, fin: true, mask: true });
sender.ping('', false);
sender.pong(Buffer.alloc(0), true, () => {});
sender.close(1000, 'bye', false);
sender.onerror = (error) => error.message;

// A server of an own class is still a server.

class Connection extends WebSocket {}
const typed = new WebSocket.WebSocketServer({ noServer: true, WebSocket: Connection });
const base: WebSocket.WebSocketServer = typed;

// What is refused.

// @ts-expect-error: an address is needed
new WebSocket();
// @ts-expect-error: no such option
new WebSocket('ws://127.0.0.1', { maxPaylod: 1 });
// @ts-expect-error: milliseconds, not text
new WebSocket('ws://127.0.0.1', { handshakeTimeout: '1s' });
// @ts-expect-error: no such option
new WebSocket.Server({ port: 0, maxPaylod: 1 });
// @ts-expect-error: not a limit
new WebSocket.Server({ port: 0, maxPendingAutoPongs: '60' });
// @ts-expect-error: a choice has to be made at once
new WebSocket.Server({ port: 0, handleProtocols: async () => 'chat' });
// @ts-expect-error: not a connection class
new WebSocket.Server({ port: 0, WebSocket: http.Server });
// @ts-expect-error: not a kind of data
client.binaryType = 'string';
// @ts-expect-error: read only
client.readyState = 1;
// @ts-expect-error: constant
WebSocket.OPEN = 2;
// @ts-expect-error: nothing that can be sent
client.send(Symbol('x'));
// @ts-expect-error: nothing that can be sent
client.send({ a: 1 });
// @ts-expect-error: no such option
client.send('x', { compressed: true });
// @ts-expect-error: a code is a number
client.close('1000');
// @ts-expect-error: a reason is text or bytes
client.close(1000, 5);
// @ts-expect-error: not an event of the EventTarget side
client.addEventListener('ping', () => {});
// @ts-expect-error: a frame needs an opcode
WebSocket.Sender.frame(Buffer.alloc(0), {});
// @ts-expect-error: not exported, as in ws
WebSocket.Limiter;

export { base, exported, header, names, same, servers, writable };

// Topics.

wss.on('connection', (ws) => {
  const changed: boolean[] = [ws.subscribe('a'), ws.unsubscribe('a'), ws.isSubscribed('a')];
  const topics: string[] = ws.topics;
  const queued: number = ws.publish('a', 'text', { except: ws, compress: false });
  return [changed, topics, queued];
});
wss.on('subscription', (ws, topic, count, before) => {
  if (count === 0) ws.unsubscribe(topic.slice(count, before));
});
const prepared: WebSocket.PreparedMessage = wss.prepare('text', { binary: true });
const counts: number[] = [
  wss.publish('a', prepared, { except: [client] }),
  wss.broadcast(Buffer.alloc(1), { except: new Set([client]), filter: (ws) => ws.topics.length }),
  wss.subscriberCount('a')
];
client.send(prepared, () => counts.length);

// What a class of a user's has under the same names is its own.

class Channel extends WebSocket {
  topics = new Set<number>();
  subscribe(channel: number, callback: () => void): void {
    this.topics.add(channel);
    callback();
  }
}
const channels = new WebSocket.Server({ noServer: true, WebSocket: Channel });
channels.on('connection', (ws) => {
  ws.subscribe(1, () => {});
  ws.topics.has(1);
  ws.publish('a', 'text');
});

// @ts-expect-error a client has no topics
client.subscribe('a');
// @ts-expect-error a topic is a string
wss.publish(1, 'text');

// HTTP/2.

const overHttp2 = new WebSocket.Server({ server: http2.createServer() });
overHttp2.on('connection', (ws) => ws.send('text'));
declare const http2Stream: http2.ServerHttp2Stream;
new WebSocket.Server({ noServer: true }).handleConnect(
  http2Stream,
  { ':path': '/' },
  (ws, request) => ws.send(request.authority)
);
new WebSocket('ws://127.0.0.1', { http2: http2.connect('http://127.0.0.1') });
// @ts-expect-error a session of a client
new WebSocket('ws://127.0.0.1', { http2: http2.createServer() });

// Who is let in.

new WebSocket.Server({ noServer: true, upgrade: () => {} });
new WebSocket.Server({
  noServer: true,
  upgrade: async (request) => {
    if (request.signal.aborted) return new Response('gone', { status: 410 });
    return request.url === '/' ? { data: 1, protocol: 'a', headers: { a: 'b' } } : { status: 401 };
  }
});
// @ts-expect-error a status is a number
new WebSocket.Server({ noServer: true, upgrade: async () => ({ status: 'no' }) });

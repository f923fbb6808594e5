// An ECMAScript module: named imports, own connection class, several servers on one HTTP server.

import { once } from 'node:events';
import { createServer, IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import WebSocket, {
  type ClientOptions,
  type CloseEvent,
  createWebSocketStream,
  type Data,
  type ErrorEvent,
  type Event,
  type MessageEvent,
  WebSocket as Named,
  type PerMessageDeflateOptions,
  type RawData,
  type Server,
  type ServerOptions,
  type VerifyClientCallbackAsync,
  type VerifyClientCallbackSync,
  WebSocketServer
} from 'ws';

declare module 'ws' {
  interface WebSocket {
    isAlive: boolean;
  }
}

// Heartbeat on a property that the program declares.

const wss: WebSocketServer = new WebSocketServer({ port: 0 });
wss.on('connection', (ws, request: IncomingMessage) => {
  ws.isAlive = true;
  ws.on('pong', function () {
    this.isAlive = true;
  });
  ws.on('error', console.error);
  request.headers['x-forwarded-for'];
});
const interval = setInterval(() => {
  for (const ws of wss.clients) {
    if (ws.isAlive) ws.ping();
    else ws.terminate();
    ws.isAlive = false;
  }
}, 30_000);
wss.on('close', () => clearInterval(interval));
(wss.address() as AddressInfo).port;

// A class of its own for connections, and for requests.

class Connection extends WebSocket {
  user = 'nobody';

  override close(code = 1000, reason = ''): void {
    super.close(code, reason);
  }

  override ping(data?: unknown, mask?: boolean, cb?: (error: Error) => void): void {
    super.ping(data, mask, cb);
  }
}

class Request extends IncomingMessage {
  session?: string;
}

const typed = new WebSocketServer<typeof Connection, typeof Request>({
  noServer: true,
  WebSocket: Connection,
  verifyClient: ({ req }: { req: Request }) => req.session !== undefined
});
typed.on('connection', (ws, request) => {
  ws.user = request.session ?? ws.user;
});
for (const connection of typed.clients) connection.user.trim();

function count(server: Server): number {
  return server.clients.size;
}
count(wss);

class Chat extends WebSocketServer {
  rooms = new Map<string, Set<WebSocket>>();

  override shouldHandle(request: IncomingMessage): boolean {
    return super.shouldHandle(request) === true && request.url === '/chat';
  }
}
new Chat({ noServer: true }).rooms.clear();

// Several servers on one HTTP server, as socket.io and many others have it.

const server = createServer();
const rooms = new Map<string, WebSocketServer>();
server.on('upgrade', (request, socket, head) => {
  const room = rooms.get(request.url ?? '');
  if (room === undefined) return socket.destroy();
  room.handleUpgrade(request, socket, Buffer.from(head), (ws) => {
    room.emit('connection', ws, request, 'user');
  });
});

// Promises and streams.

async function talk(address: string, options?: ClientOptions): Promise<string> {
  const ws = new Named(address, ['chat'], options);
  await once(ws, 'open');
  const received = new Promise<RawData>((resolve, reject) => {
    ws.once('message', resolve);
    ws.once('error', reject);
  });
  await new Promise<void>((resolve, reject) =>
    ws.send('hello', (error) => (error ? reject(error) : resolve()))
  );
  return (await received).toString();
}
talk('ws://127.0.0.1').then(console.log);

const stream = createWebSocketStream(new WebSocket('ws://127.0.0.1'), { readableObjectMode: true });
for await (const chunk of stream) console.log(chunk);

// Names of types.

const onopen = (event: Event) => event.target;
const onclose = (event: CloseEvent) => event.wasClean;
const onerror = (event: ErrorEvent) => event.message;
const onmessage = (event: MessageEvent): Data => event.data;
const deflate: PerMessageDeflateOptions = { threshold: 0 };
const sync: VerifyClientCallbackSync = (info) => info.secure;
const later: VerifyClientCallbackAsync = (info, callback) => callback(info.secure, 403);
const serverOptions: ServerOptions = { noServer: true, perMessageDeflate: deflate };
for (const verifyClient of [sync, later]) new WebSocketServer({ ...serverOptions, verifyClient });
const target = new WebSocket('ws://127.0.0.1');
Object.assign(target, { onopen, onclose, onerror, onmessage });

// As a type, and as a value that is passed on.

type Constructor = new (address: string, protocols?: string | string[]) => WebSocket;
const constructors: Constructor[] = [WebSocket, Named, Connection];
const isOpen = (ws: WebSocket): boolean => ws.readyState === WebSocket.OPEN;
constructors.map((Constructor) => new Constructor('ws://127.0.0.1')).filter(isOpen);
const raw: WebSocket.RawData = Buffer.alloc(0);
raw.toString();

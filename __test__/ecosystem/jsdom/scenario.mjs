import { once } from 'node:events';
import { CookieJar, JSDOM } from 'jsdom';
import { WebSocketServer } from 'ws';
import { close, echo, noise, track, until } from '../kit.mjs';

const log = track('server');
const answer = echo('server');
const wss = new WebSocketServer({
  handleProtocols: (protocols) => protocols.has('two') && 'two',
  host: '127.0.0.1',
  perMessageDeflate: true,
  port: 0
});
await once(wss, 'listening');
const { port } = wss.address();
wss.on('headers', (headers) => headers.push('Set-Cookie: from=server; Path=/'));
wss.on('connection', (ws, request) => {
  const { cookie, origin, 'user-agent': agent } = request.headers;
  log({ agent: agent?.replace(/[\d.]+/g, 'N').slice(0, 40), cookie, origin });
  if (request.url === '/terminate') ws.terminate();
  else if (request.url === '/close') ws.close(4001, 'go away');
  else answer(ws, request);
});

const cookieJar = new CookieJar();
cookieJar.setCookieSync('page=1', `http://127.0.0.1:${port}/`);
const { window } = new JSDOM('<!doctype html><title>page</title>', {
  cookieJar,
  runScripts: 'outside-only',
  url: `http://127.0.0.1:${port}/page`
});
window.big = new window.Uint8Array(noise(200_000));

/** Runs in the page: everything goes through its own WebSocket. */
async function talk(name, path, protocols, binaryType) {
  const tell = track(name);
  const socket = new window.WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
  if (binaryType) socket.binaryType = binaryType;
  let answers = 0;
  socket.onopen = () => {
    tell('open', socket.protocol, socket.extensions, socket.readyState);
    socket.send('ünïcödé \u{1f600}');
    socket.send(new window.Uint8Array([1, 2, 3]).buffer);
    socket.send(new window.Blob(['blob']));
    socket.send(window.big);
  };
  const whole = [];
  socket.onmessage = ({ data, origin }) => {
    whole.push(
      (async () => {
        if (data instanceof window.Blob) {
          const reader = new window.FileReader();
          const end = new Promise((resolve) => reader.addEventListener('load', resolve));
          reader.readAsArrayBuffer(data);
          await end;
          return ['Blob', Buffer.from(new window.Uint8Array(reader.result))];
        }
        return typeof data === 'string'
          ? [data]
          : ['ArrayBuffer', Buffer.from(new window.Uint8Array(data))];
      })().then((parts) => [...parts, origin])
    );
    if (++answers === 4) socket.close(4000, 'enough');
  };
  socket.onerror = ({ type }) => tell(type);
  const closed = await new Promise((resolve) => {
    socket.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]);
  });
  for (const parts of await Promise.all(whole)) tell('message', ...parts);
  tell('close', ...closed);
}

await talk('blobs', '/blobs', ['one', 'two']);
await talk('array buffers', '/buffers', [], 'arraybuffer');
await talk('terminated', '/terminate');
await talk('closed', '/close');
track('cookies')(cookieJar.getCookieStringSync(`http://127.0.0.1:${port}/`));
const errors = track('errors');
for (const attempt of [
  () => new window.WebSocket('nonsense:'),
  () => new window.WebSocket(`ws://127.0.0.1:${port}/`, ['a', 'a']),
  () => new window.WebSocket(`ws://127.0.0.1:${port}/#fragment`),
  () => new window.WebSocket(`ws://127.0.0.1:${port}/never`).close(5)
]) {
  try {
    attempt();
  } catch (error) {
    errors(error.name, error.message);
  }
}

// A window that goes away takes its connections with it.
const lost = new window.WebSocket(`ws://127.0.0.1:${port}/lost`);
await until(() => lost.readyState === 1);
window.close();
await until(() => wss.clients.size === 0);
await close(wss);

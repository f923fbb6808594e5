import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { WebSocketServer } from 'ws';
import { close, freePort, listen, reachable, track, until } from '../kit.mjs';

const program = createRequire(import.meta.url).resolve('wscat/bin/wscat');

/** Starts wscat and notes the lines that it prints. */
function wscat(name, ...args) {
  const log = track(name);
  const child = spawn(process.execPath, [program, ...args], { stdio: 'pipe' });
  const lines = [];
  for (const [stream, kind] of [
    [child.stdout, 'out'],
    [child.stderr, 'err']
  ]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop();
      for (const part of parts) {
        const line = part.replace(/^(?:> )+/, ''); // prompts
        lines.push(line);
        // Of a crash only what the error is: the stack shows where ws is.
        if (kind === 'out' || /^\w*error: /i.test(line)) log(kind, line);
      }
    });
  }
  const end = once(child, 'close').then(([code]) => log('exit code', code));
  const saw = (line) => until(() => lines.includes(line));
  return { end, saw, type: (line) => child.stdin.write(`${line}\n`), stdin: child.stdin };
}

const server = track('server');
const wss = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  handleProtocols: (protocols) => [...protocols].pop(),
  perMessageDeflate: true
});
await once(wss, 'listening');
const url = `ws://127.0.0.1:${wss.address().port}`;
wss.on('connection', (ws, { headers, url: path }) => {
  const {
    authorization,
    host,
    'sec-websocket-origin': origin,
    'x-one': one,
    'sec-websocket-version': version
  } = headers;
  server('connection', path, ws.protocol, ws.extensions);
  server({ authorization, host, one, origin, version });
  ws.send('welcome');
  ws.on('message', (data, isBinary) => {
    server('message', data, isBinary);
    if (String(data) === 'ping me') ws.ping('hello');
    else if (String(data) === 'close me') ws.close(4001, 'as you wish');
    else ws.send(`you said ${data}`);
  });
  ws.on('ping', (data) => server('ping', data));
  ws.on('pong', (data) => server('pong', data));
  ws.on('close', (code, reason) => server('close', code, reason));
});

// Lines that are typed, control frames by slash commands, the server's end.
const typed = wscat('-c', '-c', `${url}/typed`, '--slash', '-P', '-s', 'one', '-s', 'two');
await typed.saw('welcome');
typed.type('line');
await typed.saw('you said line');
typed.type('/ping out');
await typed.saw('Received pong (data: "out")');
typed.type('ping me');
await typed.saw('Received ping (data: "hello")');
typed.type('close me');
await typed.end;

// Commands and headers from the command line.
const executed = wscat(
  '-x',
  ...['-c', `127.0.0.1:${wss.address().port}/executed`, '-x', 'one', '-x', 'two', '-w', '0.5'],
  ...['-H', 'X-One: 1', '-o', 'http://origin.example', '--auth', 'me:secret', '-p', '8'],
  ...['--host', 'host.example']
);
await executed.end;

// A redirect, and servers that don't want it.
const http = createServer((request, response) => {
  if (request.url === '/away') response.writeHead(302, { Location: `${url}/redirected` }).end();
  else response.writeHead(request.url === '/no' ? 401 : 200).end();
});
const port = await listen(http);
await wscat('redirect', '-c', `ws://127.0.0.1:${port}/away`, '-L', '-x', 'hi', '-w', '0.5').end;
await wscat('refused', '-c', `ws://127.0.0.1:${port}/no`).end;
await wscat('no websocket', '-c', `ws://127.0.0.1:${port}/`).end;
await close(http);
await wscat('nobody there', '-c', `ws://127.0.0.1:${port}/`).end;
await wscat('bad address', '-c', 'http:\\\\[').end;
await close(wss);

// The other way round: wscat --listen with wscat -c.
const listening = await freePort();
const listener = wscat('--listen', '--listen', String(listening));
await reachable(listening);
const caller = wscat('caller', '-c', `ws://127.0.0.1:${listening}`, '-x', 'to you', '-w', '-1');
await listener.saw('to you');
listener.type('and to you');
await caller.saw('and to you');
caller.stdin.end();
await caller.end;
listener.stdin.end();
await listener.end;

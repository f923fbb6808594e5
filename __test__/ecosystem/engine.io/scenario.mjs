import { createServer } from 'node:http';
import { Server } from 'engine.io';
import { Socket } from 'engine.io-client';
import { WebSocketServer } from 'ws';
import { listen, noise, track, until } from '../kit.mjs';

async function scenario(kind, serverOptions, clientOptions) {
  const server = track(`${kind} server`);
  const sent = track(`${kind} callbacks of the server`);
  const client = track(`${kind} client`);
  const httpServer = createServer();
  const engine = new Server({ pingInterval: 100, pingTimeout: 5000, ...serverOptions });
  engine.attach(httpServer);
  engine.on('connection_error', ({ code, message }) => server('connection_error', code, message));
  engine.on('connection', (socket) => {
    server('connection');
    socket.on('upgrade', (transport) => server('upgrade', transport.name));
    socket.on('message', (data) => {
      server('message', data);
      if (data === 'close') socket.close();
      else socket.send(data, () => sent('sent'));
    });
    socket.on('close', (reason) => server('close', reason));
    socket.send('welcome');
  });
  const port = await listen(httpServer);

  const socket = new Socket(`ws://127.0.0.1:${port}`, clientOptions);
  let answers = 0;
  let beats = 0;
  socket.on('open', () => client('open'));
  socket.on('upgrade', ({ name }) => client('upgrade', name));
  socket.on('message', (data) => {
    client('message', data);
    answers++;
  });
  socket.on('heartbeat', () => beats++);
  socket.on('ping', () => beats++);
  socket.on('close', (reason) => client('close', reason));
  await until(() => socket.readyState === 'open' && socket.transport.name === 'websocket');
  await until(() => answers === 1);
  const messages = [
    'text',
    'ünïcödé \u{1f600}',
    '',
    noise(10),
    noise(100_000),
    'a'.repeat(100_000)
  ];
  for (const message of messages) socket.send(message);
  await until(() => answers === 1 + messages.length);
  await until(() => beats >= 3);
  client('heartbeats came');
  socket.send('close');
  await until(() => socket.readyState === 'closed');
  await until(() => engine.clientsCount === 0);
  engine.close();
  httpServer.close();
}

const websocket = { transports: ['websocket'] };
await scenario('websocket', { transports: ['websocket'] }, websocket);
await scenario('upgrade', {}, { transports: ['polling', 'websocket'] });
await scenario('deflate', { perMessageDeflate: { threshold: 100 } }, websocket);
await scenario('wsEngine', { wsEngine: WebSocketServer }, websocket);
await scenario('small window', { perMessageDeflate: { serverMaxWindowBits: 9 } }, websocket);

import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { from, map } from 'rxjs';
import WebSocket from 'ws';
import { track, until } from '../kit.mjs';

const log = track('gateway');

/** What a compiler makes of decorators. */
function decorate(target, method, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(target, method);
  for (const decorator of decorators) decorator(target, method, descriptor);
}

class Gateway {
  afterInit(server) {
    log('init', server.constructor.name);
  }

  handleConnection(client, request) {
    log('connection', request.url, client.readyState);
  }

  handleDisconnect(client) {
    log('disconnect', client.readyState);
  }

  echo(_client, data) {
    log('echo', data);
    return { event: 'echoed', data };
  }

  many(_client, count) {
    return from(Array.from({ length: count }, (_, i) => i)).pipe(
      map((i) => ({ event: 'many', data: i }))
    );
  }

  tell(client, data) {
    for (const other of this.server.clients) {
      if (other !== client) other.send(JSON.stringify({ event: 'told', data }));
    }
  }

  leave(client) {
    client.close(4001, 'as you wish');
  }
}
for (const method of ['echo', 'many', 'tell', 'leave']) {
  decorate(Gateway.prototype, method, SubscribeMessage(method));
}
WebSocketServer()(Gateway.prototype, 'server');
WebSocketGateway({ path: '/gateway', perMessageDeflate: true })(Gateway);

class App {}
Module({ providers: [Gateway] })(App);

const app = await NestFactory.create(App, { logger: ['error'] });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(0, '127.0.0.1');
const url = (await app.getUrl()).replace('http', 'ws');

async function connect(name, path = '/gateway') {
  const tell = track(name);
  const socket = new WebSocket(url + path);
  let count = 0;
  socket.on('message', (data, isBinary) => {
    tell('message', data, isBinary);
    count++;
  });
  socket.on('error', (error) => tell('error', error));
  socket.on('close', (code, reason) => tell('close', code, reason));
  await until(() => socket.readyState !== WebSocket.CONNECTING);
  return {
    ask: (event, data) => socket.send(JSON.stringify({ event, data })),
    messages: (wanted) => until(() => count === wanted),
    socket
  };
}

const one = await connect('one');
const two = await connect('two');
one.ask('echo', { text: 'ünïcödé \u{1f600}' });
one.ask('echo', 'x'.repeat(200_000));
one.ask('many', 100);
one.ask('nothing', 1);
one.socket.send('not JSON');
await one.messages(102);
one.ask('tell', 'hello');
await two.messages(1);
two.ask('leave');
await until(() => two.socket.readyState === WebSocket.CLOSED);
await connect('wrong path', '/elsewhere');
await app.close();
await until(() => one.socket.readyState === WebSocket.CLOSED);

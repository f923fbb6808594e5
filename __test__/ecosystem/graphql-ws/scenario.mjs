import { once } from 'node:events';
import { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { createClient } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import WebSocket, { WebSocketServer } from 'ws';
import { close, track, until } from '../kit.mjs';

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      hello: {
        type: GraphQLString,
        args: { name: { type: GraphQLString } },
        resolve: (_, { name }) => `hello ${name}`
      },
      fails: { type: GraphQLString, resolve: () => Promise.reject(new Error('it failed')) }
    }
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: {
        type: GraphQLInt,
        args: { to: { type: GraphQLInt } },
        async *subscribe(_, { to }) {
          for (let i = 1; i <= to; i++) yield { count: i };
        }
      },
      forever: {
        type: GraphQLString,
        async *subscribe() {
          try {
            for (let i = 0; ; i++) {
              yield { forever: `${i} ${'x'.repeat(500)}` };
              await new Promise((resolve) => setTimeout(resolve, 1));
            }
          } finally {
            ended('ended');
          }
        }
      }
    }
  })
});

const ended = track('generator');
const wss = new WebSocketServer({
  host: '127.0.0.1',
  path: '/graphql',
  perMessageDeflate: true,
  port: 0
});
await once(wss, 'listening');
const url = `ws://127.0.0.1:${wss.address().port}/graphql`;
// Connections don't wait for each other: each has a track of its own.
const logs = new Map();
wss.on('connection', (socket) => {
  logs.set(socket, track(`server, connection ${logs.size + 1}`));
});
const server = ({ extra }, ...details) => logs.get(extra.socket)(...details);
const disposable = useServer(
  {
    schema,
    connectionInitWaitTimeout: 200,
    onConnect: (context) => {
      server(context, 'connect', context.connectionParams);
      return context.connectionParams?.secret !== 'wrong';
    },
    onDisconnect: (context, code, reason) => server(context, 'disconnect', code, reason),
    onClose: (context, code, reason) => server(context, 'close', code, reason)
  },
  wss,
  1000 // ends a connection that doesn't answer for that long
);

function connect(name, options) {
  const log = track(name);
  const client = createClient({ url, retryAttempts: 0, webSocketImpl: WebSocket, ...options });
  client.on('connected', () => log('connected'));
  client.on('closed', ({ code, reason, wasClean }) => log('closed', code, reason, wasClean));
  return { client, log };
}

function ask({ client, log }, query, variables) {
  return new Promise((resolve) => {
    client.subscribe(
      { query, variables },
      {
        next: (result) => log('next', result),
        error: (error) =>
          resolve(
            log(
              'error',
              Array.isArray(error) ? error.map(({ message }) => message) : (error.reason ?? error)
            )
          ),
        complete: () => resolve(log('complete'))
      }
    );
  });
}

const one = connect('one', { connectionParams: { user: 'one' }, lazy: false, keepAlive: 100 });
let pongs = 0;
one.client.on('pong', () => pongs++);
await ask(one, 'query ($name: String) { hello(name: $name) }', { name: 'ünïcödé \u{1f600}' });
await ask(one, '{ fails }');
await ask(one, '{ nothing }');
await ask(one, 'subscription { count(to: 100) }');
const forever = one.client.iterate({ query: 'subscription { forever }' });
for await (const { data } of forever) {
  one.log('forever', data);
  if (data.forever.startsWith('20 ')) break;
}
await until(() => pongs >= 2);
one.log('pongs came');
await one.client.dispose();

await ask(connect('refused', { connectionParams: { secret: 'wrong' } }), '{ hello }');

// By hand: no greeting in time, a bad message, the wrong subprotocol.
for (const [name, protocol, messages] of [
  ['silent', 'graphql-transport-ws', []],
  ['bad message', 'graphql-transport-ws', ['{"type":"nonsense"}']],
  [
    'too early',
    'graphql-transport-ws',
    ['{"type":"subscribe","id":"1","payload":{"query":"{ hello }"}}']
  ],
  ['old protocol', 'graphql-ws', []]
]) {
  const log = track(name);
  const socket = new WebSocket(url, protocol);
  socket.on('open', () => {
    for (const message of messages) socket.send(message);
  });
  socket.on('error', (error) => log('error', error));
  socket.on('message', (data) => log('message', data));
  await new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve(log('close', code, reason)));
  });
}

// The server goes away under a client that tries again.
const again = connect('again', { retryAttempts: 2, retryWait: async () => {}, lazy: false });
await ask(again, '{ hello(name: "again") }');
for (const socket of wss.clients) socket.close(4500, 'restart');
await ask(again, '{ hello(name: "after") }');
for (const socket of wss.clients) socket.terminate();
await ask(again, '{ hello(name: "after that") }');
await again.client.dispose();
await disposable.dispose();
await close(wss).catch(() => {});

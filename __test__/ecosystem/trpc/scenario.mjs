import { once } from 'node:events';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC, TRPCError, tracked } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import WebSocket, { WebSocketServer } from 'ws';
import { close, delay, track, until } from '../kit.mjs';

const generator = track('generator');
const t = initTRPC.context().create();
const text = (value) => {
  if (typeof value !== 'string') throw new Error('not a string');
  return value;
};
const router = t.router({
  who: t.procedure.query(({ ctx }) => ctx),
  shout: t.procedure.input(text).mutation(({ input }) => input.toUpperCase()),
  fails: t.procedure.query(() => {
    throw new TRPCError({ code: 'FORBIDDEN', message: 'not you' });
  }),
  count: t.procedure
    .input((value) => value)
    .subscription(async function* ({ input, signal }) {
      const from = Number(input?.lastEventId ?? 0);
      try {
        for (let i = from + 1; i <= 200; i++) {
          if (signal.aborted) return;
          yield tracked(String(i), { i, padding: 'x'.repeat(200) });
          if (i === 100 && from === 0)
            await new Promise((end) => signal.addEventListener('abort', end));
        }
      } finally {
        generator('ended');
      }
    })
});

const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
await once(wss, 'listening');
let connections = 0;
wss.on('connection', (ws, request) => {
  const server = track(`server, connection ${++connections}`);
  server('connection', request.url);
  ws.on('close', (code, reason) => server('close', code, reason));
});
const handler = applyWSSHandler({
  wss,
  router,
  createContext: ({ info }) => ({ params: info.connectionParams }),
  keepAlive: { enabled: true, pingMs: 50, pongWaitMs: 5000 }
});

const client = track('client');
const wsClient = createWSClient({
  url: `ws://127.0.0.1:${wss.address().port}/trpc`,
  WebSocket,
  connectionParams: { token: 'ünïcödé' },
  retryDelayMs: () => 0,
  onOpen: () => client('open'),
  onClose: (cause) => client('close', cause?.code),
  keepAlive: { enabled: true, intervalMs: 50, pongTimeoutMs: 5000 }
});
const trpc = createTRPCClient({ links: [wsLink({ client: wsClient })] });

client('who', await trpc.who.query());
client('shout', await trpc.shout.mutate('ünïcödé \u{1f600}'));
client('shout', await trpc.shout.mutate('x'.repeat(300_000)));
await trpc.shout.mutate(1).catch((error) => client('bad input', error.message));
await trpc.fails.query().catch((error) => client('fails', error.message, error.data.code));
client(
  'many',
  await Promise.all(Array.from({ length: 100 }, (_, i) => trpc.shout.mutate(`m${i}`)))
);

// Half of a subscription, the server says that it will restart, the other half.
const events = track('subscription');
await new Promise((resolve) => {
  trpc.count.subscribe(undefined, {
    onStarted: () => events('started'),
    onData: ({ id, data }) => {
      events(id, data.i);
      if (data.i === 100) handler.broadcastReconnectNotification();
    },
    onComplete: resolve,
    onError: (error) => resolve(events('error', error))
  });
});
events('complete');
await delay(150); // keep-alive messages of both sides pass

wsClient.close();
await until(() => wss.clients.size === 0);
await close(wss);

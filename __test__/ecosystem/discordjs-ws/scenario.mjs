import { once } from 'node:events';
import { constants, createDeflate } from 'node:zlib';
import { CompressionMethod, WebSocketManager, WorkerShardingStrategy } from '@discordjs/ws';
import { WebSocketServer } from 'ws';
import { close, track, until } from '../kit.mjs';

// A gateway of Discord, as far as a client sees one:
// https://discord.com/developers/docs/topics/gateway
const [DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK] = [
  0, 1, 2, 6, 7, 9, 10, 11
];
const shards = [0, 1];
const sequences = [0, 0];
const logs = shards.map((id) => track(`gateway, shard ${id}`));
const acknowledged = [0, 0];
const current = [];
const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
await once(wss, 'listening');
const url = `ws://127.0.0.1:${wss.address().port}/`;

wss.on('connection', (ws, request) => {
  // One zlib stream for the whole connection, flushed after each payload.
  const deflate = createDeflate({ flush: constants.Z_SYNC_FLUSH });
  const compressed = new URL(request.url, url).searchParams.get('compress') === 'zlib-stream';
  deflate.on('data', (data) => ws.send(data));
  const send = (payload) => {
    const text = JSON.stringify({ d: null, s: null, t: null, ...payload });
    if (compressed) deflate.write(text);
    else ws.send(text);
  };
  let shard;
  const dispatch = (t, d) => send({ op: DISPATCH, t, d, s: ++sequences[shard] });

  ws.on('message', (data, isBinary) => {
    const { d, op } = JSON.parse(data);
    switch (op) {
      case IDENTIFY:
        shard = d.shard[0];
        sequences[shard] = 0;
        logs[shard]('identify', request.url, isBinary, d);
        dispatch('READY', {
          resume_gateway_url: `${url}resume/`,
          session_id: `session ${shard}`,
          v: 10
        });
        for (let i = 0; i < 20; i++)
          dispatch('MESSAGE_CREATE', { content: 'ünïcödé \u{1f600} '.repeat(i * 50) });
        current[shard] = { dispatch, send, ws };
        break;
      case RESUME:
        shard = Number(d.session_id.at(-1));
        logs[shard]('resume', request.url, d);
        dispatch('MESSAGE_CREATE', { content: 'missed' });
        dispatch('RESUMED', {});
        current[shard] = { dispatch, send, ws };
        break;
      case HEARTBEAT:
        send({ op: ACK });
        if (shard !== undefined) acknowledged[shard]++;
        break;
      default:
        logs[shard]('payload', op, d);
    }
  });
  ws.on('close', (code, reason) => {
    logs[shard]('close', code, reason);
    deflate.close();
  });
  send({ op: HELLO, d: { heartbeat_interval: 300 } });
});

const manager = new WebSocketManager({
  buildIdentifyThrottler: () => ({ waitForIdentify: async () => {} }), // waits 5 s in between
  buildStrategy: (self) => new WorkerShardingStrategy(self, { shardsPerWorker: 1 }),
  compression: CompressionMethod.ZlibNative,
  intents: 0,
  rest: {
    get: async () => ({
      url,
      shards: 2,
      session_start_limit: { max_concurrency: 2, remaining: 1000, reset_after: 0, total: 1000 }
    })
  },
  token: 'secret'
});
const tells = shards.map((id) => track(`client, shard ${id}`));
const ready = [0, 0];
const resumed = [0, 0];
const dispatches = [0, 0];
manager.on('ready', (_data, id) => ready[id]++);
manager.on('resumed', (id) => resumed[id]++);
manager.on('closed', (code, id) => tells[id]('closed', code));
manager.on('socketError', (error, id) => tells[id]('socketError', error));
manager.on('error', (error, id) => tells[id]('error', error));
manager.on('dispatch', ({ d, s, t }, id) => {
  tells[id](t, s, d);
  dispatches[id]++;
});
const both = (counts, wanted) => until(() => counts.every((count) => count >= wanted));

await manager.connect();
await both(dispatches, 21);
for (const id of shards)
  await manager.send(id, {
    op: 3,
    d: { status: 'online', since: null, afk: false, activities: [] }
  });
await both(acknowledged, 2);

// The gateway wants them to come back, loses them, forgets them, doesn't like them.
const ends = [
  ({ send }) => send({ op: RECONNECT }),
  ({ ws }) => ws.terminate(),
  ({ ws }) => ws.close(4000, 'unknown error'),
  ({ send }) => send({ op: INVALID, d: false }),
  ({ ws }) => ws.close(4007, 'invalid sequence')
];
for (const [i, end] of ends.entries()) {
  const seen = [...dispatches];
  for (const id of shards) end(current[id]);
  const expected = i < 3 ? 2 : 21; // resumed, or begun anew
  await until(() => shards.every((id) => dispatches[id] === seen[id] + expected));
  await both(i < 3 ? resumed : ready, i < 3 ? i + 1 : i - 1);
}
await manager.destroy();
await until(() => wss.clients.size === 0);
await close(wss);

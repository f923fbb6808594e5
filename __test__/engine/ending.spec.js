'use strict';

// How connections end: the same events in the same order as with ws.

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const ws = require('ws');
const oxws = require('../..');
const { getEngine } = require('../../lib/engine');
const { upgradeRequest } = require('../support/differential');
const { frame } = require('../support/frames');
const { uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');

/** Without an engine (other platforms, or pinned) there is nothing to test here. */
const skip = getEngine() === null ? 'there is no engine' : false;
/**
 * A thread that reads at once may have read what was sent before the reset that follows it, where
 * ws, whose thread is still busy with sending both, finds them together.
 */
const isTasked = ['auto', 'tokio'].includes(process.env.OXWS_DRIVER);

const KEY = Buffer.from([1, 2, 3, 4]);
const text = (data) => frame(1, data, { key: KEY });

/** A server, on a path or a port, one raw client, and what the server's end tells. */
async function serve(t, { WebSocketServer }, folder) {
  const server = http.createServer();
  const wss = new WebSocketServer({ server, perMessageDeflate: false });
  const where = folder ? { path: path.join(folder, 'socket') } : { host: '127.0.0.1', port: 0 };
  server.listen(where);
  await once(server, 'listening');
  const accepted = once(wss, 'connection');
  const peer = net.connect(folder ? where : server.address());
  peer.on('error', () => {});
  t.after(() => {
    for (const client of wss.clients) client.terminate();
    peer.destroy();
    server.close();
  });
  peer.write(upgradeRequest());
  const [websocket] = await accepted;
  await once(peer, 'data');
  return { peer, websocket };
}

/** Notes what a WebSocket and its socket tell. */
function listen(websocket) {
  const lines = [];
  const note = (line) => lines.push(`${line}, ${websocket.readyState}`);
  websocket.on('message', (data) => note(`message ${data.length > 20 ? data.length : data}`));
  websocket.on('error', ({ message }) => note(`error ${message}`));
  websocket.on('close', (code) => note(`close ${code}`));
  const socket = websocket._socket;
  for (const event of ['end', 'finish']) socket.on(event, () => note(`socket ${event}`));
  socket.on('error', ({ message }) => note(`socket error ${message}`));
  socket.on('close', (hadError) => note(`socket close ${hadError}`));
  return { lines, note };
}

/** Runs a scenario, a list of steps between which time passes. */
async function run(t, implementation, folder, steps) {
  const ends = await serve(t, implementation, folder);
  const { lines, note } = listen(ends.websocket);
  const reset = () => (folder ? ends.peer.destroy() : ends.peer.resetAndDestroy());
  for (const step of steps) {
    step({ ...ends, note, reset });
    await sleep(isTasked ? 100 : 30);
    note('-');
  }
  return lines;
}

const send =
  (data) =>
  ({ peer }) =>
    peer.write(data);
const sendAndReset = (data) => (ends) => {
  send(data)(ends);
  ends.reset();
};
const reset = (ends) => ends.reset();
const pause = ({ websocket }) => websocket.pause();
const resume = ({ websocket }) => websocket.resume();
const terminate = ({ websocket }) => websocket.terminate();
const onMessage = (act) => (ends) => ends.websocket.on('message', () => act(ends));
const sendBack = ({ websocket, note }) =>
  websocket.send('x', (error) => note(`sent ${error?.code}`));
const later = (act) => (ends) => setImmediate(() => act(ends));
const half = text('abcdef').subarray(0, 8);
const fill = ({ websocket, note, peer }) => {
  peer.pause();
  const data = Buffer.alloc(1024 * 1024);
  for (let count = 0; count < 8; count++)
    websocket.send(data, (error) => note(`sent ${error?.code}`));
};

/** What depends on who reads first where another thread does. */
const RACING = [
  'a reset with a message',
  'a reset with much',
  'a reset with the beginning of a message',
  'a reset of a paused connection with a message',
  'a reset of a paused connection with a message, which is ended',
  'a reset with a message while something waits',
  'a reset with a message that is answered in a later turn'
];

/** From libuv 1.52 on these differ: doc/differences.md, "A reset that has company". */
const [major, minor] = process.versions.uv.split('.').map(Number);
const DIFFERENT =
  major > 1 || minor >= 52
    ? [
        'a reset with a message while something waits',
        'a reset with a message that is answered in a later turn'
      ]
    : [];

const SCENARIOS = {
  'a reset': [reset],
  'a reset with a message': [sendAndReset(text('a'))],
  'a reset behind a message': [send(text('a')), reset],
  'a reset with the beginning of a message': [sendAndReset(half)],
  'a reset behind the beginning of a message': [send(half), reset],
  'a reset with much': [sendAndReset(Buffer.concat(Array(500).fill(text('a'.repeat(100)))))],
  'a reset of a paused connection': [pause, reset, resume],
  'a reset of a paused connection with a message': [pause, sendAndReset(text('a')), resume],
  'a reset of a paused connection with a message, which is ended': [
    pause,
    sendAndReset(text('a')),
    terminate
  ],
  'a reset of a paused connection behind a message': [pause, send(text('a')), reset, resume],
  'a reset with a message that is answered': [onMessage(sendBack), sendAndReset(text('a'))],
  'a reset with a message that is answered in a later turn': [
    onMessage(later(sendBack)),
    sendAndReset(text('a'))
  ],
  'a reset with a message while something waits': [fill, sendAndReset(text('a'))],
  'an end with a message that is answered in a later turn': [
    onMessage(later(sendBack)),
    ({ peer }) => peer.end(text('a'))
  ],
  'an end behind the own end': [
    ({ websocket }) => websocket._socket.end(),
    ({ peer }) => peer.end(text('a'))
  ]
};

describe('A connection of the engine ends as with ws:', { skip }, () => {
  for (const kind of ['TCP', 'Unix']) {
    for (const [title, steps] of Object.entries(SCENARIOS)) {
      const isRace = isTasked && RACING.includes(title) && 'which thread is first decides';
      const isDifferent = DIFFERENT.includes(title) && 'a known difference with this libuv';
      it(`${title}, ${kind}`, { skip: isRace || isDifferent }, async (t) => {
        const folder = kind === 'Unix' && fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-'));
        const expected = await run(t, ws, folder, steps);
        if (folder) fs.rmSync(path.join(folder, 'socket'), { force: true });
        assert.deepStrictEqual(await run(t, oxws, folder, steps), expected);
        if (folder) fs.rmSync(folder, { recursive: true });
      });
    }
  }

  /** In which order things happen where two connections end in a turn. */
  async function closeTwo(t, implementation) {
    const { WebSocket, WebSocketServer } = implementation;
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    t.after(() => wss.close());
    await once(wss, 'listening');
    const clients = [1, 2].map(() => new WebSocket(`ws://127.0.0.1:${wss.address().port}`));
    await Promise.all(clients.map((client) => once(client, 'open')));
    await sleep(20);
    const lines = [];
    for (const [index, client] of clients.entries()) {
      client.on('close', () => {
        lines.push(`close ${index}`);
        process.nextTick(() => lines.push(`tick ${index}`));
      });
    }
    setImmediate(() => {
      for (const client of clients) client.terminate();
      setImmediate(() => lines.push('turn'));
    });
    await until(() => lines.length === 5, 'both to close');
    return lines;
  }

  it('two in a turn', async (t) => {
    assert.deepStrictEqual(await closeTwo(t, oxws), await closeTwo(t, ws));
  });

  const isLate = isTasked && 'another thread hears of the end';
  it("the old client is gone when the peer's next one comes", { skip: isLate }, async (t) => {
    for (const implementation of [ws, oxws]) {
      const wss = new implementation.WebSocketServer({ host: '127.0.0.1', port: 0 });
      t.after(() => wss.close());
      await once(wss, 'listening');
      const sizes = [];
      wss.on('connection', () => sizes.push(wss.clients.size));
      for (let round = 0; round < 20; round++) {
        const client = new ws.WebSocket(`ws://127.0.0.1:${wss.address().port}`);
        await once(client, 'open');
        client.close();
        await once(client, 'close');
      }
      assert.deepStrictEqual(sizes, Array(20).fill(1));
    }
  });

  it('though a listener of another one throws', async (t) => {
    const ends = [await serve(t, oxws), await serve(t, oxws)];
    const closed = ends.map(({ websocket }) => once(websocket, 'close'));
    for (const { websocket } of ends) {
      websocket._socket.on('close', () => {
        throw new Error('of a listener');
      });
    }
    const messages = await uncaughtDuring(() => {
      for (const { websocket } of ends) websocket.terminate();
      return Promise.all(closed);
    });
    assert.deepStrictEqual(messages, Array(2).fill('of a listener'));
  });
});

'use strict';

// Finds connections whose other end has vanished without a word, from both sides: the server pings
// and waits for pongs, the client waits for pings. One of the two clients here plays dead.

const { WebSocket, WebSocketServer } = require('oxws');

/** Milliseconds between two pings. Half a minute is common; here you are watching. */
const INTERVAL = Number(process.env.INTERVAL ?? 1000);

/** Milliseconds that the network may delay a ping. */
const TOLERANCE = INTERVAL / 2;

/**
 * Pings the clients of a server, and ends those that left the last ping unanswered.
 *
 * @param {InstanceType<typeof WebSocketServer>} wss The server
 * @return {NodeJS.Timeout} The timer; clear it when the server is closed
 */
function startPings(wss) {
  const unanswered = new WeakSet();

  wss.on('connection', (ws) => {
    ws.on('error', console.error);
    ws.on('pong', () => unanswered.delete(ws));
  });

  return setInterval(() => {
    for (const ws of wss.clients) {
      if (unanswered.has(ws)) {
        ws.terminate(); // close() would wait for an answer, too
      } else {
        unanswered.add(ws);
        ws.ping();
      }
    }
  }, INTERVAL);
}

/**
 * Ends a client when the server's pings stay away.
 *
 * @param {WebSocket} ws The client
 * @return {WebSocket} The same
 */
function expectPings(ws) {
  /** @type {NodeJS.Timeout} */
  let timer;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => ws.terminate(), INTERVAL + TOLERANCE);
  };
  return ws
    .on('open', restart)
    .on('ping', restart)
    .on('close', () => clearTimeout(timer));
}

const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });
const pings = startPings(wss);

wss.on('connection', (ws, { url }) => {
  ws.on('close', (code) => console.log(`server: ${url} is gone (${code})`));
});

wss.on('listening', () => {
  const address = `ws://127.0.0.1:${wss.address().port}`;

  const alive = expectPings(new WebSocket(`${address}/alive`));
  alive.on('ping', () => console.log('/alive: ping, answered by a pong'));
  alive.on('close', () => console.log('/alive: the server is silent; the connection is ended'));

  const dead = new WebSocket(`${address}/dead`, { autoPong: false });
  dead.on('ping', () => console.log('/dead: ping, no answer'));
  dead.on('close', () => {
    // Now it's the server's turn: nothing is closed, but nothing is sent any more.
    console.log('server: falls silent');
    clearInterval(pings);
    alive.on('close', () => wss.close());
  });
});

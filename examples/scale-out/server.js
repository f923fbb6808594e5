'use strict';

// One of several servers. Whatever a client says is published, and each server, this one included,
// sends what is published to its own clients. Servers know nothing of each other.

const { createClient } = require('redis');
const { WebSocket, WebSocketServer } = require('oxws');

const CHANNEL = 'oxws:room';

/**
 * Connects to Redis. A connection that has subscribed can do nothing else: there are two.
 *
 * @return {Promise<{ publisher: any, subscriber: any }>} The connections
 */
async function connectToRedis() {
  let wasThere = false;
  const publisher = createClient({
    url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379',
    // Wait for a Redis that is restarted, not for one that was never there.
    socket: { reconnectStrategy: () => (wasThere ? 500 : false) }
  });
  const subscriber = publisher.duplicate();

  for (const client of [publisher, subscriber]) {
    client.on('error', (error) => {
      if (wasThere) console.error(`Redis: ${error.message || error.code}`);
    });
    await client.connect();
  }
  wasThere = true;
  return { publisher, subscriber };
}

/** Serves. */
async function main() {
  const { publisher, subscriber } = await connectToRedis();
  const port = Number(process.env.PORT ?? 8080);
  const wss = new WebSocketServer({ port, host: '127.0.0.1' }, () => {
    console.log(`ws://localhost:${wss.address().port}/`);
  });

  wss.on('connection', (ws) => {
    ws.on('error', console.error);
    ws.on('message', (data) => publisher.publish(CHANNEL, data.toString()).catch(console.error));
  });

  await subscriber.subscribe(CHANNEL, (text) => {
    for (const ws of wss.clients) {
      if (ws.readyState === WebSocket.OPEN) ws.send(text);
    }
  });
}

main().catch((error) => {
  console.error(`no Redis (${error.message || error.code}); REDIS_URL says where it is`);
  process.exit(1);
});

// It ends with the process that started it.
process.on('disconnect', () => process.exit());

'use strict';

// One of several servers of a chat room. What a client says is published; the broker brings it to
// the other servers.

const { WebSocketServer } = require('oxws');

/** Connects to a broker, by the client that its users know. */
const CONNECT = {
  async redis() {
    const { createRedisBroker } = require('oxws/redis');
    const client = require('redis').createClient({ url: process.env.BROKER_URL });
    client.on('error', () => {});
    await client.connect();
    return createRedisBroker(client);
  },
  async nats() {
    const { createNatsBroker } = require('oxws/nats');
    const { connect } = require('@nats-io/transport-node');
    const connection = await connect({
      servers: process.env.BROKER_URL,
      maxReconnectAttempts: -1
    });
    return createNatsBroker(connection);
  }
};

/** Serves. */
async function main() {
  const broker = await CONNECT[process.env.BROKER]();
  const wss = new WebSocketServer({ port: Number(process.env.PORT), host: '127.0.0.1', broker });
  const name = `server ${process.env.NUMBER}`;

  wss.on('brokerError', (error) => console.error(`${name}: ${error.message}`));
  wss.on('connection', (ws) => {
    ws.on('error', console.error);
    ws.on('message', (data) => wss.publish('room', `${name}: ${data}`));
    ws.subscribe('room');
    ws.send(`you are at ${name}`);
  });
  wss.on('listening', () => process.send('listening'));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

// It ends with the process that started it.
process.on('disconnect', () => process.exit());

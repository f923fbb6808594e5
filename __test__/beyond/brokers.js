'use strict';

// The brokers of the package, each with what it needs of a Redis or a NATS of its own.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const nats = require('@nats-io/transport-node');
const Ioredis = require('ioredis');
const redis = require('redis');

const { createNatsBroker } = require('../../lib/beyond/nats');
const { createRedisBroker } = require('../../lib/beyond/redis');
const { isReachable } = require('../support/ports');
const findProgram = require('../support/programs');
const until = require('../support/until');

const REDIS = {
  program: 'redis-server',
  args: (port, folder) => {
    // What is kept is on the disk before a reply says so.
    const persistence = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
    return ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, ...persistence];
  }
};
const NATS = {
  program: 'nats-server',
  args: (port, folder) => ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', folder]
};

async function connectRedis(port, options) {
  const client = redis.createClient({
    socket: { reconnectStrategy: () => 50 },
    url: `redis://127.0.0.1:${port}`
  });
  client.on('error', () => {});
  await client.connect();
  return { broker: createRedisBroker(client, options), end: () => client.destroy() };
}

async function connectIoredis(port, options) {
  const client = new Ioredis(port, '127.0.0.1', { keyPrefix: 'oxws:', retryStrategy: () => 50 });
  client.on('error', () => {});
  await once(client, 'ready');
  return { broker: createRedisBroker(client, options), end: () => client.disconnect() };
}

function connectToNats(port) {
  const options = { maxReconnectAttempts: -1, reconnectTimeWait: 50 };
  return nats.connect({ servers: `127.0.0.1:${port}`, ...options });
}

async function connectNats(port) {
  const connection = await connectToNats(port);
  return {
    broker: createNatsBroker(connection, { prefix: 'oxws.' }),
    end: () => connection.close()
  };
}

async function connectJetStream(port) {
  const { jetstream } = require('@nats-io/jetstream');
  const connection = await connectToNats(port);
  const client = jetstream(connection);
  const manager = await client.jetstreamManager();
  await manager.streams.add({ name: 'oxws', subjects: ['kept.>'], storage: 'file' });
  return {
    broker: createNatsBroker(connection, { jetstream: client, prefix: 'kept.', stream: 'oxws' }),
    end: () => connection.close()
  };
}

/** How each is started, and connected; whether it keeps what is published. */
const BROKERS = {
  redis: { ...REDIS, connect: connectRedis },
  ioredis: { ...REDIS, connect: (port) => connectIoredis(port, { prefix: 'room:' }) },
  'a stream by redis': {
    ...REDIS,
    connect: (port) => connectRedis(port, { stream: 'kept' }),
    keeps: true
  },
  'a stream by ioredis': {
    ...REDIS,
    connect: (port) => connectIoredis(port, { stream: 'kept' }),
    keeps: true
  },
  nats: { ...NATS, connect: connectNats },
  jetstream: { ...NATS, connect: connectJetStream, keeps: true }
};

/** Why what needs the program of a broker is left out; `false` where it is there. */
function reasonToSkip({ program }) {
  return findProgram(program) === undefined && `no ${program} found`;
}

/** The program of a broker, on a port. */
class BrokerServer {
  constructor({ args, program }, port) {
    this.port = port;
    this._program = program;
    this._folder = mkdtempSync(path.join(tmpdir(), 'oxws-broker-'));
    this._args = args(port, this._folder);
  }

  async start() {
    this._child = spawn(findProgram(this._program), this._args, { stdio: 'ignore' });
    await until(() => isReachable(this.port), this._program);
  }

  /** Ends it, by default as a crash would. */
  async stop(signal = 'SIGKILL') {
    const child = this._child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** Ends it, and forgets what it has kept. */
  async end() {
    await this.stop();
    rmSync(this._folder, { force: true, recursive: true });
  }
}

module.exports = { BROKERS, BrokerServer, reasonToSkip };

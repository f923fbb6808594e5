'use strict';

// A chat room on several servers, as if each were on a machine of its own: nginx gives each client
// to one of them, a broker brings to all what is said at one.
//
//   node examples/scale-out redis
//   node examples/scale-out nats
//
// It starts everything that it needs and ends it again. PORT is the port of nginx.

const { fork, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

/** The programs that can carry messages. */
const BROKERS = {
  redis: {
    command: (port) => ['redis-server', '--port', `${port}`, '--bind', '127.0.0.1', '--save', ''],
    url: (port) => `redis://127.0.0.1:${port}`
  },
  nats: {
    command: (port) => ['nats-server', '-a', '127.0.0.1', '-p', `${port}`],
    url: (port) => `nats://127.0.0.1:${port}`
  }
};

const SERVERS = Number(process.env.SERVERS ?? 3);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-scale-out-'));
const children = [];
let isEnding = false;

/** Ends what was started. */
function end(code) {
  isEnding = true;
  for (const child of children) child.kill();
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

/** Says what is wrong, and ends. */
function fail(message) {
  if (isEnding) return;
  console.error(message);
  end(1);
}

/** Finds a port that is free. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a program and waits until it listens. */
async function start([program, ...args], port) {
  const child = spawn(program, args, { cwd: folder, stdio: 'ignore' });
  child.on('error', () => fail(`${program} is not installed`));
  child.on('exit', (code) => fail(`${program} has ended with ${code}`));
  children.push(child);
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket = net.connect(port, '127.0.0.1');
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false
    );
    socket.destroy();
    if (isThere) return;
    await sleep(50);
  }
  fail(`${program} doesn't listen`);
}

/** Starts a server of the room. */
async function startServer(number, broker, url) {
  const port = await freePort();
  const env = { BROKER: broker, BROKER_URL: url, NUMBER: `${number}`, PORT: `${port}` };
  const child = fork(path.join(__dirname, 'server.js'), { env: { ...process.env, ...env } });
  child.on('exit', (code) => fail(`server ${number} has ended with ${code}`));
  children.push(child);
  await once(child, 'message');
  return port;
}

/** What nginx needs to know: the servers, and that connections are upgraded. */
function configure(port, servers) {
  return `
    daemon off;
    pid nginx.pid;
    error_log stderr;
    events {}
    http {
      access_log off;
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      upstream room { ${servers.map((server) => `server 127.0.0.1:${server};`).join(' ')} }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://room;
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection upgrade;
          proxy_read_timeout 1h;
        }
      }
    }`;
}

/** Starts everything. */
async function main() {
  const broker = process.argv[2] ?? 'redis';
  if (!Object.hasOwn(BROKERS, broker)) return fail('which broker: redis or nats?');
  const { command, url } = BROKERS[broker];
  const brokerPort = await freePort();
  await start(command(brokerPort), brokerPort);

  const servers = [];
  for (let number = 1; number <= SERVERS; number++) {
    servers.push(await startServer(number, broker, url(brokerPort)));
  }
  const port = Number(process.env.PORT ?? 8080) || (await freePort());
  const file = path.join(folder, 'nginx.conf');
  fs.writeFileSync(file, configure(port, servers));
  await start(['nginx', '-p', folder, '-c', file, '-e', 'stderr'], port);
  console.log(`ws://localhost:${port}/`);
}

process.on('SIGINT', () => end(0));
process.on('SIGTERM', () => end(0));
main();

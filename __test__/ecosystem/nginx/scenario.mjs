import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import WebSocket, { WebSocketServer } from 'ws';
import {
  certificate,
  close,
  converse,
  echo,
  freePort,
  listen,
  reachable,
  track,
  until
} from '../kit.mjs';

const folder = mkdtempSync(join(tmpdir(), 'oxws-nginx-'));
const log = track('server');
const answer = echo('server');
const server = createServer((_request, response) => response.writeHead(426).end());
const wss = new WebSocketServer({ perMessageDeflate: true, server });
wss.on('connection', (ws, request) => {
  log({ host: request.headers.host, 'x-real-ip': request.headers['x-real-ip'] });
  answer(ws, request);
});
const targetPort = await listen(server);
// A Unix socket behind nginx, too.
const unix = createServer();
const unixServer = new WebSocketServer({ server: unix });
unixServer.on('connection', echo('Unix socket server'));
const path = join(folder, 'server.sock');
await new Promise((resolve) => unix.listen(path, resolve));

const plainPort = await freePort();
const securePort = await freePort();
const { cert, key } = certificate();
writeFileSync(join(folder, 'cert.pem'), cert);
writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 });
const upgrade = `proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;`;
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
writeFileSync(
  join(folder, 'nginx.conf'),
  `daemon off;
${process.getuid() === 0 ? `user ${userInfo().username};` : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${plainPort};
    listen 127.0.0.1:${securePort} ssl;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    location / {
      proxy_pass http://127.0.0.1:${targetPort};
      ${upgrade}
    }
    location /unix {
      proxy_pass http://unix:${path};
      ${upgrade}
    }
    location /idle {
      proxy_pass http://127.0.0.1:${targetPort};
      proxy_read_timeout 1s;
      ${upgrade}
    }
    location /no-upgrade { proxy_pass http://127.0.0.1:${targetPort}; }
    location /nobody { proxy_pass http://127.0.0.1:1; }
  }
}
`
);
const nginx = spawn(
  process.env.ECOSYSTEM_COMMAND,
  ['-p', folder, '-c', join(folder, 'nginx.conf')],
  {
    stdio: ['ignore', 'ignore', 'inherit']
  }
);
process.on('exit', () => nginx.kill('SIGKILL'));
await reachable(plainPort);

for (const [kind, url] of [
  ['plain', `ws://127.0.0.1:${plainPort}`],
  ['TLS', `wss://127.0.0.1:${securePort}`]
]) {
  const options = { rejectUnauthorized: false };
  const uncompressed = { ...options, perMessageDeflate: false };
  await converse(`${kind} client`, new WebSocket(`${url}/`, options));
  await converse(`${kind} uncompressed`, new WebSocket(`${url}/`, uncompressed));
  await converse(`${kind} to a Unix socket`, new WebSocket(`${url}/unix`, options));
  await converse(`${kind} without upgrade`, new WebSocket(`${url}/no-upgrade`, options));
  await converse(`${kind} nobody there`, new WebSocket(`${url}/nobody`, options));
}

// nginx ends what is silent for too long: pings of the server keep a connection.
const tell = track('idle');
const idle = new WebSocket(`ws://127.0.0.1:${plainPort}/idle`);
const kept = new WebSocket(`ws://127.0.0.1:${plainPort}/idle`);
await until(() => wss.clients.size === 2 && kept.readyState === WebSocket.OPEN);
const pings = setInterval(() => [...wss.clients].at(-1).ping(), 200);
await new Promise((resolve) => {
  idle.on('close', (code, reason) => resolve(tell('close', code, reason)));
});
await new Promise((resolve) => kept.once('ping', () => resolve(tell('kept', kept.readyState))));
clearInterval(pings);
kept.close();
await until(() => wss.clients.size === 0);

nginx.kill('SIGTERM');
await once(nginx, 'exit');
await close(server);
await close(unix);
rmSync(folder, { recursive: true });

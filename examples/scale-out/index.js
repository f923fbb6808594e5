'use strict';

// Starts several servers, as if each were on a machine of its own, which share what is said by
// Redis. PORT is the port of the first one, REDIS_URL where Redis is.

const { fork } = require('node:child_process');
const path = require('node:path');

const first = Number(process.env.PORT ?? 8080);
const count = Number(process.env.SERVERS ?? 3);

for (let i = 0; i < count; i++) {
  const port = first === 0 ? 0 : first + i;
  const server = fork(path.join(__dirname, 'server.js'), {
    env: { ...process.env, PORT: `${port}` }
  });
  server.on('exit', (code) => {
    process.exitCode ||= code ?? 1;
  });
}

// A tunnel between plain connections and those over TLS: the testsuite speaks plain TCP, oxws TLS.

import { createRequire } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';

const { cert, key } = createRequire(import.meta.url)('../support/certificate');

/**
 * Hands on what comes from either end, and its end.
 *
 * @param {net.Socket} one A connection
 * @param {net.Socket} other The other one
 */
function join(one, other) {
  for (const [from, to] of [
    [one, other],
    [other, one]
  ]) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroySoon());
  }
}

/**
 * Listens for plain connections to a server of TLS.
 *
 * @param {number} port Where to listen
 * @param {number} to The port of the server
 */
export function enterTls(port, to) {
  const accept = (socket) => {
    const options = { port: to, host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true };
    join(socket, tls.connect(options));
  };
  net.createServer({ allowHalfOpen: true, noDelay: true }, accept).listen(port, '127.0.0.1');
}

/**
 * Listens for connections over TLS to a plain server.
 *
 * @param {number} to The port of the server
 * @return {Promise<number>} Where it listens; that doesn't keep the process alive
 */
export function leaveTls(to) {
  const options = { cert, key, allowHalfOpen: true, noDelay: true };
  const server = tls.createServer(options, (socket) => {
    join(socket, net.connect({ port: to, host: '127.0.0.1', allowHalfOpen: true }));
  });
  server.unref();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

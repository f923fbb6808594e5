// @ts-check
'use strict';

// Ports to listen on.

const { randomInt } = require('node:crypto');
const { once } = require('node:events');
const net = require('node:net');

/**
 * Below those that systems give to who asks for none, for a connection or a server: Linux from 32
 * 768 on.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/**
 * Finds a port for programs that want to be told one.
 *
 * @return {Promise<number>} A port that nobody uses, at any address: some programs listen at all of
 *   them; and that nobody gets by chance until the program does
 */
async function freePort() {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const server = net.createServer().listen(port);
    try {
      await once(server, 'listening');
    } catch (error) {
      // In use; or, on Windows, set aside for something else.
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code === 'EADDRINUSE' || code === 'EACCES') continue;
      throw error;
    }
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/**
 * Tells whether somebody listens on the loopback interface.
 *
 * @param {number} port Where
 * @return {Promise<boolean>} Whether it is so
 */
async function isReachable(port) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

module.exports = { freePort, isReachable };

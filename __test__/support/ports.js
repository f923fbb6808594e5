// @ts-check
'use strict';

// Ports to listen on.

const { once } = require('node:events');
const net = require('node:net');

/**
 * Finds a port for programs that want to be told one.
 *
 * @return {Promise<number>} A port that nobody uses, at any address: some programs listen at all of them
 */
async function freePort() {
  const server = net.createServer().listen(0);
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
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

// @ts-check
'use strict';

// Serves the demo until it is interrupted. `PORT` chooses the port (8080), `HOST` the address
// (127.0.0.1: this machine only); without `PORT` a free port serves when 8080 is taken.

const { createDemo } = require('./server');

const DEFAULT_PORT = 8080;

/**
 * Listens on a port.
 *
 * @param {import('node:http').Server} server The server
 * @param {number} port The port; 0 for any free one
 * @param {string} host The address
 * @return {Promise<number>} The port that it listens on
 */
function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
    });
  });
}

/**
 * Reads a port number from the environment.
 *
 * @param {string | undefined} text The value of `PORT`
 * @return {number | undefined} The port, `undefined` when none is given
 */
function parsePort(text) {
  if (text === undefined || text === '') return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`PORT is no port number: ${text}`);
  }
  return port;
}

/**
 * Starts listening.
 *
 * @param {import('node:http').Server} server The server
 * @return {Promise<string>} The address of the page
 */
async function start(server) {
  const host = process.env.HOST || '127.0.0.1';
  const wanted = parsePort(process.env.PORT);
  let port = wanted ?? DEFAULT_PORT;
  try {
    port = await listen(server, port, host);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== 'EADDRINUSE') throw error;
    if (wanted !== undefined) {
      throw new Error(`port ${port} is taken; choose another one: PORT=8081 npm start`);
    }
    console.log(`Port ${port} is taken.`);
    port = await listen(server, 0, host);
  }
  return `http://${host === '127.0.0.1' ? 'localhost' : host}:${port}/`;
}

/** Serves until SIGINT or SIGTERM; a second signal ends the process at once. */
async function main() {
  const demo = createDemo();
  const url = await start(demo.server);
  console.log(`\n  oxws demo: ${url}\n\n  Open it in several windows. Ctrl+C ends it.\n`);

  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.once(signal, async () => {
      console.log('\nClosing the connections ...');
      await demo.close();
    });
  }
}

main().catch((error) => {
  console.error(`oxws demo: ${error.message}`);
  process.exitCode = 1;
});

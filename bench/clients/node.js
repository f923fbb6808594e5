// @ts-check
'use strict';

/**
 * The client under test, for packages with the API of ws: sends back what it gets, so that as many
 * messages are under way as it begins with.
 *
 * Its one argument is JSON: {@link Options}. It prints the port on which it awaits its server, and
 * ends with its standard input.
 */

const net = require('node:net');

/**
 * @typedef {object} Options
 * @property {string} package What to require: `ws`, or the path of the package under test
 * @property {Record<string, number>} load Connections, and messages that each has under way
 */

/** @type {Options} */
const options = JSON.parse(process.argv[2]);
const { WebSocket } = require(options.package);
const { connections, size, 'in-flight': inFlight } = options.load;
const data = Buffer.alloc(size, 'a message');

// A port that was free a moment ago.
const probe = net.createServer().listen(0, '127.0.0.1', () => {
  const { port } = /** @type {net.AddressInfo} */ (probe.address());
  probe.close(() => {
    console.log(JSON.stringify({ port, version: process.version }));
    awaitServer(port);
  });
});

// However the one who started it ends, this process does not outlive it.
process.stdin.resume().on('end', () => process.exit());

/**
 * Opens the connections, one by one, from when the server listens on.
 *
 * @param {number} port Where
 * @param {number} [opened] How many are open
 */
function awaitServer(port, opened = 0) {
  if (opened === connections) return;
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  ws.on('open', () => {
    for (let i = 0; i < inFlight; i++) ws.send(data);
    awaitServer(port, opened + 1);
  });
  ws.on('message', echo);
  ws.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    if (opened > 0 || error.code !== 'ECONNREFUSED') throw error;
    setTimeout(awaitServer, 10, port);
  });
}

/**
 * @this {import('ws').WebSocket}
 * @param {Buffer} message
 */
function echo(message) {
  this.send(message);
}

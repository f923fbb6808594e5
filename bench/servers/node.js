// @ts-check
'use strict';

/**
 * The server under test on Node.js, for packages with the API of ws.
 *
 * Its one argument is JSON: {@link Options}. It prints its port and ends with its standard input.
 */

const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { join } = require('node:path');

/**
 * @typedef {object} Options
 * @property {string} package What to require: `ws`, or the path of the package under test
 * @property {boolean} broadcast Send each message to all instead of back
 * @property {boolean} publish Do so by a topic that all have subscribed to
 * @property {'promise' | 'immediate' | null} awaits What to wait for before an answer
 * @property {{level: number, takeover: boolean} | null} deflate Accept permessage-deflate: the
 *   level of compression, and whether both sides take their windows over
 * @property {string | null} certificates Directory of `certificate.pem` and `key.pem`: serve TLS
 */

/** @type {Options} */
const options = JSON.parse(process.argv[2]);
const { WebSocket, WebSocketServer } = require(options.package);

const EVERYBODY = 'everybody';
const publishes = options.publish && 'publish' in WebSocketServer.prototype;

const server = options.certificates
  ? https.createServer(
      {
        cert: readFileSync(join(options.certificates, 'certificate.pem')),
        key: readFileSync(join(options.certificates, 'key.pem'))
      },
      respond
    )
  : http.createServer(respond);

const wss = new WebSocketServer({ server, perMessageDeflate: toPerMessageDeflate(options) });

wss.on('connection', (ws) => {
  ws.on('error', (error) => console.error(error));
  if (publishes) ws.subscribe(EVERYBODY);
  ws.on('message', listener());
});

server.listen(0, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(JSON.stringify({ port, version: process.version }));
});

// However the one who started it ends, this process does not outlive it.
process.stdin.resume().on('end', () => process.exit());

/**
 * @param {Options} options
 */
function toPerMessageDeflate({ deflate }) {
  if (deflate === null) return false;
  const noContextTakeover = deflate.takeover ? undefined : true;
  return {
    clientNoContextTakeover: noContextTakeover,
    serverNoContextTakeover: noContextTakeover,
    zlibDeflateOptions: { level: deflate.level }
  };
}

/**
 * @this {import('ws').WebSocket}
 * @param {Buffer} data
 * @param {boolean} isBinary
 */
function echo(data, isBinary) {
  this.send(data, { binary: isBinary });
}

/**
 * @this {import('ws').WebSocket}
 * @param {Buffer} data
 * @param {boolean} isBinary
 */
async function echoLater(data, isBinary) {
  await (options.awaits === 'immediate' ? new Promise(setImmediate) : null);
  this.send(data, { binary: isBinary });
}

/**
 * @param {Buffer} data
 * @param {boolean} isBinary
 */
function broadcast(data, isBinary) {
  for (const client of wss.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
  }
}

/**
 * @param {Buffer} data
 * @param {boolean} isBinary
 */
function publish(data, isBinary) {
  wss.publish(EVERYBODY, data, { binary: isBinary });
}

/**
 * @return {(data: Buffer, isBinary: boolean) => unknown}
 */
function listener() {
  if (publishes) return publish;
  if (options.broadcast) return broadcast;
  return options.awaits ? echoLater : echo;
}

/**
 * Collects garbage, whatever was asked for.
 *
 * @param {http.IncomingMessage} _request
 * @param {http.ServerResponse} response
 */
function respond(_request, response) {
  // A second time for what the finalizers of the first let go of.
  globalThis.gc?.();
  setImmediate(() => {
    globalThis.gc?.();
    response.end();
  });
}

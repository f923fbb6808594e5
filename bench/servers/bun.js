// @ts-nocheck: the types of Bun are not installed.
'use strict';

/**
 * The server under test on Bun, with the server that Bun brings along.
 *
 * Argument and output are those of `node.js` beside it.
 */

const { join } = require('node:path');

const options = JSON.parse(process.argv[2]);
const everybody = 'everybody';
const compress = options.deflate !== null;

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  tls: options.certificates
    ? {
        cert: Bun.file(join(options.certificates, 'certificate.pem')),
        key: Bun.file(join(options.certificates, 'key.pem'))
      }
    : undefined,
  fetch(request, self) {
    if (self.upgrade(request)) return undefined;
    Bun.gc(true);
    return new Response('');
  },
  websocket: {
    idleTimeout: 0,
    // The level can't be chosen.
    perMessageDeflate: options.deflate
      ? options.deflate.takeover
        ? { compress: 'dedicated', decompress: 'dedicated' }
        : { compress: 'shared', decompress: 'shared' }
      : false,
    open(ws) {
      if (options.broadcast) ws.subscribe(everybody);
    },
    message(ws, data) {
      if (options.broadcast) server.publish(everybody, data, compress);
      else ws.send(data, compress);
    }
  }
});

console.log(JSON.stringify({ port: server.port, version: Bun.version }));

// However the one who started it ends, this process does not outlive it.
process.stdin.resume().on('end', () => process.exit());

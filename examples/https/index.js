'use strict';

// A WebSocket server behind TLS, and a client that trusts its certificate. CERT and KEY name your
// own files; without them openssl makes a certificate for localhost that is good for a week.

const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { createServer } = require('node:https');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { WebSocket, WebSocketServer } = require('oxws');

/**
 * Makes a certificate.
 *
 * @return {{ cert: Buffer, key: Buffer }} The certificate and its key
 */
function makeCertificate() {
  const folder = mkdtempSync(path.join(tmpdir(), 'certificate-'));
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(folder, name));
  try {
    execFileSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-days', '7', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ...['-keyout', key, '-out', cert]
    ]);
    return { cert: readFileSync(cert), key: readFileSync(key) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { CERT, KEY, PORT = '8443' } = process.env;
const { cert, key } =
  CERT && KEY ? { cert: readFileSync(CERT), key: readFileSync(KEY) } : makeCertificate();

const server = createServer({ cert, key });
const wss = new WebSocketServer({ server });

wss.on('connection', (ws, request) => {
  ws.on('error', console.error);
  ws.on('message', (data) => ws.send(`over ${request.socket.getProtocol()}: ${data}`));
});

server.listen(Number(PORT), '127.0.0.1', () => {
  const address = `wss://localhost:${server.address().port}/`;
  console.log(address);

  // `ca` says whom to trust besides those that everybody does: here, the server's own certificate.
  const ws = new WebSocket(address, { ca: cert });
  ws.on('error', console.error);
  ws.on('open', () => ws.send('hello'));
  ws.on('message', (data) => {
    console.log(`The client got back "${data}"`);
    ws.close();
  });
});

'use strict';

// A server with some clients, for tests of topics; all end with the test.

const { once } = require('node:events');
const http2 = require('node:http2');
const https = require('node:https');
const { Duplex } = require('node:stream');

const { extension, PerMessageDeflate, WebSocket, WebSocketServer } = require('../..');
const certificate = require('../support/certificate');
const { join, serve } = require('../support/connections');
const until = require('../support/until');

/** Both ends of a stream that is no socket. What one writes waits until the other one reads. */
function duplexPair() {
  const ends = [];
  const waiting = [null, null];
  for (const index of [0, 1]) {
    ends.push(
      new Duplex({
        read() {
          if (waiting[index] !== null) process.nextTick(waiting[index]);
          waiting[index] = null;
        },
        write(chunk, _encoding, callback) {
          if (ends[1 - index].push(chunk)) process.nextTick(callback);
          else waiting[1 - index] = callback;
        },
        destroy(error, callback) {
          if (!ends[1 - index].destroyed) ends[1 - index].push(null);
          callback(error);
        },
        final(callback) {
          ends[1 - index].push(null);
          callback();
        }
      })
    );
  }
  return ends;
}

/** A server over TLS. */
async function serveTls(t, options) {
  const server = https.createServer(certificate);
  const wss = new WebSocketServer({ server, ...options });
  t.after(() => {
    for (const peer of wss.clients ?? []) peer.terminate();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `wss://127.0.0.1:${server.address().port}`, wss };
}

/** A server over HTTP/2, and the session on which all its clients are. */
async function serveHttp2(t, options) {
  const settings = { enableConnectProtocol: true };
  const server = http2.createSecureServer({ ...certificate, settings });
  const sessions = [];
  server.on('session', (session) => sessions.push(session));
  const wss = new WebSocketServer({ server, ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const url = `wss://127.0.0.1:${port}`;
  const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  t.after(() => {
    for (const each of [session, ...sessions]) each.destroy();
    server.close();
  });
  return { session, url, wss };
}

/** Joins by a `Duplex` in place of a socket. */
async function joinByDuplex(t, { wss }, options) {
  const [near, far] = duplexPair();
  const ws = new WebSocket(null, undefined, { closeTimeout: 30_000, ...options });
  ws._isServer = false;
  const accepted = new Promise((resolve) => {
    const req = {
      headers: {
        'sec-websocket-extensions': PerMessageDeflate.extensionName,
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-version': '13',
        upgrade: 'websocket'
      },
      method: 'GET',
      socket: near,
      url: '/'
    };
    wss.handleUpgrade(req, near, Buffer.alloc(0), resolve);
  });
  const [response] = await once(far, 'data');
  const peer = await accepted;
  const [, agreed] = /^Sec-WebSocket-Extensions: (.*)\r$/m.exec(response) ?? [];
  if (agreed !== undefined) {
    const perMessageDeflate = new PerMessageDeflate({});
    perMessageDeflate.offer();
    perMessageDeflate.accept(extension.parse(agreed)[PerMessageDeflate.extensionName]);
    ws._extensions = { [PerMessageDeflate.extensionName]: perMessageDeflate };
  }
  ws.setSocket(far, Buffer.alloc(0), { maxPayload: 0 });
  t.after(() => {
    ws.terminate();
    peer.terminate();
  });
  return { peer, ws };
}

const KINDS = {
  tcp: { join, serve },
  tls: {
    join: (t, served, options) => join(t, served, { rejectUnauthorized: false, ...options }),
    serve: serveTls
  },
  http2: {
    join: (t, served, options) => join(t, served, { http2: served.session, ...options }),
    serve: serveHttp2
  },
  duplex: {
    join: joinByDuplex,
    async serve(t, options) {
      const wss = new WebSocketServer({ noServer: true, ...options });
      t.after(() => wss.close());
      return { wss };
    }
  }
};

/**
 * A server of a kind (`tcp`, `tls`, `http2`, `duplex`), and this many clients: the server's end of
 * each, what it has received and how it ended.
 */
async function openRoom(t, count, options, kind = 'tcp', clientOptions = undefined) {
  const served = await KINDS[kind].serve(t, options);
  const members = [];
  const addMember = async () => {
    const { peer, ws: client } = await KINDS[kind].join(t, served, clientOptions);
    const received = [];
    client.on('message', (data, isBinary) => received.push(isBinary ? [...data] : data.toString()));
    client.on('ping', () => received.push('(ping)'));
    client.on('error', () => {});
    client.on('close', (code) => received.push(`(close ${code})`));
    const member = { client, received, ws: peer };
    members.push(member);
    return member;
  };
  for (let index = 0; index < count; index++) await addMember();
  return { ...served, addMember, members };
}

/** Waits until each has received so many. */
async function receiveAll(members, count) {
  const list = Array.isArray(count) ? count : members.map(() => count);
  await until(
    () => members.every(({ received }, index) => received.length >= list[index]),
    () => `${list} messages: ${JSON.stringify(members.map(({ received }) => received.length))}`
  );
}

module.exports = { kinds: Object.keys(KINDS), openRoom, receiveAll };

import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, createServer as createSocketServer } from 'node:net';
import { SocksProxyAgent } from 'socks-proxy-agent';
import WebSocket, { WebSocketServer } from 'ws';
import { certificate, close, converse, echo, listen, track } from '../kit.mjs';

/** Reads exactly so many bytes of a socket. */
async function take(socket, length) {
  let chunk = socket.read(length);
  while (chunk === null) {
    await new Promise((resolve) => socket.once('readable', resolve));
    chunk = socket.read(length);
  }
  return chunk;
}

/** A SOCKS 5 proxy (RFC 1928) with names and passwords (RFC 1929). */
function startProxy(log) {
  return createSocketServer(async (socket) => {
    socket.on('error', () => {});
    const [, methods] = await take(socket, 2);
    const wantsPassword = (await take(socket, methods)).includes(2);
    socket.write(Buffer.from([5, wantsPassword ? 2 : 0]));
    if (wantsPassword) {
      const name = String(await take(socket, (await take(socket, 2))[1]));
      const password = String(await take(socket, (await take(socket, 1))[0]));
      log('user', name);
      socket.write(Buffer.from([1, password === 'secret' ? 0 : 1]));
      if (password !== 'secret') return socket.destroySoon();
    }
    const [, command, , type] = await take(socket, 4);
    const host =
      type === 1
        ? [...(await take(socket, 4))].join('.')
        : String(await take(socket, (await take(socket, 1))[0]));
    const port = (await take(socket, 2)).readUInt16BE();
    log('command', command, 'address type', type, `${host}:${port}`);
    const answer = (code) => socket.write(Buffer.from([5, code, 0, 1, 127, 0, 0, 1, 0, 0]));
    const target = connect(port, '127.0.0.1', () => {
      answer(0);
      socket.pipe(target).pipe(socket);
    });
    socket.on('close', () => target.destroy());
    target.on('close', () => socket.destroySoon());
    target.on('error', () => {
      answer(5);
      socket.destroySoon();
    });
  });
}

const answer = echo('server');
const proxy = startProxy(track('proxy'));
const proxyPort = await listen(proxy);
for (const [scheme, server] of [
  ['ws', createServer()],
  ['wss', createSecureServer(certificate())]
]) {
  const wss = new WebSocketServer({ perMessageDeflate: true, server });
  wss.on('connection', answer);
  const port = await listen(server);
  for (const kind of ['socks5', 'socks5h']) {
    const options = {
      agent: new SocksProxyAgent(`${kind}://me:secret@127.0.0.1:${proxyPort}`),
      rejectUnauthorized: false
    };
    const url = `${scheme}://localhost:${port}/${kind}`;
    await converse(`${scheme} by ${kind}`, new WebSocket(url, options));
    const uncompressed = { ...options, perMessageDeflate: false };
    await converse(`${scheme} by ${kind}, uncompressed`, new WebSocket(url, uncompressed));
  }
  await close(server);
}

const open = new SocksProxyAgent(`socks5://127.0.0.1:${proxyPort}`);
await converse('nobody there', new WebSocket('ws://127.0.0.1:1/', { agent: open }));
const wrong = new SocksProxyAgent(`socks5://me:wrong@127.0.0.1:${proxyPort}`);
await converse('wrong password', new WebSocket('ws://127.0.0.1:1/', { agent: wrong }));
await close(proxy);

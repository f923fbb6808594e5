import { createServer as createHttpServer } from 'node:http';
import { join } from 'node:path';
import { createServer } from 'vite';
import WebSocket from 'ws';
import { close, listen, makeProject, track, until } from '../kit.mjs';

const { root, write } = makeProject(import.meta.dirname);
write('index.html', '<!doctype html><script type="module" src="/main.js"></script>');
write(
  'main.js',
  "import { n } from './part.js';\nconsole.log(n);\nimport.meta.hot.accept('./part.js', () => {});\n"
);
write('part.js', 'export const n = 1;\n');

/** Opens the socket that the page would open, by the client's token, and notes what comes. */
async function follow(name, server, port) {
  const log = track(name);
  const socket = new WebSocket(
    `ws://127.0.0.1:${port}/?token=${server.config.webSocketToken}`,
    'vite-hmr'
  );
  const types = [];
  socket.on('message', (data, isBinary) => {
    const { updates, event, err, type, data: custom } = JSON.parse(data);
    types.push(type);
    const changed = updates?.map(({ acceptedPath, path, type: kind }) => [
      kind,
      path,
      acceptedPath
    ]);
    log(
      'message',
      isBinary,
      type,
      changed ?? event ?? err?.message.split('\n')[0] ?? '',
      custom ?? ''
    );
  });
  socket.on('error', (error) => log('error', error));
  socket.on('close', (code, reason) => log('close', code, reason));
  const saw = (wanted) => until(() => types.includes(wanted));
  await saw('connected');
  log('state', socket.readyState, socket.protocol);
  return { saw, socket };
}

async function scenario(kind, hmr, hmrPort) {
  const server = await createServer({
    cacheDir: join(root, 'node_modules/.vite'),
    configFile: false,
    logLevel: 'silent',
    optimizeDeps: { noDiscovery: true },
    root,
    server: { hmr, host: '127.0.0.1', port: 0, watch: { interval: 50, usePolling: true } }
  });
  const log = track(`${kind} server`);
  server.ws.on('connection', () => log('connection'));
  server.ws.on('from:client', (data, client) => {
    log('from:client', data);
    client.send('from:server', { back: data });
  });
  await server.listen();
  const port = server.httpServer.address().port;
  for (const path of ['/', '/@vite/client', '/main.js', '/part.js']) {
    log(path, (await fetch(`http://127.0.0.1:${port}${path}`)).status);
  }
  const page = await follow(`${kind} page`, server, hmrPort ?? port);
  page.socket.send(
    JSON.stringify({ type: 'custom', event: 'from:client', data: 'ünïcödé \u{1f600}' })
  );
  await page.saw('custom');
  write('part.js', `export const n = '${kind} '.repeat(1000);\n`);
  await page.saw('update');
  write('index.html', `<!doctype html><script type="module" src="/main.js"></script>${kind}`);
  await page.saw('full-reload');

  // Without the token: refused.
  const stranger = track(`${kind} stranger`);
  const socket = new WebSocket(`ws://127.0.0.1:${hmrPort ?? port}/?token=wrong`, 'vite-hmr', {
    origin: 'http://elsewhere.example'
  });
  socket.on('error', (error) => stranger('error', error));
  await new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve(stranger('close', code, reason)));
  });
  await server.close();
  await until(() => page.socket.readyState === WebSocket.CLOSED);
}

await scenario('own port', true);
const http = createHttpServer();
const port = await listen(http);
await scenario('given server', { server: http }, port);
await close(http).catch(() => {});

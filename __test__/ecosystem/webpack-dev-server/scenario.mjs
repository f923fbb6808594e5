import { createRequire } from 'node:module';
import { join } from 'node:path';
import webpack from 'webpack';
import WebpackDevServer from 'webpack-dev-server';
import WebSocket from 'ws';
import { makeProject, track, until } from '../kit.mjs';

const { root, write } = makeProject(import.meta.dirname);
write(
  'main.js',
  "import { n } from './part.js';\nconsole.log(n);\nmodule.hot?.accept('./part.js');\n"
);
write('part.js', 'export const n = 1;\n');

const compiler = webpack({
  context: root,
  devtool: false,
  entry: './main.js',
  infrastructureLogging: { level: 'none' },
  mode: 'development',
  output: { path: join(root, 'dist') },
  stats: 'none',
  watchOptions: { aggregateTimeout: 20, poll: 50 }
});
const server = new WebpackDevServer(
  {
    client: { reconnect: false },
    host: '127.0.0.1',
    hot: true,
    port: 'auto',
    static: false,
    webSocketServer: 'ws'
  },
  compiler
);
await server.start();
const { port } = server.server.address();
const log = track('server');
const implementation = server.webSocketServer.implementation.constructor;
log('class', implementation.name, implementation === createRequire(import.meta.url)('ws').Server);
log('main.js', (await fetch(`http://127.0.0.1:${port}/main.js`)).status);

const tell = track('page');
const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
  headers: { origin: `http://127.0.0.1:${port}` }
});
const types = [];
socket.on('message', (message, isBinary) => {
  const { data, type } = JSON.parse(message);
  types.push(type);
  // Hashes and times aside.
  const text = Array.isArray(data)
    ? data.map((item) => item.message?.split('\n')[0] ?? item)
    : data;
  tell('message', isBinary, type, ['hash', 'invalid'].includes(type) ? '' : (text ?? ''));
});
socket.on('error', (error) => tell('error', error));
socket.on('close', (code, reason) => tell('close', code, reason));
const count = (type) => types.filter((one) => one === type).length;
await until(() => count('ok') === 1);

// What the page fetches when it hears of a change.
write('part.js', `export const n = ${'2 + '.repeat(1000)}2;\n`);
await until(() => count('ok') === 2);
write('part.js', 'export const n = ;\n');
await until(() => count('errors') === 1);
write('part.js', 'export const n = 3;\n');
await until(() => count('ok') === 3);

server.sendMessage(server.webSocketServer.clients, 'progress-update', { percent: 50, msg: 'half' });
await until(() => count('progress-update') === 1);

const stranger = track('stranger');
const other = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
  headers: { origin: 'http://elsewhere.example' }
});
other.on('message', (message) => stranger('message', message));
await new Promise((resolve) => {
  other.on('close', (code, reason) => resolve(stranger('close', code, reason)));
});
await server.stop();
await until(() => socket.readyState === WebSocket.CLOSED);

'use strict';

// Fakes of test frameworks: what `lib/` needs of Node goes on whatever they replace. The frameworks
// themselves are run by `npm test -- ecosystem`.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { describe, it, mock } = require('node:test');

const root = path.join(__dirname, '..');

/** Everything that frameworks fake, but for `setTimeout()` and `clearTimeout()`: see below. */
const FAKED =
  /\bprocess\.(?:nextTick|hrtime)\b|\b(?:set|clear)(?:Immediate|Interval)\b|\bsetTimeout\b|\bqueueMicrotask\b|\bperformance\b|\bDate\b|\bnode:timers\b/g;

/** The lines of a file without comments. */
function code(file) {
  const text = readFileSync(path.join(root, 'lib', file), 'utf8');
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** The names that a file takes from `host.js`. */
function fromHost(text) {
  const [, names = ''] = /const \{([^}]*)\} = require\('[./]*\/host'\)/.exec(text) ?? [];
  return names.split(',').map((name) => name.trim());
}

// Loads oxws where `process` and the timers are copies that a program can replace, as jest does,
// and sends messages both ways while they are fakes. `when`: before oxws is loaded, or after.
const SCRIPT = `
const Module = require('node:module');
const { once } = require('node:events');
const [when] = process.argv.slice(1);
const sandbox = globalThis.sandbox = {
  process: Object.create(process, { nextTick: { value: process.nextTick, writable: true } }),
  setImmediate, setTimeout, clearTimeout, performance
};
Module.wrapper[1] = '})();' + Module.wrapper[1];
Module.wrapper[0] += 'const { process } = globalThis.sandbox;' +
  ['setImmediate', 'setTimeout', 'clearTimeout', 'queueMicrotask']
    .map((name) => 'const ' + name + ' = (...a) => globalThis.sandbox.' + name + '(...a);').join('') +
  'const performance = { now: () => globalThis.sandbox.performance.now() }; (() => {';
function fake() {
  sandbox.process.nextTick = sandbox.setImmediate = sandbox.queueMicrotask = () => {};
  sandbox.setTimeout = () => ({ unref() {} });
  sandbox.clearTimeout = () => {};
  sandbox.performance = { now: () => 0 };
}
if (when === 'before') fake();
const { createWebSocketStream, WebSocket, WebSocketServer } = require('./index.js');
const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: { threshold: 8 } });
wss.on('connection', (peer) => {
  peer.on('message', (data) => peer.send(data));
  peer.on('ping', () => peer.send('pinged', { compress: false }));
});
wss.on('listening', async () => {
  for (const perMessageDeflate of [false, true]) {
    const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port, { perMessageDeflate });
    await once(ws, 'open');
    fake();
    for (const text of ['short', 'long '.repeat(1000), 'longer '.repeat(100000)]) {
      ws.send(text);
      const [data] = await once(ws, 'message');
      if (String(data) !== text) throw new Error('not what was sent');
    }
    const sent = new Promise((resolve) => ws.send('with a callback', resolve));
    await Promise.all([sent, once(ws, 'message')]);
    ws.ping();
    await once(ws, 'message');
    ws.close(4000);
    const refused = new Promise((resolve) => ws.send('too late', resolve));
    const [[code], error] = await Promise.all([once(ws, 'close'), refused]);
    if (code !== 4000 || !error) throw new Error('not closed as it should be');
  }
  for (const peer of wss.clients) peer.terminate();
  wss.close();
  await once(wss, 'close');
  console.log('done');
});
`;

describe('What lib/ needs of Node', () => {
  it('is taken when the package is loaded', () => {
    const files = readdirSync(path.join(root, 'lib'), { recursive: true });
    // Where everything is taken from Node, and tests for programs.
    const others = ['host.js', path.join('beyond', 'broker-kit.js')];
    for (const file of files.filter((name) => name.endsWith('.js') && !others.includes(name))) {
      const text = code(file);
      const taken = fromHost(text);
      // The clock of a closing handshake is the program's to fake.
      if (file === 'listeners.js') taken.push('setTimeout');
      const used = text.match(FAKED) ?? [];
      // Methods of sockets, requests and timers have the same names, where they're called and where
      // a class has them.
      const methods = text
        .match(/(?:\.|^ {2})(?:setTimeout|setInterval)\b/gm)
        ?.map((name) => name.replace(/[^a-zA-Z]/g, ''));
      for (const name of methods ?? []) used.splice(used.indexOf(name), 1);
      assert.deepStrictEqual(
        used.filter((name) => !taken.includes(name)),
        [],
        `lib/${file}`
      );
    }
  });

  for (const when of ['before', 'after']) {
    for (const env of [{}, { OXWS_DRIVER: 'tokio' }, { OXWS_TRANSPORT: 'stream' }]) {
      const way = Object.values(env)[0] ?? 'default';
      it(`goes on with fakes put in place ${when} it is loaded, ${way}`, async () => {
        const { stdout } = await promisify(execFile)(process.execPath, ['-e', SCRIPT, when], {
          cwd: root,
          env: { ...process.env, ...env },
          timeout: 30_000
        });
        assert.strictEqual(stdout, 'done\n');
      });
    }
  }

  it('goes on under the mocks of node:test, and the close timer is theirs', async (t) => {
    const { connect } = require('./support/connections');
    const { peer, ws } = await connect(t, {
      clientOptions: { closeTimeout: 60_000 },
      serverOptions: { closeTimeout: 60_000, perMessageDeflate: true }
    });
    mock.timers.enable({ apis: ['setTimeout', 'setImmediate', 'setInterval', 'Date'] });
    try {
      peer.on('message', (data) => peer.send(data));
      for (const text of ['short', 'long '.repeat(1000)]) {
        const answered = new Promise((resolve) => ws.once('message', resolve));
        ws.send(text);
        assert.strictEqual(String(await answered), text);
      }
      peer.pause();
      const closed = new Promise((resolve) => ws.once('close', resolve));
      ws.close();
      mock.timers.tick(60_000);
      assert.strictEqual(await closed, 1006);
    } finally {
      mock.timers.reset();
    }
  });
});

'use strict';

// Tools for tracing replace methods when a file of the package is loaded, or later, and see what
// they see with ws. dd-trace and OpenTelemetry's instrumentation themselves are run by `npm test --
// ecosystem`.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { describe, it } = require('node:test');

// Replaces `Receiver.prototype.on` and `Sender.prototype.send`, as tools do; `when`: as their files
// are loaded, or afterwards. Prints what they saw of a conversation.
const SCRIPT = `
const Module = require('node:module');
const { once } = require('node:events');
const path = require('node:path');
const [folder, when] = process.argv.slice(1);
const seen = [];
const wraps = {
  [path.join(folder, 'lib', 'receiver.js')](Receiver) {
    const { on } = Receiver.prototype;
    Receiver.prototype.on = function (event, listener) {
      if (event !== 'message') return on.call(this, event, listener);
      return on.call(this, event, function (data, isBinary) {
        seen.push('received ' + data + ' ' + isBinary);
        return listener.call(this, data, isBinary);
      });
    };
  },
  [path.join(folder, 'lib', 'sender.js')](Sender) {
    const { send } = Sender.prototype;
    Sender.prototype.send = function (data, options, callback) {
      seen.push('sent ' + data);
      return send.call(this, data, options, callback);
    };
  }
};
const load = Module._load;
const done = new Set();
if (when === 'as they are loaded') {
  Module._load = function (request, parent, ...rest) {
    const exported = load.call(this, request, parent, ...rest);
    const file = Module._resolveFilename(request, parent);
    if (wraps[file] && !done.has(file)) {
      done.add(file);
      wraps[file](exported);
    }
    return exported;
  };
}
const { WebSocket, WebSocketServer } = require(folder);
if (when === 'afterwards') for (const [file, wrap] of Object.entries(wraps)) wrap(require(file));
(async () => {
  for (const perMessageDeflate of [false, { threshold: 0 }]) {
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
    await once(wss, 'listening');
    const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port, { perMessageDeflate });
    const [[peer]] = await Promise.all([once(wss, 'connection'), once(ws, 'open')]);
    peer.on('message', (data, isBinary) => peer.send('re ' + data, { binary: isBinary }));
    for (const text of ['a', Buffer.from('b')]) {
      ws.send(text);
      await once(ws, 'message');
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    ws.close();
    await once(ws, 'close');
    wss.close();
  }
  console.log(JSON.stringify(seen));
})();
`;

/** Runs the script and gives what was seen. */
async function trace(folder, when, env) {
  const options = { env: { ...process.env, ...env }, timeout: 30_000 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['-e', SCRIPT, folder, when],
    options
  );
  return JSON.parse(stdout);
}

describe('Methods that a tool has replaced', () => {
  const ws = path.dirname(require.resolve('ws/package.json'));
  const oxws = path.join(__dirname, '..');
  for (const when of ['as they are loaded', 'afterwards']) {
    for (const env of [{}, { OXWS_DRIVER: 'tokio' }, { OXWS_TRANSPORT: 'stream' }]) {
      it(`see what they see with ws, ${when}, ${Object.values(env)[0] ?? 'default'}`, async () => {
        const expected = await trace(ws, when, {});
        assert.strictEqual(expected.length, 16);
        assert.deepStrictEqual(await trace(oxws, when, env), expected);
      });
    }
  }
});

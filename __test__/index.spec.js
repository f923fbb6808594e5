'use strict';

// The package as a whole: what `require()` and `import` give, and how a process with it lives and
// ends.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { describe, it } = require('node:test');
const { pathToFileURL } = require('node:url');
const { Worker } = require('node:worker_threads');

const { closed, oxws, perform } = require('./support/differential');
const { ws } = require('./support/reference');

const root = path.join(__dirname, '..');

/** Runs a script in a process of its own and gives its exit code and what it printed. */
async function run(script, { env = {}, parameters = [] } = {}) {
  const child = spawn(process.execPath, ['-e', script, ...parameters], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  let output = '';

  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const [code, signal] = await once(child, 'close');

  clearTimeout(timer);
  return { code, signal, output };
}

describe('the package', () => {
  it('has the exports of ws in its order', () => {
    assert.deepStrictEqual(Object.keys(oxws), Object.keys(ws));
    for (const name of Object.keys(ws)) {
      assert.strictEqual(typeof oxws[name], typeof ws[name], name);
      assert.strictEqual(oxws[name].length, ws[name].length, name);
    }
    assert.strictEqual(oxws.WebSocket, oxws);
    assert.strictEqual(oxws.Server, oxws.WebSocketServer);
  });

  it('says what does the work below JavaScript', () => {
    const expected = process.env.OXWS_BINDING === 'wasm' ? 'wasm' : 'native';
    assert.strictEqual(oxws.binding, expected);
  });

  it('has the same functions in its parts', () => {
    for (const name of ['extension', 'subprotocol']) {
      assert.deepStrictEqual(Object.keys(oxws[name]).sort(), Object.keys(ws[name]).sort());
    }
    for (const name of [
      'Receiver',
      'Sender',
      'PerMessageDeflate',
      'WebSocket',
      'WebSocketServer'
    ]) {
      assert.strictEqual(oxws[name].name, ws[name].name);
      const missing = Object.getOwnPropertyNames(ws[name].prototype).filter(
        (property) => !(property in oxws[name].prototype)
      );
      // How ws decodes frames and negotiates; that is native here.
      const internal =
        name === 'Receiver'
          ? /^(?:consume|startLoop|get.*|decompress|dataMessage|controlMessage|haveLength|createError)$/
          : name === 'PerMessageDeflate'
            ? /^(?:_compress|_decompress|acceptAsClient|acceptAsServer|normalizeParams)$/
            : /^$/;

      assert.deepStrictEqual(
        missing.filter((property) => !internal.test(property)),
        [],
        name
      );
    }
  });

  it('can be required and imported by its name', async () => {
    assert.strictEqual(require('oxws'), oxws);

    const imported = await import('oxws');
    const reference = await import('ws');

    assert.deepStrictEqual(Object.keys(imported).sort(), Object.keys(reference).sort());
    assert.strictEqual(imported.default, oxws);
    for (const name of Object.keys(imported)) {
      if (name !== 'default') assert.strictEqual(imported[name], oxws[name], name);
    }
  });

  // Deviation (ws 8.x): there it has them only once somebody has called `require()`.
  it('has everything on the default export for `import` alone', async () => {
    const wrapper = pathToFileURL(path.join(root, 'wrapper.mjs'));
    const { output } = await run(
      `import(${JSON.stringify(wrapper)}).then((m) => console.log(typeof m.default.Server))`
    );

    assert.strictEqual(output.trim(), 'function');
  });

  it('hides its files, but for package.json', () => {
    assert.throws(() => require('oxws/lib/sender'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
    assert.strictEqual(require('oxws/package.json').name, 'oxws');
  });

  it('has every file where tracing tools look for it', () => {
    for (const name of ['websocket-server', 'websocket', 'receiver', 'sender', 'constants']) {
      assert.ok(require.resolve(path.join(root, 'lib', `${name}.js`)));
    }
    const { kWebSocket } = require('../lib/constants');

    assert.strictEqual(typeof kWebSocket, 'symbol');
    assert.strictEqual(require('../lib/websocket'), oxws);
    assert.strictEqual(require('../lib/websocket-server'), oxws.WebSocketServer);
  });

  it('says in a browser what to use there', () => {
    const Browser = require('../browser.js');

    assert.throws(() => Browser(), /native WebSocket/);
    assert.throws(() => new Browser('ws://localhost'), /native WebSocket/);
  });

  for (const env of [{}, { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' }]) {
    it(`loads no accelerators of others with ${JSON.stringify(env)}`, async () => {
      const { code, output } = await run(
        `require(${JSON.stringify(root)});
        const loaded = Object.keys(require.cache).filter((file) => /bufferutil|utf-8-validate/.test(file));
        console.log(loaded.length)`,
        { env }
      );

      assert.deepStrictEqual([code, output.trim()], [0, '0']);
    });
  }
});

describe('a process', () => {
  const talk = `
    const { WebSocket, WebSocketServer } = require(${JSON.stringify(root)});
    const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
      const client = new WebSocket('ws://127.0.0.1:' + wss.address().port);
      wss.on('connection', (peer) => client.on('open', () => ready(client, peer)));
    });
  `;

  it('ends by itself when everything is closed', async () => {
    const { code, output } = await run(`${talk}
      function ready(client) {
        client.close();
        wss.close(() => console.log('closed'));
      }
    `);

    assert.deepStrictEqual([code, output.trim()], [0, 'closed']);
  });

  it('ends with open connections that are unreferenced', async () => {
    const { code, output } = await run(`${talk}
      function ready(client, peer) {
        client._socket.unref();
        peer._socket.unref();
        wss._server.unref();
        console.log('ready');
      }
    `);

    assert.deepStrictEqual([code, output.trim()], [0, 'ready']);
  });

  it('lives on as long as a connection is open', async () => {
    const { code, output } = await run(`${talk}
      function ready(client, peer) {
        wss.close();
        peer._socket.unref();
        setTimeout(() => { console.log('alive'); client.terminate(); }, 100).unref();
      }
    `);

    assert.deepStrictEqual([code, output.trim()], [0, 'alive']);
  });

  it('that exits has sent what it was told to send', async () => {
    await perform(oxws, async (world) => {
      const { wss, url } = await world.serve();
      const exited = run(
        `const { WebSocket } = require(${JSON.stringify(root)});
        const client = new WebSocket(process.argv[1]);
        client.on('open', () => {
          for (const text of ['a', 'b', 'c']) client.send(text);
          process.exit(3);
        });`,
        { parameters: [url] }
      );
      const [websocket] = await once(wss, 'connection');
      const messages = [];

      websocket.on('message', (data) => messages.push(data.toString()));
      await closed(websocket);
      assert.strictEqual((await exited).code, 3);
      assert.deepStrictEqual(messages, ['a', 'b', 'c']);
    });
  });

  it('has worker threads with connections of their own', async () => {
    await perform(oxws, async (world) => {
      const { wss, url } = await world.serve({ perMessageDeflate: true });

      wss.on('connection', (websocket) => {
        websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
      });
      const workers = [1, 2, 3].map(
        (number) =>
          new Worker(
            `const { parentPort, workerData } = require('node:worker_threads');
            const { WebSocket } = require(workerData.root);
            const client = new WebSocket(workerData.url);
            client.on('open', () => client.send('x'.repeat(2000) + workerData.number));
            client.on('message', (data) => {
              parentPort.postMessage(data.toString().slice(2000));
              client.close();
            });`,
            { eval: true, workerData: { root, url, number } }
          )
      );
      const answers = workers.map(async (worker, index) => {
        const [[answer], [code]] = await Promise.all([
          once(worker, 'message'),
          once(worker, 'exit')
        ]);

        assert.deepStrictEqual([answer, code], [String(index + 1), 0]);
      });

      await Promise.all(answers);
    });
  });

  it('has a worker thread that is terminated in the middle', async () => {
    await perform(oxws, async (world) => {
      const { wss, url } = await world.serve();
      const worker = new Worker(
        `const { workerData } = require('node:worker_threads');
        const { WebSocket } = require(workerData.root);
        const client = new WebSocket(workerData.url);
        client.on('open', () => setInterval(() => client.send('x'.repeat(1000)), 1));`,
        { eval: true, workerData: { root, url } }
      );
      const [websocket] = await once(wss, 'connection');

      await once(websocket, 'message');
      await worker.terminate();
      await closed(websocket);
      assert.strictEqual(websocket.readyState, 3);
    });
  });
});

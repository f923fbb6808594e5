// @ts-check
'use strict';

// Runs the examples of the README and of the recipes as they stand there, each in a process of its
// own.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { pathToFileURL } = require('node:url');

const WebSocket = require('..');
const { freePort, isReachable } = require('./support/ports');
const until = require('./support/until');

const ROOT = path.join(__dirname, '..');

/**
 * Reads the examples: the code blocks below each heading, in order.
 *
 * @return {Map<string, string[]>} The code by heading
 */
function readExamples() {
  const examples = new Map();
  let heading = '';
  const documents = ['README.md', 'doc/recipes.md'];
  const text = documents.map((name) => fs.readFileSync(path.join(ROOT, name), 'utf8')).join('\n');
  for (const [, found, code] of text.matchAll(/^#+ ([^\n]*)$|^```js\n(.*?)^```$/gms)) {
    if (found !== undefined) heading = found;
    else examples.set(heading, [...(examples.get(heading) || []), code]);
  }
  return examples;
}

/**
 * Connects to an example.
 *
 * @param {string} address Where to
 * @param {any} [options] Options of the client
 * @return {Promise<{ send: (data: any) => void, next: () => Promise<string>, close: () => void }>}
 *   The connection: `next` gives the next message as text
 */
async function connect(address, options) {
  const ws = new WebSocket(address, options);
  /** @type {string[]} */
  const messages = [];
  ws.on('message', (data) => messages.push(data.toString()));
  await once(ws, 'open');
  return {
    send: (data) => ws.send(data),
    next: async () => {
      await until(() => messages.length > 0, 'a message');
      return /** @type {string} */ (messages.shift());
    },
    close: () => ws.terminate()
  };
}

/**
 * Says something to an example that echoes.
 *
 * @param {string} address Where it is
 * @param {any} [options] Options of the client
 */
async function askForEcho(address, options) {
  const client = await connect(address, options);
  client.send('echo');
  assert.strictEqual(await client.next(), 'echo');
  client.close();
}

/**
 * What the examples that serve are asked, by heading; those that serve are the first below it.
 *
 * @type {Record<string, ((address: string, child: import('node:child_process').ChildProcess) =>
 *   Promise<void>)[]>}
 */
const SERVERS = {
  oxws: [(address) => askForEcho(address)],
  Backpressure: [
    async (address) => {
      const client = await connect(address);
      assert.match(await client.next(), /^\{"time":\d+\}$/);
      client.close();
    },
    async (address) => {
      const client = await connect(address);
      for (let row = 0; row < 1000; row++) assert.strictEqual(await client.next(), `row ${row}`);
      client.close();
    },
    async (address) => {
      const client = await connect(address);
      for (let job = 0; job < 300; job++) client.send(`${job}`);
      for (let job = 0; job < 300; job++) await client.next();
      client.close();
    }
  ],
  Rooms: [
    async (address) => {
      const one = await connect(`${address}/?room=a`);
      const other = await connect(`${address}/?room=a`);
      const elsewhere = await connect(address);
      one.send('hello');
      assert.strictEqual(await other.next(), 'a: hello');
      elsewhere.send('alone');
      assert.strictEqual(await elsewhere.next(), 'lobby: alone');
      for (const client of [one, other, elsewhere]) client.close();
    }
  ],
  'Graceful shutdown': [
    async (address, child) => {
      await askForEcho(address);
      const ws = new WebSocket(address);
      await once(ws, 'open');
      child.kill('SIGTERM');
      const [code] = await once(ws, 'close');
      assert.strictEqual(code, 1001);
      await once(child, 'exit');
      assert.strictEqual(child.exitCode, 0);
    }
  ],
  'Settings for production': [
    async (address) => {
      await askForEcho(address, { origin: 'https://example.com' });
      await assert.rejects(connect(address, { origin: 'https://example.org' }), /response: 403/);
    }
  ],
  'Several servers on one port': [
    async (address) => {
      const news = await connect(`${address}/news`);
      assert.strictEqual(await news.next(), 'No news is good news');
      const chat = await connect(`${address}/chat?room=1`);
      chat.send('hello');
      assert.strictEqual(await chat.next(), 'You said hello');
      await assert.rejects(connect(`${address}/other`), /Unexpected server response: 404/);
      news.close();
      chat.close();
    }
  ],
  Authentication: [
    async (address) => {
      await assert.rejects(connect(address), /Unexpected server response: 401/);
      const client = await connect(address, { headers: { authorization: 'Bearer secret' } });
      assert.strictEqual(await client.next(), 'Welcome, alice');
      client.close();
    }
  ],
  Broadcast: [
    async (address) => {
      const [one, other] = [await connect(address), await connect(address)];
      one.send('to others');
      assert.strictEqual(await other.next(), 'to others');
      other.send('back');
      assert.strictEqual(await one.next(), 'back');
      one.close();
      other.close();
    }
  ],
  Compression: [
    async (address) => {
      const client = await connect(address);
      client.send('x'.repeat(5000));
      assert.strictEqual(await client.next(), 'x'.repeat(5000));
      client.close();
    }
  ],
  'What is the address of the client?': [
    async (address) => {
      const direct = await connect(address);
      assert.match(await direct.next(), /^You are .*127\.0\.0\.1$/);
      const proxied = await connect(address, { headers: { 'X-Forwarded-For': '192.0.2.1, ::1' } });
      assert.strictEqual(await proxied.next(), 'You are 192.0.2.1');
      direct.close();
      proxied.close();
    }
  ],
  'How are broken connections found?': [
    async (address) => {
      const client = await connect(address);
      client.close();
    }
  ]
};

/** What each example that connects prints, by heading. The server echoes, pings and closes. */
const CLIENTS = {
  'A client': [/^Hello\n$/, /^Hello\n1000 bye true\n$/],
  'Binary data': [/^Float32Array\(3\) \[ 0\.5, 1, 1\.5 \]\n$/],
  'Round-trip time': [/^\d+\.\d\d ms\n/],
  'Node.js streams': [/^from stdin\n$/],
  'How are broken connections found?': [/^$/]
};

/** Examples that need what isn't here: a certificate, other packages. */
const NOT_RUN = [
  // Has a test of its own.
  'A client that reconnects',
  'A single executable',
  'How does a client go through a proxy?',
  'Install',
  'Next.js',
  'On an HTTP or HTTPS server',
  'With jest',
  'With vitest'
];

describe('The examples of the README and of the recipes', { timeout: 120_000 }, () => {
  const examples = readExamples();
  /** @type {string} */
  let folder;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-readme-'));
  });

  after(() => fs.rmSync(folder, { recursive: true }));

  /**
   * Starts an example.
   *
   * @param {string} code The example
   * @param {number} port The port in place of the one that it names
   * @return {{ child: import('node:child_process').ChildProcess, output: () => string }} The
   *   process, and what it has printed so far, errors included
   */
  function start(code, port) {
    const module = pathToFileURL(path.join(ROOT, 'wrapper.mjs')).href;
    const file = path.join(folder, `${port}.mjs`);
    fs.writeFileSync(file, code.replaceAll("'oxws'", `'${module}'`).replaceAll('8080', `${port}`));
    const child = spawn(process.execPath, [file], { cwd: folder });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.stderr.on('data', (chunk) => {
      text += chunk;
    });
    return { child, output: () => text };
  }

  it('are all known here', () => {
    const known = [...Object.keys(SERVERS), ...Object.keys(CLIENTS), ...NOT_RUN];

    assert.deepStrictEqual([...examples.keys()].sort(), [...new Set(known)].sort());
  });

  for (const [heading, asks] of Object.entries(SERVERS)) {
    for (const [index, ask] of asks.entries()) {
      it(`serve: ${heading} (${index + 1}/${asks.length})`, async () => {
        const code = /** @type {string[]} */ (examples.get(heading))[index];
        const port = await freePort();
        const { child, output } = start(code, port);
        try {
          await until(() => {
            assert.strictEqual(child.exitCode, null, output());
            return isReachable(port);
          }, 'the example to listen');
          await ask(`ws://127.0.0.1:${port}`, child);
          assert.strictEqual(output(), '');
        } finally {
          child.kill();
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        }
      });
    }
  }

  it('connect: A client that reconnects', async () => {
    const [code] = /** @type {string[]} */ (examples.get('A client that reconnects'));
    const wss = new WebSocket.Server({ port: 0 });
    await once(wss, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (wss.address());
    /** @type {string[]} */
    const heard = [];
    wss.on('connection', (ws) => {
      ws.on('message', (data) => {
        heard.push(data.toString());
        if (heard.length === 1) ws.terminate();
        else ws.close(heard.length === 2 ? 1012 : 1008);
      });
    });
    const { child, output } = start(code, port);
    try {
      await until(() => child.exitCode !== null, 'the client to give up');
      assert.deepStrictEqual(heard, Array(3).fill('hello again'));
      assert.strictEqual(output(), '');
    } finally {
      child.kill();
      wss.close();
    }
  });

  for (const [heading, patterns] of Object.entries(CLIENTS)) {
    for (const [index, pattern] of patterns.entries()) {
      it(`connect: ${heading} (${index + 1}/${patterns.length})`, async () => {
        const codes = /** @type {string[]} */ (examples.get(heading));
        const wss = new WebSocket.Server({ port: 0, perMessageDeflate: true });
        await once(wss, 'listening');
        const { port } = /** @type {import('node:net').AddressInfo} */ (wss.address());
        wss.on('connection', (ws) => {
          ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
          ws.ping();
          setTimeout(() => ws.close(1000, 'bye'), 500);
        });
        const code = codes[codes.length - patterns.length + index];
        const { child, output } = start(code, port);
        child.stdin?.end('from stdin\n');
        try {
          await once(child, 'exit');
          assert.match(output(), pattern);
        } finally {
          child.kill();
          wss.close();
        }
      });
    }
  }
});

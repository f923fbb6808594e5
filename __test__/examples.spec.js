// @ts-check
'use strict';

// Runs each example by the one command that its page names, and uses it.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { afterEach, describe, it } = require('node:test');

const WebSocket = require('..');
const { findChromium, launch } = require('./support/browser');
const { cert, key } = require('./support/certificate');
const findProgram = require('./support/programs');
const until = require('./support/until');

const EXAMPLES = path.join(__dirname, '..', 'examples');

/** @type {(() => unknown)[]} What ends what a test has started. */
const cleanups = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/**
 * Starts an example.
 *
 * @param {string} name Its folder
 * @param {Record<string, string>} [env] Variables of its environment; the port is any free one
 * @param {string[]} [args] Its arguments
 * @return {{
 *   child: import('node:child_process').ChildProcess,
 *   output: () => string,
 *   address: (index?: number) => Promise<string>,
 *   ended: Promise<number | null>
 * }} The process; what it has printed so far, errors included; an address that it printed, and its
 *   exit code
 */
function start(name, env, args = []) {
  const child = spawn(process.execPath, [path.join(EXAMPLES, name), ...args], {
    env: { ...process.env, PORT: '0', ...env }
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
  }
  const ended = once(child, 'close').then(([code]) => code);
  cleanups.push(() => {
    child.kill();
    return ended;
  });
  const output = () => text;
  const address = (index = 0) =>
    until(() => [...text.matchAll(/^(?:http|ws)s?:\/\/localhost:\d+\//gm)][index]?.[0], output);
  return { child, output, address, ended };
}

/**
 * Connects.
 *
 * @param {string} address Where to
 * @param {WebSocket.ClientOptions} [options] Options of the client
 * @return {Promise<{ ws: WebSocket, next: () => Promise<string> }>} The open connection: `next`
 *   gives the next message, as text
 */
async function connect(address, options) {
  const ws = new WebSocket(address.replace(/^http/, 'ws'), options);
  cleanups.push(() => ws.terminate());
  /** @type {string[]} */
  const messages = [];
  ws.on('message', (data) => messages.push(String(data)));
  await once(ws, 'open');
  ws.on('error', () => {});
  return {
    ws,
    next: async () => {
      await until(() => messages.length > 0, 'a message');
      return /** @type {string} */ (messages.shift());
    }
  };
}

const executablePath = findChromium();
const withoutBrowser =
  executablePath === undefined && 'no Chromium found (CHROMIUM=PATH names one)';

/**
 * Opens windows of a browser.
 *
 * @param {string} address What to show
 * @param {number} count How many
 * @return {Promise<{ pages: import('playwright-core').Page[], errors: string[] }>} The windows, and
 *   what has gone wrong in them so far
 */
async function openWindows(address, count) {
  const browser = await launch(/** @type {string} */ (executablePath));
  cleanups.push(() => browser.close());
  /** @type {string[]} */
  const errors = [];
  const context = await browser.newContext({ viewport: { width: 1100, height: 700 } });
  const pages = [];
  for (let i = 0; i < count; i++) {
    const page = await context.newPage();
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(address);
    pages.push(page);
  }
  return { pages, errors };
}

describe('The examples', { timeout: 120_000 }, () => {
  it('are all known here and in their list', () => {
    const folders = fs.readdirSync(EXAMPLES, { withFileTypes: true });
    const names = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const list = fs.readFileSync(path.join(EXAMPLES, 'README.md'), 'utf8');
    const specs = fs.readFileSync(__filename, 'utf8');

    for (const name of names.filter((name) => name !== 'demo')) {
      // Some have arguments.
      assert.match(list, new RegExp(`^\\| \`node examples/${name}(?: \\w+)?\` \\|`, 'm'));
      assert.ok(specs.includes(`start('${name}'`), name);
    }
  });

  it('session: lets those in who have logged in, and out who log out', async () => {
    const address = await start('session').address();

    /** @type {(path: string, options?: RequestInit) => Promise<Response>} */
    const post = (name, options) => fetch(`${address}${name}`, { method: 'POST', ...options });
    await assert.rejects(connect(address), /Unexpected server response: 401/);
    assert.match(await (await fetch(address)).text(), /<h1>Session<\/h1>/);
    const headers = { 'Content-Type': 'application/json' };
    assert.equal((await post('login', { headers, body: '{}' })).status, 400);

    const login = await post('login', { headers, body: '{"name":"Ada"}' });
    const cookie = String(login.headers.get('set-cookie')).split(';')[0];
    const one = await connect(address, { headers: { cookie } });
    const other = await connect(address, { headers: { cookie } });
    assert.equal(await one.next(), 'Welcome, Ada');
    one.ws.send('hello');
    assert.equal(await one.next(), 'Ada, you said: hello');

    const closes = Promise.all([once(one.ws, 'close'), once(other.ws, 'close')]);
    assert.equal((await post('logout', { headers: { cookie } })).status, 204);
    assert.deepEqual(
      (await closes).map(([code]) => code),
      [4001, 4001]
    );
    await assert.rejects(connect(address, { headers: { cookie } }), /401/);
  });

  it('several-servers: serves by path', async () => {
    const address = await start('several-servers').address();

    const echo = await connect(`${address}echo?x`);
    echo.ws.send('hello');
    assert.equal(await echo.next(), 'hello');
    const clock = await connect(`${address}clock`);
    assert.match(await clock.next(), /^\d{4}-.*Z$/);
    assert.match(await clock.next(), /^\d{4}-.*Z$/);
    await assert.rejects(connect(`${address}nowhere`), /Unexpected server response: 404/);
    assert.match(await (await fetch(address)).text(), /\/echo and \/clock/);
  });

  it('https: serves over TLS', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-https-'));
    cleanups.push(() => fs.rmSync(folder, { recursive: true }));
    const files = { CERT: path.join(folder, 'cert.pem'), KEY: path.join(folder, 'key.pem') };
    fs.writeFileSync(files.CERT, cert);
    fs.writeFileSync(files.KEY, key);
    const example = start('https', files);

    const { ws, next } = await connect(await example.address(), { ca: cert });
    ws.send('hello');
    assert.equal(await next(), 'over TLSv1.3: hello');
    await until(
      () => example.output().includes('The client got back "over TLSv1.3: hello"'),
      example.output
    );
  });

  it('http2: has several WebSockets and a request on one connection', async () => {
    const example = start('http2');
    const lines = ['one', 'two', 'three'].map((name) => `The client got /${name} got "hello"`);

    await until(
      () =>
        [...lines, 'got a page at /index.html'].every((line) => example.output().includes(line)),
      example.output
    );
  });
  it('https: makes a certificate where none is given', {
    skip: findProgram('openssl') === undefined && 'no openssl found'
  }, async () => {
    const example = start('https');

    await until(() => example.output().includes('The client got back'), example.output);
  });

  it('broadcast: shows in all windows what one draws', { skip: withoutBrowser }, async () => {
    const address = await start('broadcast').address();
    const { pages, errors } = await openWindows(address, 2);
    const [one, other] = pages;
    await one.locator('#state', { hasText: '2 windows' }).waitFor();

    /** @type {(page: import('playwright-core').Page) => Promise<number>} */
    const inkOn = (page) =>
      page.evaluate(() => {
        const board = /** @type {any} */ (globalThis).document.querySelector('#board');
        const { data } = board.getContext('2d').getImageData(0, 0, board.width, board.height);
        return data.filter(
          (/** @type {number} */ alpha, /** @type {number} */ i) => i % 4 === 3 && alpha > 0
        ).length;
      });
    /**
     * @type {(page: import('playwright-core').Page, wanted: (ink: number) => boolean) =>
     * Promise<void>}
     */
    const waitForInk = async (page, wanted) => {
      let ink = 0;
      await until(
        async () => {
          ink = await inkOn(page);
          return wanted(ink);
        },
        () => `another drawing than one of ${ink} points`
      );
    };

    for (const [page, turn] of /** @type {const} */ ([
      [one, 1],
      [other, -1]
    ])) {
      await page.bringToFront();
      await page.mouse.move(200, 380);
      await page.mouse.down();
      for (let x = 200; x <= 900; x += 10) {
        await page.mouse.move(x, 380 + turn * 180 * Math.sin(x / 60));
      }
      await page.mouse.up();
    }
    const drawn = await inkOn(one);
    assert.ok(drawn > 5000, `${drawn}`);
    await waitForInk(one, (ink) => ink > 10_000);
    await waitForInk(other, (ink) => ink > 10_000);

    const late = await one.context().newPage();
    await late.goto(address);
    await waitForInk(late, (ink) => ink > 10_000);
    await late.click('#clear');
    for (const page of [one, other, late]) await waitForInk(page, (ink) => ink === 0);
    assert.deepEqual(errors, []);
  });

  it('broadcast: refuses what is no stroke', async () => {
    const address = await start('broadcast').address();
    const [one, other] = [await connect(address), await connect(address)];
    assert.equal(await other.next(), ''); // nothing is drawn yet
    assert.equal(await other.next(), '{"windows":2}');

    one.ws.send(Buffer.alloc(9));
    one.ws.send(Buffer.from('ten bytes.'));
    assert.equal(await other.next(), 'ten bytes.');
    one.ws.send(Buffer.alloc(11));
    const [code] = await once(one.ws, 'close');
    assert.equal(code, 1009);
  });

  it('statistics: shows live charts', { skip: withoutBrowser }, async () => {
    const address = await start('statistics').address();
    const { pages, errors } = await openWindows(address, 1);
    const [page] = pages;
    /** @type {(id: string) => Promise<number>} */
    const figure = async (id) =>
      Number(
        ((await page.locator(`#${id}`).textContent()) ?? '').replace(/[^\d.]/g, '') || Number.NaN
      );

    await until(async () => (await figure('connections')) === 1, 'the connection in the figures');
    await page.click('#load');
    await until(async () => (await figure('messages')) > 100, 'messages in the figures');
    await until(async () => (await figure('memory')) > 10, 'memory in the figures');
    assert.ok((await figure('heap')) > 1);
    const points = async () =>
      String(await page.locator('.line').first().getAttribute('d')).split('L').length;
    await until(async () => (await points()) >= 4, 'four points of a line');
    assert.deepEqual(errors, []);
  });

  it('streams: sends what a slow reader can take', async () => {
    const { ended, output } = start('streams', { MEBIBYTES: '8' });

    assert.equal(await ended, 0);
    const hashes = [...output().matchAll(/(?:sent|received) +8388608 bytes, SHA-256 (\w{64})$/gm)];
    assert.equal(hashes.length, 2);
    assert.equal(hashes[0][1], hashes[1][1]);
    assert.ok(Number(/at most +(\d+) bytes/.exec(output())?.[1]) < 1024 * 1024, output());
  });

  it('heartbeat: finds who has vanished', async () => {
    const { ended, output } = start('heartbeat', { INTERVAL: '300' });

    assert.equal(await ended, 0);
    assert.match(output(), /^\/alive: ping, answered by a pong\n\/dead: ping, no answer\n/m);
    // Which end hears of it first depends on the phases of the event loop.
    assert.match(output(), /^server: \/dead is gone \(1006\)\n/m);
    assert.match(output(), /^server: falls silent\n/m);
    assert.match(output(), /^\/alive: the server is silent; the connection is ended\n/m);
  });

  it('proxy: reaches the server through a proxy', async () => {
    const { ended, output } = start('proxy');

    assert.equal(await ended, 0);
    assert.match(output(), /^proxy: CONNECT 127\.0\.0\.1:\d+\nclient: you said hello\n$/);
  });

  it('cluster: has processes that share a port and what is said', async () => {
    const example = start('cluster', { WORKERS: '2' });
    const address = await example.address();
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect(address)));
    const greetings = await Promise.all(clients.map(({ next }) => next()));
    const processes = greetings.map((text) => Number(/process (\d+)$/.exec(text)?.[1]));

    assert.equal(new Set(processes).size, 2);
    clients[0].ws.send('hello');
    for (const { next } of clients) assert.equal(await next(), `${processes[0]} says: hello`);

    // One that dies is replaced.
    process.kill(processes[0], 'SIGKILL');
    await until(() => example.output().includes('starting another one'), example.output);
    const survivor = clients[processes.findIndex((id) => id !== processes[0])];
    survivor.ws.send('still here');
    assert.match(await survivor.next(), / says: still here$/);
  });

  const redis = findProgram('redis-server');
  const nginx = findProgram('nginx');

  for (const [broker, program] of [
    ['redis', redis],
    ['nats', findProgram('nats-server')]
  ]) {
    it(`scale-out: shares what is said at three servers by ${broker}`, {
      skip:
        (program === undefined || nginx === undefined) && `no ${broker} server, or no nginx, found`
    }, async () => {
      const PATH = `${process.env.PATH}${path.delimiter}${path.dirname(`${nginx}`)}`;
      const example = start('scale-out', { PATH }, [`${broker}`]);
      const address = await example.address();
      /** @type {Set<string>} */
      const servers = new Set();
      /** @type {Set<number>} */
      const heard = new Set();
      const clients = [];
      // Each process of nginx takes turns for itself: six need not reach all three.
      while (clients.length < 6 || (servers.size < 3 && clients.length < 30)) {
        const index = clients.length;
        const { ws } = await connect(address);
        ws.on('message', (data) => {
          const text = String(data);
          if (text.startsWith('you are at ')) servers.add(text);
          if (text.endsWith(': hello ü')) heard.add(index);
        });
        clients.push(ws);
      }
      // A server answers before the broker sends it anything: say it again until it does.
      await until(
        () => {
          clients[1].send('hello ü');
          return heard.size === clients.length;
        },
        () => `all to hear it, not only ${[...heard]}: ${example.output()}`
      );
      assert.equal(servers.size, 3);
    });
  }

  it('scale-out: says what is missing', async () => {
    const { ended, output } = start('scale-out', { PATH: '/nowhere' }, ['nats']);
    assert.equal(await ended, 1);
    assert.equal(output(), 'nats-server is not installed\n');
  });
});

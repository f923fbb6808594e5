// @ts-check
'use strict';

// Runs the programs of doc/migrating.md, and asks the same of each.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { pathToFileURL } = require('node:url');

const WebSocket = require('..');

const ROOT = path.join(__dirname, '..');

/** Milliseconds that a program may take to start, and an answer to come. */
const PATIENCE = 20_000;

/**
 * Finds a program in the document.
 *
 * @param {string} name What its first line says
 * @return {string} The program
 */
function readProgram(name) {
  const text = fs.readFileSync(path.join(ROOT, 'doc', 'migrating.md'), 'utf8');
  const found = text.split('```js\n').find((part) => part.startsWith(`// ${name}\n`));
  assert.ok(found, name);
  return found.slice(0, found.indexOf('```'));
}

/**
 * Finds Bun: the one that `BUN` names, or that of the system.
 *
 * @return {string | undefined} Its path
 */
function findBun() {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const paths = folders.map((folder) => path.join(folder, 'bun'));
  return [process.env.BUN, ...paths].find((file) => file && fs.existsSync(file));
}

/**
 * Waits until something is so.
 *
 * @param {() => boolean} condition Tells whether it is
 * @return {Promise<void>}
 */
async function until(condition) {
  for (const deadline = Date.now() + PATIENCE; !condition(); await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`not so: ${condition}`);
  }
}

/**
 * Enters a room.
 *
 * @param {string} address The room, and who enters it
 * @return {Promise<{ ws: WebSocket, heard: string[] }>} The open connection, and what has come
 */
async function enter(address) {
  /** @type {string[]} */
  const heard = [];
  const ws = new WebSocket(address);
  ws.on('message', (data, isBinary) => heard.push(isBinary ? 'binary' : String(data)));
  await once(ws, 'open');
  return { ws, heard };
}

/**
 * Waits until a program listens.
 *
 * @param {number} port Where
 * @return {Promise<void>}
 */
async function waitForServer(port) {
  for (const deadline = Date.now() + PATIENCE; ; await sleep(50)) {
    const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (response !== undefined) {
      assert.equal(response.status, 404);
      return;
    }
    if (Date.now() > deadline) throw new Error('the server does not listen');
  }
}

/**
 * Uses a program.
 *
 * @param {string} address Where it listens
 * @return {Promise<void>}
 */
async function use(address) {
  await assert.rejects(enter(`${address}/rooms/blue`), /Unexpected server response: 401/);
  await assert.rejects(enter(`${address}/blue?user=ada`), /Unexpected server response: 404/);

  const ada = await enter(`${address}/rooms/blue?user=ada`);
  const bob = await enter(`${address}/rooms/blue?user=bob`);
  await until(() => ada.heard.length === 1);
  const eve = await enter(`${address}/rooms/red?user=eve`);

  bob.ws.send('hello');
  await until(() => ada.heard.length === 2);
  ada.ws.send(Buffer.from('hello, Bob'));
  await until(() => bob.heard.length === 1);
  bob.ws.close();
  await until(() => ada.heard.length === 3);

  assert.deepEqual(ada.heard, ['bob came in', 'bob: hello', 'bob left']);
  assert.deepEqual(bob.heard, ['ada: hello, Bob']);
  assert.deepEqual(eve.heard, []);

  ada.ws.send(Buffer.alloc(16 * 1024 + 1));
  ada.ws.on('error', () => {});
  await once(ada.ws, 'close');
  eve.ws.terminate();
}

describe('The programs of doc/migrating.md', { timeout: 60_000 }, () => {
  /** @type {string} */
  let folder;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-migrating-'));
  });

  after(() => fs.rmSync(folder, { recursive: true }));

  /**
   * Starts a program, uses it and ends it.
   *
   * @param {string} name The program
   * @param {string} runtime What runs it
   * @return {Promise<void>}
   */
  async function check(name, runtime) {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = /** @type {net.AddressInfo} */ (server.address());
    await new Promise((resolve) => server.close(resolve));

    const module = pathToFileURL(path.join(ROOT, 'wrapper.mjs')).href;
    const file = path.join(folder, `${name}.mjs`);
    const code = readProgram(name).replaceAll("'oxws'", `'${module}'`);
    fs.writeFileSync(file, code.replaceAll('8080', `${port}`));
    const child = spawn(runtime, [file], { stdio: ['ignore', 'inherit', 'pipe'] });
    let complaints = '';
    child.stderr.on('data', (chunk) => {
      complaints += chunk;
    });
    try {
      await waitForServer(port);
      await use(`ws://127.0.0.1:${port}`);
    } finally {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    // What is told is the message that was too long, and nothing else.
    assert.doesNotMatch(
      complaints.replace(/RangeError: Max payload size exceeded/, ''),
      /\w+Error: /
    );
  }

  it('run: oxws', () => check('oxws', process.execPath));

  const bun = findBun();

  it('run: Bun', { skip: bun === undefined && 'no bun found (BUN=PATH names one)' }, () =>
    check('Bun', /** @type {string} */ (bun))
  );
});

// @ts-check
'use strict';

// Runs the programs of doc/migrating.md, and asks the same of each.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { pathToFileURL } = require('node:url');

const WebSocket = require('..');
const { freePort, isReachable } = require('./support/ports');
const findProgram = require('./support/programs');
const until = require('./support/until');

const ROOT = path.join(__dirname, '..');

/** Bun: the one that `BUN` names, or that of the system. */
const bun = process.env.BUN || findProgram('bun');

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
  await until(() => ada.heard.length === 1, 'the news of Bob');
  const eve = await enter(`${address}/rooms/red?user=eve`);

  bob.ws.send('hello');
  await until(() => ada.heard.length === 2, 'what Bob says');
  ada.ws.send(Buffer.from('hello, Bob'));
  await until(() => bob.heard.length === 1, 'what Ada says');
  bob.ws.close();
  await until(() => ada.heard.length === 3, 'the news that Bob has left');

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
    const port = await freePort();
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
      await until(() => isReachable(port), 'the program to listen');
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404);
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

  it('run: Bun', { skip: bun === undefined && 'no bun found (BUN=PATH names one)' }, () =>
    check('Bun', /** @type {string} */ (bun))
  );
});

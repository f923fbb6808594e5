'use strict';

// The package under the flags of Node.js that take something away, by the addon and by WebAssembly.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');

const ROOT = path.join(__dirname, '..');
const [MAJOR, MINOR] = process.versions.node.split('.').map(Number);
/** Node.js 20.18 and 22.3 can replace modules. */
const HAS_MOCKS = MAJOR > 22 || MINOR >= (MAJOR === 20 ? 18 : 3);
const PERMISSION = MAJOR < 24 ? '--experimental-permission' : '--permission';

/** Sends a message to and fro, compressed, and prints what carried it. */
const ECHO = `
  const { WebSocket, WebSocketServer } = require('.');
  const perMessageDeflate = { threshold: 0 };
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate }, () => {
    const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
    ws.on('open', () => ws.send('there and back'));
    ws.on('message', (data) => {
      console.log(String(data), WebSocket.binding);
      ws.close();
      wss.close();
    });
  });
  wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;

/** The same in a thread with little memory. */
const THREAD = `
  const { Worker } = require('node:worker_threads');
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
  new Worker(${JSON.stringify(ECHO)}, { eval: true, resourceLimits });`;

/** The same beside modules that are replaced. */
const MOCKS = `
  const { mock, test } = require('node:test');
  const { once } = require('node:events');
  test('mocks', async () => {
    const { href } = require('node:url').pathToFileURL('index.js');
    const mocked = mock.module(href, { namedExports: { WebSocket: 'replaced' } });
    if (require('./index.js').WebSocket !== 'replaced') throw new Error('is not replaced');
    mocked.restore();
    mock.module('node:os', { defaultExport: {}, namedExports: { hostname: () => 'nowhere' } });
    ${ECHO}
    await once(wss, 'close');
  });`;

/**
 * Runs code in a process of its own.
 *
 * @param {string} code The code
 * @param {string[]} flags Options of Node.js
 * @param {NodeJS.ProcessEnv} env Further environment
 * @return {{ status: number | null, stderr: string, stdout: string }} What it did
 */
function run(code, flags, env) {
  const { OXWS_BINDING: _, NODE_OPTIONS: __, NODE_TEST_CONTEXT: ___, ...rest } = process.env;
  return spawnSync(process.execPath, [...flags, '-e', code], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...rest, ...env },
    timeout: 30_000
  });
}

/**
 * Runs a program that sends a message to and fro.
 *
 * @param {string} kind What is to carry it
 * @param {string[]} flags Options of Node.js
 * @param {string} [code] The program
 */
function check(kind, flags, code = ECHO) {
  const { stderr, stdout } = run(code, flags, { OXWS_BINDING: kind });
  assert.match(stdout, new RegExp(`there and back ${kind}`), stderr);
}

describe('Under flags of Node.js', () => {
  for (const kind of ['native', 'wasm']) {
    it(`runs without code from strings, ${kind}`, () => {
      check(kind, ['--disallow-code-generation-from-strings']);
    });

    it(`runs with frozen intrinsics, ${kind}`, () => {
      check(kind, ['--frozen-intrinsics']);
    });

    it(`runs without prototypes of objects, ${kind}`, () => {
      check(kind, ['--disable-proto=throw']);
    });

    it(`runs in a thread with little memory, ${kind}`, () => {
      check(kind, [], THREAD);
    });

    it(`runs beside modules that tests replace, ${kind}`, { skip: !HAS_MOCKS }, () => {
      check(kind, ['--experimental-test-module-mocks'], MOCKS);
    });
  }

  it('runs without a compiler by the addon, and says that there is no WebAssembly', () => {
    check('native', ['--jitless']);
    const { status, stderr } = run(ECHO, ['--jitless'], { OXWS_BINDING: 'wasm' });
    assert.notStrictEqual(status, 0);
    assert.match(stderr, /this runtime has no WebAssembly \(--jitless switches it off\)/);
  });

  it('runs with permissions: by the addon if that is allowed, else by WebAssembly', () => {
    const flags = [PERMISSION, '--allow-fs-read=*'];
    if (process.allowedNodeEnvironmentFlags.has('--allow-net')) flags.push('--allow-net');
    const { stdout, stderr } = run(ECHO, flags, {});
    assert.match(stdout, /there and back wasm/, stderr);
    assert.doesNotMatch(stderr, /OXWS/);
    if (!process.allowedNodeEnvironmentFlags.has('--allow-addons')) return;
    const allowed = run(ECHO, [...flags, '--allow-addons'], {});
    assert.match(allowed.stdout, /there and back native/, allowed.stderr);
  });
});

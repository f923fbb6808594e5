// @ts-check
'use strict';

// The command as a server.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const WebSocket = require('../..');
const { freePort, isReachable } = require('../support/ports');
const { run, serveOn, start } = require('../support/command');
const until = require('../support/until');

/** Windows has no signals: a process that gets one is just ended. */
const withoutSignals = process.platform === 'win32' && 'there are no signals';

describe('oxws --listen', { timeout: 120_000 }, () => {
  /**
   * Starts the command as a server.
   *
   * @param {string[]} args More arguments
   * @return {Promise<ReturnType<typeof start> & { address: string }>} The process and where it
   *   listens
   */
  async function listen(...args) {
    const port = await freePort();
    const started = start('--listen', `${port}`, ...args);
    const address = `ws://127.0.0.1:${port}`;
    // It prints nothing: whether it listens is seen by asking.
    await until(
      () => isReachable(port),
      () => `the command to listen; it has printed ${started.output.stderr}`
    );
    return { ...started, address };
  }

  it('pings its client, and begins lines with the time', async () => {
    const { address, output } = await listen('--ping', '0.2', '--timestamps');
    const ws = new WebSocket(address);
    const pinged = once(ws, 'ping');
    await once(ws, 'open');
    ws.send('text');
    await pinged;
    await until(() => /^\d{4}-\d\d-\d\dT[\d:.]+Z text\n$/.test(output.stdout), 'the line');
    ws.close();
  });

  it('talks to one client at a time', async () => {
    const { address, child, output } = await listen();
    const one = new WebSocket(address);
    await once(one, 'open');
    const other = new WebSocket(address).on('error', () => {});
    await once(other, 'close');

    one.send('to the server');
    const printed = () => `something else than ${output.stdout}`;
    await until(() => output.stdout === 'to the server\n', printed);
    child.stdin.write('to the client\n');
    assert.equal(String((await once(one, 'message'))[0]), 'to the client');
    one.close();
    await once(one, 'close');

    // Until the server has heard of the end, in another process, it refuses whoever comes.
    const isPrinted = () => output.stdout === 'to the server\nff\n';
    while (!isPrinted()) {
      const next = new WebSocket(address).on('error', () => {});
      const over = once(next, 'close');
      await once(next, 'open');
      next.send(Buffer.from([255]));
      await until(() => isPrinted() || next.readyState === WebSocket.CLOSED, printed);
      next.close();
      await over;
    }
  });

  it('closes at SIGINT, as by Ctrl+C', { skip: withoutSignals }, async () => {
    const { address, child, ended } = await listen();
    const ws = new WebSocket(address);
    await once(ws, 'open');
    child.kill('SIGINT');

    const [[closeCode], { code }] = await Promise.all([once(ws, 'close'), ended]);
    assert.deepEqual([closeCode, code], [1005, 0]);
  });

  it('stays when its input ends', async () => {
    const { address, child } = await listen();
    child.stdin.end('hello\n');
    for (const expected of ['hello', undefined]) {
      const ws = new WebSocket(address);
      /** @type {string[]} */
      const messages = [];
      ws.on('message', (data) => messages.push(String(data)));
      await once(ws, 'open');
      if (expected !== undefined) await until(() => messages.length > 0, 'what it had read');
      ws.close();
      await once(ws, 'close');
      assert.equal(messages[0], expected);
    }
  });

  it('ends with exit code 255 where the port is taken', async () => {
    const port = await serveOn();
    const { code, stderr } = await run('-l', `${port}`, '--host', '127.0.0.1');

    assert.equal(code, 255);
    assert.match(stderr, /^error: listen EADDRINUSE/);
  });
});

// @ts-check
'use strict';

// The command in a terminal.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');

const WebSocket = require('../..');
const { cert } = require('../support/certificate');
const { cleanups, COMMAND, echo, serveOn } = require('../support/command');
const findProgram = require('../support/programs');
const openTerminal = require('../support/terminal');
const until = require('../support/until');

const skip =
  findProgram('tmux') === undefined && 'no tmux found: it is the terminal of these tests';

describe('oxws in a terminal', { skip, timeout: 120_000 }, () => {
  /**
   * Starts the command in a terminal.
   *
   * @param {string[]} args Its arguments
   * @param {{ columns?: number }} [size] The size of the terminal
   * @return {ReturnType<typeof openTerminal>} The terminal
   */
  function startInTerminal(args, size) {
    const terminal = openTerminal([process.execPath, COMMAND, ...args], size);
    cleanups.push(terminal.close);
    return terminal;
  }

  it('sends what is typed before the connection is open once it is', async () => {
    /** @type {string[]} */
    const received = [];
    /** @type {(() => void) | undefined} */
    let accept;
    const wss = new WebSocket.Server({ noServer: true });
    wss.on('connection', (ws) => ws.on('message', (data) => received.push(String(data))));
    const server = http.createServer().on('upgrade', (req, socket, head) => {
      accept = () => wss.handleUpgrade(req, socket, head, (ws) => wss.emit('connection', ws));
    });
    cleanups.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`]);
    await until(() => accept !== undefined, 'the request');
    for (const line of ['one', 'two']) {
      terminal.type(line);
      terminal.press('Enter');
      await terminal.waitFor(new RegExp(`${line}\\n`));
    }
    assert.deepEqual(received, []);
    accept?.();
    await until(() => received.length === 2, 'the lines');
    assert.deepEqual(received, ['one', 'two']);
    terminal.press('C-c');
  });

  it('has a prompt, a history and editing', async () => {
    /** @type {string[]} */
    const received = [];
    const port = await serveOn((ws) => {
      ws.on('message', (data) => {
        received.push(String(data));
        ws.send(`you said ${data}`);
      });
    });
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`]);
    await terminal.waitFor(/^Connected \(press CTRL\+C to quit\)\n>/);

    terminal.type('first');
    terminal.press('Enter');
    await terminal.waitFor(/^> first\n< you said first\n>/m);
    terminal.type('second');
    terminal.press('Enter');
    await terminal.waitFor(/^< you said second\n>/m);

    terminal.press('Up', 'Up');
    await terminal.waitFor(/^> first$(?!\n)/m);
    terminal.type(' again');
    terminal.press('Home', 'Delete');
    terminal.type('F');
    // Node 20 puts what arrives together with Enter at the end of the line.
    await terminal.waitFor(/^> First again$/m);
    terminal.press('Enter');
    await terminal.waitFor(/^< you said First again$/m);
    assert.deepEqual(received, ['first', 'second', 'First again']);

    terminal.press('C-c');
    assert.equal(await terminal.exitCode(), 0);
    assert.match(terminal.screen(), /^Disconnected \(code: 1005, reason: ""\)$/m);
  });

  it('keeps what is being typed when a message comes', async () => {
    /** @type {WebSocket | undefined} */
    let peer;
    const port = await serveOn((ws) => {
      peer = ws;
      echo(ws);
    });
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`], { columns: 40 });
    await terminal.waitFor(/^Connected/);
    const long = 'a line that is too long for one row of so narrow a terminal';
    terminal.type(long);
    await terminal.waitFor(/terminal$/m);
    peer?.send('in between');
    await terminal.waitFor(/^< in between\n> a line/m);
    assert.equal(terminal.screen().match(/a line that/g)?.length, 1);

    terminal.type('!');
    terminal.press('Enter');
    await terminal.waitFor(/^< a line/m);
    assert.ok(terminal.screen().replaceAll('\n', '').includes(`< ${long}!`));
  });

  it('sends control frames by slash commands, and shows bytes', async () => {
    const port = await serveOn((ws) => {
      ws.send(Buffer.from([1, 2, 255]));
      ws.send(Buffer.from('twenty bytes, or so.'));
      ws.send('\u001b[31mred\u0007');
      ws.on('pong', (data) => ws.send(`pong ${data}`));
    });
    const terminal = startInTerminal(['-P', '--slash', '-c', `ws://127.0.0.1:${port}`]);
    await terminal.waitFor(/^< \\x1b\[31mred\\x07$/m);
    assert.match(terminal.screen(), /^< \[binary, 3 bytes\] 01 02 ff$/m);
    assert.match(
      terminal.screen(),
      /^< \[binary, 20 bytes\]\n {2}00000000 {2}74 77 .* {2}\|twenty bytes, or\|\n {2}00000010 /m
    );

    for (const line of [
      '/ping one two',
      '/pong three',
      '/nothing',
      '/close 1',
      '/close 4000 bye now'
    ]) {
      terminal.type(line);
      terminal.press('Enter');
    }
    assert.equal(await terminal.exitCode(), 0);
    const screen = terminal.screen();
    assert.match(screen, /^error: Unrecognized slash command\.$/m);
    assert.match(screen, /^error: First argument must be a valid error code number$/m);
    assert.match(screen, /^< Received pong \(data: "one two"\)$/m);
    assert.match(screen, /^< pong three$/m);
    assert.match(screen, /^Disconnected \(code: 4000, reason: "bye now"\)$/m);
  });

  it('colors lines, unless told not to', async () => {
    const port = await serveOn((ws) => {
      ws.send('hello');
      ws.close();
    });
    const [colored, plain] = [[], ['--no-color']].map((args) =>
      startInTerminal(['-c', `ws://127.0.0.1:${port}`, ...args])
    );

    await Promise.all([colored.exitCode(), plain.exitCode()]);
    assert.ok(colored.screen({ colors: true }).includes('\u001b[34m< hello'));
    assert.ok(!plain.screen({ colors: true }).includes('\u001b[3'));
  });

  it('asks for a passphrase without showing it', async () => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-cli-')), 'cert.pem');
    cleanups.push(() => fs.rmSync(path.dirname(file), { recursive: true }));
    fs.writeFileSync(file, cert);
    const port = await serveOn();
    const terminal = startInTerminal(['-c', `ws://127.0.0.1:${port}`, '--passphrase']);
    await terminal.waitFor(/^Passphrase:/);
    terminal.type('secret');
    terminal.press('Enter');
    await terminal.waitFor(/^Connected/m);
    terminal.type('typed');
    terminal.press('Enter');
    await terminal.waitFor(/^< typed$/m);
    assert.doesNotMatch(terminal.screen(), /secret/);
  });

  it('serves a client', async () => {
    const terminal = startInTerminal(['--listen', '0']);
    await terminal.waitFor(/^Listening on port \d+ \(press CTRL\+C to quit\)\n>/);
    terminal.type('too early');
    terminal.press('Enter');
    await terminal.waitFor(/^error: no client is connected$/m);
    const port = /port (\d+)/.exec(terminal.screen())?.[1];
    const ws = new WebSocket(`ws://127.0.0.1:${port}`);
    cleanups.push(() => ws.terminate());
    await once(ws, 'open');
    await terminal.waitFor(/^Client connected$/m);
    terminal.type('hello');
    terminal.press('Enter');
    assert.equal(String((await once(ws, 'message'))[0]), 'hello');
    ws.close(1000, 'enough');
    await terminal.waitFor(/^Disconnected \(code: 1000, reason: "enough"\)$/m);
    terminal.press('C-d');
    assert.equal(await terminal.exitCode(), 0);
  });

  it('shows a benchmark live', async () => {
    const port = await serveOn();
    const terminal = startInTerminal(['bench', `ws://127.0.0.1:${port}`, '--duration', '60']);
    await terminal.waitFor(/^ +\d\.\d s +[\d,]+ messages\/s {2}p50 .* {2}p99 .* ms {2}[▁-█]{2,}$/m);
    terminal.press('C-c');
    assert.equal(await terminal.exitCode(), 0);
    assert.match(terminal.screen(), /^messages +[\d,]+ in \d\.\d s\nrate .*\nlatency/m);
    assert.doesNotMatch(terminal.screen(), /▁|█/);
  });
});

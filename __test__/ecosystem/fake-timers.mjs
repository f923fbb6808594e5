// Conversations under the fake timers of a test framework, as the text of a test file. Copied
// beside the installs.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { track } from './kit.mjs';

/**
 * Writes a test file.
 *
 * @param {string} file Its name
 * @param {object} framework What the framework calls things
 * @param {string} framework.load Statements that give `WebSocket`, `WebSocketServer` and `once`
 * @param {string} framework.fake An expression that fakes everything that it can
 * @param {string} framework.advance An expression that lets `ms` milliseconds of the fakes pass
 * @param {string} framework.real An expression that ends the fakes
 */
export function writeTests(file, { load, fake, advance, real }) {
  writeFileSync(
    file,
    `${load}
async function open(options = {}) {
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  await once(wss, 'listening');
  const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port, options);
  const [[peer]] = await Promise.all([once(wss, 'connection'), once(ws, 'open')]);
  peer.on('message', (data) => peer.send('re ' + data, () => {}));
  const end = async () => {
    if (ws.readyState !== 3) {
      ws.terminate();
      await once(ws, 'close');
    }
    for (const other of wss.clients) other.terminate();
    wss.close();
    await once(wss, 'close');
  };
  return { end, peer, ws };
}
async function ask(ws, text) {
  const answered = once(ws, 'message');
  ws.send(text);
  const [answer] = await answered;
  if (String(answer) !== 're ' + text) throw new Error('got ' + answer);
}
for (const perMessageDeflate of [false, { threshold: 0 }]) {
  const name = perMessageDeflate ? ', compressed' : '';
  test('messages under fakes' + name, async () => {
    const { end, ws } = await open({ perMessageDeflate });
    ${fake};
    try {
      await ask(ws, 'one');
      await ask(ws, 'long '.repeat(1000));
      await ask(ws, 'longer '.repeat(30000));
    } finally {
      ${real};
    }
    await end();
  });
  test('messages in the next test, without fakes' + name, async () => {
    const { end, ws } = await open({ perMessageDeflate });
    await ask(ws, 'two');
    await end();
  });
  test('all of a connection under fakes' + name, async () => {
    ${fake};
    try {
      const { end, peer, ws } = await open({ perMessageDeflate });
      await ask(ws, 'three');
      ws.ping('ping');
      const [pong] = await once(ws, 'pong');
      if (String(pong) !== 'ping') throw new Error('got ' + pong);
      ws.close(4000, 'enough');
      const [[code], [, reason]] = await Promise.all([once(ws, 'close'), once(peer, 'close')]);
      if (code !== 4000 || String(reason) !== 'enough') throw new Error('closed by ' + code);
      await end();
    } finally {
      ${real};
    }
  });
}
test('the time limit of a closing handshake', async () => {
  const { end, peer, ws } = await open({ closeTimeout: 50000 });
  peer.pause();
  ${fake};
  try {
    ws.close(4000);
    const closed = once(ws, 'close');
    const ms = 50000;
    ${advance};
    const [code] = await closed;
    if (code !== 1006) throw new Error('closed by ' + code);
  } finally {
    ${real};
  }
  await end();
});
`
  );
}

/**
 * Runs a test framework and writes down what became of the tests.
 *
 * @param {string} name The track
 * @param {string[]} args Its program and the arguments; the file for its report, in the format of
 *     jest, comes after them
 */
export function runTests(name, args) {
  const note = track(name);
  const report = join(tmpdir(), 'report.json');
  const command = [...args.slice(0, -1), args.at(-1) + report];
  note('exit code', spawnSync(process.execPath, command, { stdio: 'inherit' }).status);
  for (const { assertionResults, message } of JSON.parse(readFileSync(report, 'utf8'))
    .testResults) {
    for (const { failureMessages, fullName, status } of assertionResults) {
      note(status, fullName.trim(), ...failureMessages);
    }
    if (assertionResults.length === 0) note('no tests', message);
  }
}

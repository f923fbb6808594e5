'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');
const { promisify } = require('node:util');

const root = path.join(__dirname, '..');

/** Echoes messages and tells how often V8 collected the young generation, and everything. */
const SCRIPT = `
  const { constants, PerformanceObserver } = require('node:perf_hooks');
  const { WebSocket, WebSocketServer } = require('.');
  const [length, count] = process.argv.slice(1).map(Number);
  const counts = { minor: 0, major: 0 };
  const note = ({ detail }) => {
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MINOR) counts.minor++;
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) counts.major++;
  };
  const observer = new PerformanceObserver((list) => list.getEntries().forEach(note));
  observer.observe({ entryTypes: ['gc'] });
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
    const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
    const payload = Buffer.alloc(length);
    let rest = count;
    ws.on('open', () => ws.send(payload));
    ws.on('message', () => {
      if (--rest > 0) ws.send(payload);
      else setTimeout(() => process.stdout.write(JSON.stringify(counts), () => process.exit()), 50);
    });
  });
  wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;

/**
 * Compresses or inflates on other threads, so few at a time that no input sees two collections of
 * the young generation, and tells how many bytes of theirs V8 keeps in the end.
 */
const APART_SCRIPT = `
  const { randomBytes } = require('node:crypto');
  const PerMessageDeflate = require('./lib/permessage-deflate');
  const minor = () => gc({ type: 'minor' });
  const external = () => process.memoryUsage().external;
  const [method, queued] = process.argv.slice(1);
  const extensions = Array.from({ length: 4 }, () => {
    const extension = new PerMessageDeflate({ isServer: true });
    extension.accept([{ server_no_context_takeover: [true], client_no_context_takeover: [true] }]);
    return extension;
  });
  const data = randomBytes(128 * 1024);
  if (method === 'compress') measure(data);
  else extensions[0].compress(data, true, (error, input) => measure(input));

  function measure(input) {
    const before = external();
    let rest = 320;
    let running = extensions.length * queued;
    for (let i = 0; i < queued; i++) extensions.forEach(next);
    // What waits for the first results becomes old.
    minor();
    minor();

    function next(extension) {
      if (rest-- > 0) {
        extension[method](Buffer.from(input), true, (error) => {
          if (error) throw error;
          if (rest % 32 === 0) minor();
          next(extension);
        });
      } else if (--running === 0) {
        setTimeout(() => (minor(), minor(), setTimeout(tell, 50)), 50);
      }
    }

    function tell() {
      process.stdout.write(String(external() - before));
    }
  }`;

/**
 * V8 decides by what else goes on as well: beside other load a run may be an exception. (Node.js 20
 * and 22 collect so by themselves.)
 */
const MAX_RUNS = 3;

/**
 * Whether V8 mostly collected the young generation. Each payload is received twice, 512 MiB
 * together.
 */
const isYoung = ({ minor, major }) => minor >= 10 && major <= 4;

describe('the memory of payloads', () => {
  for (const transport of ['native', 'stream']) {
    for (const length of [64 * 1024, 1024 * 1024]) {
      it(`is collected while it is young, ${length} bytes on the ${transport} transport`, async () => {
        const count = (256 * 1024 * 1024) / length;
        const env = { ...process.env, OXWS_TRANSPORT: transport };
        const options = { cwd: root, env, timeout: 60_000 };
        const args = ['-e', SCRIPT, String(length), String(count)];
        const seen = [];
        while (!seen.some(isYoung) && seen.length < MAX_RUNS) {
          const { stdout } = await promisify(execFile)(process.execPath, args, options);
          seen.push(JSON.parse(stdout));
        }
        assert.ok(seen.some(isYoung), JSON.stringify(seen));
      });
    }
  }

  for (const method of ['compress', 'decompress']) {
    for (const queued of [1, 2]) {
      it(`isn't held by who asked, ${method} on other threads, ${queued} at a time`, async () => {
        const args = ['--expose-gc', '-e', APART_SCRIPT, method, String(queued)];
        const options = { cwd: root, timeout: 60_000 };
        const { stdout } = await promisify(execFile)(process.execPath, args, options);
        // All of it is 40 MiB.
        assert.ok(Number(stdout) < 6 * 1024 * 1024, `${stdout} bytes`);
      });
    }
  }
});

// @ts-check
'use strict';

// The benchmark of the command.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { echo, run, serveOn } = require('../support/command');

describe('oxws bench', { timeout: 120_000 }, () => {
  it('measures, and gives the result as JSON', async () => {
    let clients = 0;
    let bytes = 0;
    const port = await serveOn((ws) => {
      clients++;
      ws.send('welcome'); // is not counted
      ws.on('message', (data, isBinary) => {
        bytes += /** @type {Buffer} */ (data).length;
        ws.send(data, { binary: isBinary });
      });
    });
    const { code, stdout, stderr } = await run(
      ...['bench', `localhost:${port}`, '--connections', '70', '--size', '30', '--in-flight', '3'],
      ...['--duration', '0.5', '--json']
    );

    assert.deepEqual([code, stderr], [0, '']);
    const result = JSON.parse(stdout);
    assert.equal(clients, 70);
    assert.equal(result.connections, 70);
    assert.equal(result.lost, 0);
    assert.ok(result.messages > 210);
    assert.ok(result.seconds >= 0.5 && result.seconds < 5);
    const rate = result.messages / result.seconds;
    assert.ok(Math.abs(result.messagesPerSecond / rate - 1) < 0.01);
    // Each message that was counted was sent, and at most those that were under way weren't
    // counted.
    assert.ok(Math.abs(bytes / 30 - result.messages) <= 2 * 210);
    const { min, p50, p90, p99, max } = result.latency;
    const sorted = [min, p50, p90, p99, max].sort((a, b) => a - b);
    assert.deepEqual([min, p50, p90, p99, max], sorted);
    assert.ok(min > 0);
  });

  it('measures the time that an echo takes', async () => {
    const port = await serveOn((ws) => {
      ws.on('message', (data) => setTimeout(() => ws.send(data), 40));
    });
    const { stdout } = await run(
      ...['bench', `localhost:${port}`, '--connections', '1', '--duration', '1', '--json']
    );
    const { latency, messagesPerSecond } = JSON.parse(stdout);

    assert.ok(latency.min >= 39, `${latency.min}`);
    assert.ok(messagesPerSecond <= 26, `${messagesPerSecond}`);
  });

  it('prints a row a second and the result', async () => {
    /** @type {string[]} */
    const seen = [];
    const port = await serveOn((ws) => {
      ws.on('message', (data, isBinary) => {
        seen[0] = `${isBinary ? 'binary' : 'text'} ${ws.extensions.split(';')[0]}`;
        ws.send(data, { binary: isBinary });
      });
    });
    const { code, stdout } = await run(
      ...['bench', `ws://127.0.0.1:${port}`, '--duration', '1.5', '--text', '--deflate']
    );

    assert.equal(code, 0);
    assert.match(stdout, /^ws:.*: 10 connections, 64 bytes, 1 in flight\n/);
    assert.match(stdout, /^ +1\.\d s +[\d,]+ messages\/s {2}p50 +[\d.]+ ms {2}p99 +[\d.]+ ms$/m);
    assert.match(stdout, /^rate +[\d,]+ messages\/s/m);
    assert.match(stdout, /^latency +min [\d.]+ ms +p50 /m);
    assert.deepEqual(seen, ['text permessage-deflate']);
  });

  it('tells of connections that were closed', async () => {
    let clients = 0;
    const port = await serveOn((ws) => {
      echo(ws);
      if (++clients > 1) return;
      let messages = 0;
      ws.on('message', () => ++messages === 10 && ws.close());
    });
    const { stdout } = await run('bench', `localhost:${port}`, '--duration', '0.8', '--json');

    assert.equal(JSON.parse(stdout).lost, 1);
  });

  it('ends with exit code 255 where nothing can be measured', async () => {
    const port = await serveOn(() => {});
    const [silent, refused] = await Promise.all([
      run('bench', `localhost:${port}`, '--duration', '0.3'),
      run('bench', 'ws://127.0.0.1:1')
    ]);

    assert.deepEqual(
      [silent.code, silent.stderr],
      [255, 'error: no echo came back from the server\n']
    );
    assert.deepEqual(
      [refused.code, refused.stderr],
      [255, 'error: connect ECONNREFUSED 127.0.0.1:1\n']
    );
  });
});

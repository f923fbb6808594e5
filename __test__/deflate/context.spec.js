'use strict';

// When compression runs, and what that leaves behind.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { execFileSync } = require('node:child_process');
const { join } = require('node:path');
const { describe, it } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const zlib = require('node:zlib');

const agreed = require('../support/agreed');
const { uncaught, uncaughtDuring } = require('../support/uncaught');
const until = require('../support/until');

/** Runs a script in a process of its own, which has to end by itself; gives what it prints. */
function runScript(script, env = process.env) {
  const options = { cwd: join(__dirname, '../..'), env, timeout: 20_000 };
  return execFileSync(process.execPath, ['-e', script], options).toString();
}

describe('when results of compression come', () => {
  it('never calls back in the turn of the call', async () => {
    for (const length of [0, 1000, 100_000]) {
      const { extension } = agreed();
      let compressed = null;
      extension.compress(Buffer.alloc(length), true, (_error, data) => {
        compressed = data;
      });
      assert.strictEqual(compressed, null);
      await new Promise((resolve) => process.nextTick(resolve));
      await null;
      assert.strictEqual(compressed, null);
      await until(() => compressed, 'what is compressed');

      let output = null;
      extension.decompress(compressed, true, (_error, data) => {
        output = data;
      });
      await new Promise((resolve) => process.nextTick(resolve));
      await null;
      assert.strictEqual(output, null);
      await until(() => output, 'what is inflated');
      assert.strictEqual(output.length, length);
      extension.cleanup();
    }
  });

  it('inflates no more at a time than concurrencyLimit allows', async () => {
    const script = `
      const PerMessageDeflate = require('./lib/permessage-deflate');
      const zlib = require('node:zlib');
      const finishFlush = zlib.constants.Z_SYNC_FLUSH;
      const data = zlib.deflateRawSync(Buffer.alloc(200_000), { finishFlush }).subarray(0, -4);
      let inTurn = 0, most = 0, count = 0;
      const all = Array.from({ length: 60 }, () => {
        const extension = new PerMessageDeflate({ concurrencyLimit: 2 });
        extension.accept([{}]);
        extension.decompress(data, true, (error, output) => {
          if (error || output.length !== 200_000) throw error ?? new Error('not the same');
          count++;
          most = Math.max(most, ++inTurn);
        });
        return extension;
      });
      for (const extension of all.slice(20, 40)) extension.cleanup();
      setImmediate(function turn() {
        inTurn = 0;
        if (count < 40) setImmediate(turn);
        else console.log(JSON.stringify([count, most]));
      });`;
    // Of 512 KiB.
    assert.deepStrictEqual(JSON.parse(runScript(script)), [40, 3]);
  });

  it('gives large results in turns of the event loop of their own', async () => {
    const { compress } = agreed();
    const data = await compress(Buffer.alloc(3_000_000), true);
    let inTurn = 0;
    let most = 0;
    let count = 0;
    for (let index = 0; index < 8; index++) {
      agreed().extension.decompress(data, true, (_error, output) => {
        assert.strictEqual(output.length, 3_000_000);
        count++;
        most = Math.max(most, ++inTurn);
        // Meanwhile the others come.
        const end = performance.now() + 30;
        while (performance.now() < end);
      });
    }
    while (count < 8) {
      inTurn = 0;
      await turn();
    }
    // One comes from the threads, and one was postponed.
    assert.ok(most <= 2, `${most}`);
  });

  it('keeps the order, however different the lengths', async () => {
    const { extension, decompress } = agreed();
    const lengths = [100_000, 1, 300_000, 0, 70_000, 10];
    const compressed = [];
    await new Promise((resolve) => {
      for (const length of lengths) {
        extension.compress(Buffer.alloc(length, 'x'), true, (_error, data) => {
          compressed.push(data);
          if (compressed.length === lengths.length) resolve();
        });
      }
    });
    const outputs = await Promise.all(compressed.map((data) => decompress(data, true)));
    assert.deepStrictEqual(
      outputs.map(({ length }) => length),
      lengths
    );
    extension.cleanup();
  });

  it('keeps the async context of the call', async () => {
    const storage = new AsyncLocalStorage();
    const results = await Promise.all(
      [10, 100_000, 20, 200_000].map((length) => {
        const { compress, extension } = agreed();
        return storage.run(length, async () => {
          const data = await new Promise((resolve) => {
            extension.compress(Buffer.alloc(length), true, (_error, output) => {
              resolve([output, storage.getStore()]);
            });
          });
          await compress('', true);
          extension.cleanup();
          return data[1] === length && data[0].length > 0;
        });
      })
    );
    assert.deepStrictEqual(results, [true, true, true, true]);
  });

  it('lets what a callback throws through', async () => {
    for (const length of [10, 100_000]) {
      const { extension } = agreed();
      const error = await uncaught(() => {
        extension.compress(Buffer.alloc(length), true, () => {
          throw new Error('on purpose');
        });
      });
      assert.strictEqual(error.message, 'on purpose');
      extension.cleanup();
    }
  });

  it('gives the others their results when the callback of one throws', async () => {
    // So many in a turn are compressed together.
    const extensions = Array.from({ length: 20 }, () => agreed().extension);
    const errors = await uncaughtDuring(async () => {
      const outputs = await Promise.all(
        extensions.map(
          (extension, index) =>
            new Promise((resolve) => {
              extension.compress(`message ${index}`, true, (_error, data) => {
                resolve(zlib.inflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH }));
                if (index % 5 === 0) throw new Error(`on purpose ${index}`);
              });
            })
        )
      );
      assert.deepStrictEqual(
        outputs.map(String),
        extensions.map((_extension, index) => `message ${index}`)
      );
      await turn();
    });
    assert.deepStrictEqual(
      errors,
      [0, 5, 10, 15].map((index) => `on purpose ${index}`)
    );
    for (const extension of extensions) extension.cleanup();
  });
});

describe('a process that compresses', () => {
  /** Runs a program that has an extension as a script. */
  const run = (program) =>
    runScript(`
      const PerMessageDeflate = require('./lib/permessage-deflate');
      const extension = new PerMessageDeflate();
      extension.accept([{}]);
      ${program}`);

  it('lives until what is large is compressed and inflated, and no longer', () => {
    const output = run(`
      extension.compress(Buffer.alloc(1e6), true, (_error, data) => {
        extension.decompress(data, true, (_error, { length }) => console.log(length));
      });`);
    assert.strictEqual(output, '1000000\n');
  });

  it('ends as others do when its threads end while something is compressed', () => {
    const output = run(`
      const { Worker } = require('node:worker_threads');
      const code = \`
        const PerMessageDeflate = require('./lib/permessage-deflate');
        const extension = new PerMessageDeflate();
        extension.accept([{}]);
        for (let i = 0; i < 5; i++) extension.compress(Buffer.alloc(1e7), true, () => {});
        require('node:worker_threads').parentPort.postMessage('begun');\`;
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(code, { eval: true });
        worker.on('message', () => worker.terminate());
        worker.on('exit', (code) => console.log(code));
      }`);
    assert.strictEqual(output, '1\n1\n1\n');
  });
});

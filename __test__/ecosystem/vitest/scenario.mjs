import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import 'ws';
import { runTests, writeTests } from '../fake-timers.mjs';

const folder = fileURLToPath(new URL('.', import.meta.url));
const vitest = join(folder, 'node_modules', 'vitest', 'vitest.mjs');
const load = `import { once } from 'node:events';
import { test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
vi.setConfig({ testTimeout: 10_000 });`;
const advance = 'vi.advanceTimersByTime(ms)';
const real = 'vi.useRealTimers()';

writeTests('usual.test.mjs', { load, fake: 'vi.useFakeTimers()', advance, real });
// What vitest leaves alone if it isn't asked for: in the threads that it starts it can't fake
// process.nextTick in processes of its own.
const toFake = ['setTimeout', 'clearTimeout', 'setImmediate', 'queueMicrotask', 'performance'];
writeTests('more.test.mjs', {
  load,
  fake: `vi.useFakeTimers({ toFake: ${JSON.stringify(toFake)} })`,
  advance,
  real
});

for (const pool of ['forks', 'threads', 'vmThreads']) {
  for (const file of ['usual.test.mjs', 'more.test.mjs']) {
    const args = [vitest, 'run', file, `--pool=${pool}`, '--no-file-parallelism'];
    runTests(`${file}, ${pool}`, [...args, '--reporter=json', '--outputFile=']);
  }
}

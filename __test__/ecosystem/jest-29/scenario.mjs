import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'ws';
import { runTests, writeTests } from '../fake-timers.mjs';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const load = `const { once } = require('node:events');
const { WebSocket, WebSocketServer } = require('ws');
jest.setTimeout(10_000);`;
const advance = 'jest.advanceTimersByTime(ms)';

writeTests('local.test.js', {
  load,
  fake: 'jest.useFakeTimers()',
  advance,
  real: 'jest.useRealTimers()'
});
// All of these are under fakes, which jest puts in place before it loads the file.
writeTests('global.test.js', { load, fake: '', advance, real: '' });

for (const enableGlobally of [false, true]) {
  const config = {
    cacheDirectory: join(tmpdir(), 'jest'),
    fakeTimers: { enableGlobally },
    testEnvironment: 'node',
    watchman: false
  };
  const file = enableGlobally ? 'global.test.js' : 'local.test.js';
  const args = [jest, file, '--ci', '--runInBand', '--config', JSON.stringify(config)];
  const name = enableGlobally ? 'fakes from the beginning' : 'fakes in tests';
  runTests(name, [...args, '--json', '--outputFile=']);
}

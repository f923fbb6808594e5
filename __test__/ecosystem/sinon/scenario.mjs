import { writeTests } from '../fake-timers.mjs';
import { track } from '../kit.mjs';

// Not process.nextTick: without it Node's own streams stand still, on ws as well.
const toFake = ['setTimeout', 'clearTimeout', 'setImmediate', 'setInterval', 'Date', 'performance'];
writeTests('tests.mjs', {
  load: `import { once } from 'node:events';
import sinon from 'sinon';
import { WebSocket, WebSocketServer } from 'ws';
export const tests = [];
const test = (name, run) => tests.push({ name, run });`,
  fake: `const clock = sinon.useFakeTimers({ toFake: ${JSON.stringify(toFake)} })`,
  advance: 'clock.tick(ms)',
  real: 'clock.restore()'
});

const note = track('fakes in tests');
// Written just now.
const { tests } = await import(new URL('tests.mjs', import.meta.url).href);
for (const { name, run } of tests) {
  await run();
  note('passed', name);
}

// @ts-check
'use strict';

// A process that runs rounds: `node --expose-gc worker.js ws|oxws SEED ROUNDS STEPS KINDS`. Prints
// a line of JSON.

const fs = require('node:fs');

const Random = require('../differential/random');
const Round = require('./round');

const [name, seed, rounds, steps, kinds] = process.argv.slice(2);
const implementation = name === 'ws' ? require('../support/reference').ws : require('../..');

/** Milliseconds between two looks at how late timers are. */
const PERIOD = 10;

/** What a process holds. */
function holdings() {
  /** @type {any} */ (globalThis).gc();
  const listeners = process.eventNames().map((event) => {
    return `${String(event)} ${process.listenerCount(event)}`;
  });
  return {
    descriptors: process.platform === 'linux' ? fs.readdirSync('/proc/self/fd').length : 0,
    listeners: listeners.sort().join(', '),
    resident: process.memoryUsage.rss(),
    heap: process.memoryUsage().heapUsed
  };
}

/** Measures how late timers are; adds to what is known. */
function watchTimers(delays) {
  let due = performance.now() + PERIOD;
  const timer = setInterval(() => {
    const now = performance.now();
    delays.push(Math.max(0, now - due));
    due = now + PERIOD;
  }, PERIOD);
  return () => clearInterval(timer);
}

/** Sums up how late timers were. */
function summary(delays) {
  delays.sort((a, b) => a - b);
  return { longest: delays[delays.length - 1], p99: delays[Math.floor(delays.length * 0.99)] };
}

/** Lets what has been closed go. */
async function rest() {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function main() {
  const failures = [];
  process.on('uncaughtException', (error) => failures.push(`uncaught: ${error.stack}`));
  process.on('unhandledRejection', (error) => failures.push(`unhandled: ${error}`));
  const held = [];
  const delays = [];
  for (let i = 0; i < Number(rounds); i++) {
    const round = new Round(implementation, new Random(Number(seed) * 1000 + i), {
      kinds: kinds.split(','),
      steps: Number(steps)
    });
    const stop = watchTimers(delays);
    // What throws in here is a mistake of the harness, and no reason to wait for ever.
    await round.run().catch((error) => failures.push(`round ${i}: ${error.stack}`));
    stop();
    for (const failure of round.failures) failures.push(`round ${i}: ${failure}`);
    await rest();
    held.push(holdings());
  }
  console.log(JSON.stringify({ failures, timers: summary(delays), held }));
  process.exit();
}

main();

// @ts-check
'use strict';

// The race: the same load on ws and on oxws, one after the other. Server and client of each run are
// processes of their own, so that neither the page nor the demo's server is in the way; the client
// is the same for both.

const { fork } = require('node:child_process');
const { on } = require('node:events');
const path = require('node:path');

/** What runs, in this order. */
const CONTENDERS = /** @type {const} */ (['ws', 'oxws']);

/** Milliseconds that a run is measured for. */
const DURATION = 3000;

/** Milliseconds after which a run that has not ended is given up. */
const TIMEOUT = DURATION + 15_000;

/** Milliseconds between two races: each window may start one. */
const PAUSE = 3000;

/**
 * @typedef {object} Run How far a contender is
 * @property {string} contender Its name
 * @property {number[]} rates Messages a second, one for each quarter of a second
 * @property {number} [rate] Messages a second over the whole run, once it has ended
 * @property {number} [cpu] Microseconds of the server's processor time for each message
 * @property {string} [error] Why it could not run
 */

/**
 * Starts a process that ends with this one.
 *
 * @param {string} file The script, beside this one
 * @param {string[]} args Its arguments
 * @return {import('node:child_process').ChildProcess} The process
 */
function start(file, args) {
  const child = fork(path.join(__dirname, file), args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc']
  });
  child.on('error', () => {}); // followed by the end of its channel
  return child;
}

/**
 * Takes the messages of a process.
 *
 * @param {import('node:child_process').ChildProcess} child The process
 * @param {AbortSignal} signal Ends the waiting
 * @return {() => Promise<any>} Waits for the next message; rejects when the process has ended
 */
function messagesOf(child, signal) {
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  const messages = on(child, 'message', { signal: AbortSignal.any([signal, ended.signal]) });
  return async () => (await messages.next()).value[0];
}

/**
 * Runs the load on one contender.
 *
 * @param {Run} run Gets the figures
 * @param {() => void} report Called when they change
 * @param {AbortSignal} signal Ends the run
 */
async function runOne(run, report, signal) {
  const server = start('race-server.js', [run.contender]);
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let client;
  try {
    const fromServer = messagesOf(server, signal);
    const { port } = await fromServer();
    client = start('race-client.js', [String(port), String(DURATION)]);
    const fromClient = messagesOf(client, signal);
    server.send('start');
    for (;;) {
      const { rate, total } = await fromClient();
      if (total !== undefined) {
        server.send('stop');
        const { cpu } = await fromServer();
        run.rate = Math.round(total / (DURATION / 1000));
        run.cpu = cpu / total;
        report();
        return;
      }
      run.rates.push(rate);
      report();
    }
  } finally {
    client?.kill();
    server.kill();
  }
}

/**
 * Makes what runs races, one at a time.
 *
 * @param {(runs: Run[], isOver: boolean) => void} report Told of each change
 * @return {{ start: () => void, close: () => void }} What starts a race if none is under way, and
 *   what ends the one that is
 */
function createRace(report) {
  /** @type {AbortController | null} */
  let controller = null;
  let earliest = 0;

  async function race() {
    controller = new AbortController();
    const { signal } = controller;
    /** @type {Run[]} */
    const runs = [];
    for (const contender of CONTENDERS) {
      /** @type {Run} */
      const run = { contender, rates: [] };
      runs.push(run);
      const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
      await runOne(run, () => report(runs, false), limit).catch((error) => {
        run.error = `failed: ${error.cause?.message ?? error.message}`;
      });
    }
    controller = null;
    earliest = Date.now() + PAUSE;
    if (!signal.aborted) report(runs, true);
  }

  return {
    start() {
      if (controller === null && Date.now() >= earliest) race();
    },
    close() {
      controller?.abort();
    }
  };
}

module.exports = { createRace };

// @ts-check
'use strict';

// The parent's side of a worker: hands out programs, and knows which ran when it died or went
// silent.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { environmentOf } = require('./modes');

/** Milliseconds without an answer after which a worker is taken to hang. */
const SILENCE = 60_000;

/** Payloads that nobody needs any more are collected cheaply. */
const NEW_SPACE = '--max-semi-space-size=64';

/** A worker of one mode; a new process takes the place of one that dies. */
class Worker {
  #child = null;
  #nextId = 0;
  /** @type {Map<number, {task: any, resolve: (answer: any) => void}>} */
  #running = new Map();
  #waiting = [];
  #timer = null;
  #words = '';
  #isEnding = false;

  /**
   * @param {string} mode The mode
   * @param {number} concurrency How many programs run at a time
   */
  constructor(mode, concurrency) {
    this.mode = mode;
    this.concurrency = concurrency;
  }

  /**
   * Runs a program.
   *
   * @param {{seed?: number, program?: any, quietMs?: number}} task What to run
   * @return {Promise<{trace?: Record<string, string[]>, failure?: string}>} What came of it
   */
  run(task) {
    return new Promise((resolve) => {
      this.#waiting.push({ task, resolve });
      this.#feed();
    });
  }

  /** Ends the process. */
  end() {
    this.#isEnding = true;
    clearTimeout(this.#timer);
    this.#child?.stdin.end();
    const child = this.#child;
    // One that hangs doesn't notice.
    if (child) setTimeout(() => child.kill('SIGKILL'), 2000).unref();
  }

  #feed() {
    while (this.#running.size < this.concurrency && this.#waiting.length > 0) {
      this.#child ??= this.#start();
      const entry = this.#waiting.shift();
      const id = this.#nextId++;
      this.#running.set(id, entry);
      this.#child.stdin.write(`${JSON.stringify({ id, ...entry.task })}\n`);
    }
    this.#watch();
  }

  #watch() {
    clearTimeout(this.#timer);
    if (this.#running.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#words += '\nno answer for a minute';
      this.#child?.kill('SIGKILL');
    }, SILENCE);
  }

  #start() {
    const args = [
      NEW_SPACE,
      path.join(__dirname, 'worker.js'),
      this.mode.startsWith('ws') ? this.mode : 'oxws'
    ];
    const child = spawn(process.execPath, args, {
      env: environmentOf(this.mode),
      stdio: ['pipe', 'pipe', 'pipe', 'pipe']
    });
    this.#words = '';
    const hear = (chunk) => {
      this.#words = (this.#words + chunk).slice(-4000);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.stdin.on('error', () => {});
    const answers = /** @type {import('node:stream').Readable} */ (child.stdio[3]);
    createInterface({ input: answers }).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line);
      const entry = this.#running.get(id);
      this.#running.delete(id);
      entry?.resolve(answer);
      this.#feed();
    });
    child.on('close', (code, signal) => {
      if (this.#child === child) this.#child = null;
      if (this.#isEnding) return;
      const failure = `the process ended: ${signal ?? code} ${this.#words}`;
      const entries = [...this.#running.values()];
      this.#running.clear();
      for (const entry of entries) entry.resolve({ failure, isCrash: true });
      this.#feed();
    });
    return child;
  }
}

module.exports = Worker;

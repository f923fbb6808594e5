// @ts-check
'use strict';

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');

/**
 * Milliseconds after which nothing is waited for any longer: far more than anything takes under
 * load.
 */
const PATIENCE = 20_000;

/**
 * Waits until something is so, and fails where it never is.
 *
 * @template T
 * @param {() => T | Promise<T>} look Looks whether it is
 * @param {string | (() => string)} what What is waited for, for the message; a function is called
 *   when it hasn't come, to tell what there is
 * @param {number} [pause] Milliseconds between two looks
 * @return {Promise<NonNullable<T>>} What `look` gave in the end
 */
async function until(look, what, pause = 5) {
  for (const deadline = performance.now() + PATIENCE; ; await sleep(pause)) {
    const found = await look();
    if (found) return found;
    if (performance.now() > deadline) {
      const seconds = PATIENCE / 1000;
      assert.fail(`waited ${seconds} s in vain: ${typeof what === 'string' ? what : what()}`);
    }
  }
}

module.exports = until;

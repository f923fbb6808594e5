// @ts-check
'use strict';

// The callbacks of `send()` and its like.

const { AsyncResource } = require('node:async_hooks');

const { nextTick } = require('./host');

/**
 * Sets the callback of a frame apart from those of the other frames that are written with it, which
 * are called in a row: it runs in the async context of its `send()`, and what it throws doesn't
 * keep the ones after it from being called.
 *
 * @param {any} callback The callback, or anything that a stream's `write()` takes for none
 * @return {any} What to call, or `callback` where it can't be called
 */
function setApart(callback) {
  if (typeof callback !== 'function') return callback;
  const context = new AsyncResource('OXWSSEND');
  return (/** @type {Error | null | undefined} */ error) => {
    try {
      context.runInAsyncScope(callback, undefined, error);
    } catch (thrown) {
      nextTick(rethrow, thrown);
    }
  };
}

/**
 * Tells whether there is nothing wrong with a callback.
 *
 * @param {unknown} callback What was given as a callback
 * @return {boolean} Whether it's one, or nothing
 */
function isCallable(callback) {
  return !callback || typeof callback === 'function';
}

/**
 * Throws where nothing catches.
 *
 * @param {unknown} thrown What a callback, or a socket, threw
 */
function rethrow(thrown) {
  throw thrown;
}

module.exports = { isCallable, rethrow, setApart };

// @ts-check
'use strict';

// When a connection of the engine tells that its sending side has ended, and that it's closed: in
// the phases of a turn of the event loop in which libuv does. So it comes in the same order with
// what else happens, and a client that reconnects at once finds the old connection gone.

const { AsyncResource } = require('node:async_hooks');

const { runTicks, setImmediate } = require('../host');
const native = require('../native');

/** What is called back; in each phase its list is empty first. */
/** @type {(() => void)[]} */
let pending = [];
/** @type {(() => void)[]} */
let closing = [];
/** What tells of the phases; `null` where nothing does, not looked for yet. @type {any} */
let phases;

/**
 * Looks for what tells of the phases.
 *
 * @return {any} That, or `null`
 */
function getPhases() {
  if (phases === undefined) phases = native.createPhases?.(onPending, onClosing) ?? null;
  return phases;
}

/**
 * Calls back as libuv does for what it has done at once.
 *
 * @param {() => void} callback The callback
 */
function callWhenPending(callback) {
  const resource = new AsyncResource('OXWSSHUTDOWN');
  if (pending.push(() => resource.runInAsyncScope(callback)) > 1) return;
  if (getPhases() === null) setImmediate(onPending);
  else native.awaitPending(phases);
}

/**
 * Calls back as libuv does for what was closed.
 *
 * @param {() => void} callback The callback
 */
function callWhenClosing(callback) {
  if (closing.push(callback) > 1) return;
  if (getPhases() === null) setImmediate(onClosing);
  else native.awaitClosing(phases);
}

function onPending() {
  const callbacks = pending;
  pending = [];
  callAll(callbacks);
}

/**
 * What was closed last is first.
 */
function onClosing() {
  const callbacks = closing.reverse();
  closing = [];
  callAll(callbacks);
}

/**
 * Calls back. Each has its ticks, and what it throws keeps the others from nothing.
 *
 * @param {(() => void)[]} callbacks The callbacks
 */
function callAll(callbacks) {
  for (let index = 0; index < callbacks.length; index++) {
    try {
      callbacks[index]();
      if (index < callbacks.length - 1) runTicks();
    } catch (error) {
      native.throwUncaught(error);
    }
  }
}

module.exports = { callWhenClosing, callWhenPending };

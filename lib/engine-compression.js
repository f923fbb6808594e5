// @ts-check
'use strict';

// When the engine inflates and deflates the messages of a connection.
//
// A connection that agreed on permessage-deflate begins with a real receiver, which gets the bytes
// of the engine, and with its `PerMessageDeflate`, whose results come some turns of the event loop
// later. What a program does with a connection that has just opened often relies on that time, or
// replaces a method. Once the connection has been open for a moment, and nothing is under way on it,
// the engine takes the frames, and the states of both directions.

const { setTimeout } = require('node:timers');

const { OPEN } = require('./ready-state');
const PerMessageDeflate = require('./permessage-deflate');

/** How long a connection has been open then, at least. */
const MIN_AGE_MS = 100;

/** What nobody may have replaced on a `PerMessageDeflate`, or on its class. */
const METHODS = ['cleanup', 'compress', 'decompress'];
/** @type {any} */
const prototype = PerMessageDeflate.prototype;
const originals = METHODS.map((name) => prototype[name]);

/**
 * A connection that may be taken over.
 *
 * @typedef {object} Candidate
 * @property {any} websocket The WebSocket
 * @property {number} openedAt When it was opened
 * @property {() => boolean | null} begin Takes it over: whether it did; `null`
 *   where that will never be
 */

/** The candidates, the oldest first. @type {Candidate[]} */
let candidates = [];

/**
 * Tells whether the extension of a connection is as it was made.
 *
 * @param {any} perMessageDeflate The extension
 * @return {boolean} Whether nobody has replaced anything
 */
function isOriginal(perMessageDeflate) {
  return (
    Object.getPrototypeOf(perMessageDeflate) === prototype &&
    METHODS.every((name, index) => perMessageDeflate[name] === originals[index])
  );
}

/**
 * Has a connection taken over once it has been open for a moment.
 *
 * @param {any} websocket The WebSocket
 * @param {Candidate['begin']} begin Takes it over
 */
function takeOverLater(websocket, begin) {
  candidates.push({ websocket, openedAt: performance.now(), begin });
  if (candidates.length === 1) setTimeout(takeOver, MIN_AGE_MS).unref();
}

/**
 * Takes over what is old enough and has nothing under way; the others are asked again.
 */
function takeOver() {
  const latest = performance.now() - MIN_AGE_MS;
  candidates = candidates.filter((candidate) => {
    if (candidate.websocket.readyState !== OPEN) return false;
    if (candidate.openedAt > latest) return true;
    return candidate.begin() === false;
  });
  if (candidates.length > 0) setTimeout(takeOver, MIN_AGE_MS).unref();
}

module.exports = { isOriginal, takeOverLater };

// @ts-check
'use strict';

// When the engine inflates and deflates the messages of a connection.
//
// A connection that agreed on permessage-deflate begins with a real receiver, which gets the bytes
// of the engine, and with its `PerMessageDeflate`, whose results come some turns of the event loop
// later. What a program does with a connection that has just opened often relies on that time, or
// replaces a method. Once the connection has been open for a moment, and nothing is under way on it,
// the engine takes the frames, and the states of both directions. One that is always busy is not read
// for as long as it takes to come to a rest.

const { now, setImmediate, setTimeout } = require('../host');
const { OPEN } = require('../ready-state');
const PerMessageDeflate = require('../permessage-deflate');

/** How long a connection has been open then, at least. */
const MIN_AGE_MS = 20;
/**
 * Until one that doesn't come to a rest is held back again: to do so takes time, and who has left a
 * message unfinished may never go on with it.
 */
const MIN_REST_MS = 500;
/** For how many turns of the event loop a busy connection is held back. */
const MAX_TURNS = 200;

/** What nobody may have replaced on a `PerMessageDeflate`, or on its class. */
const { prototype } = PerMessageDeflate;
const { cleanup, compress, decompress } = prototype;

/**
 * A connection that may be taken over.
 *
 * @typedef {object} Candidate
 * @property {any} websocket The WebSocket
 * @property {any} handle Its connection in the engine
 * @property {() => boolean | null} begin Takes it over: whether it did; `null` where that will never
 *   be
 * @property {number} since When it was opened, or asked in vain
 * @property {number} turns For how many turns of the event loop it is held back
 * @property {boolean} isSettled Whether it need not be asked any more
 */

/** Those that are held back. @type {Candidate[]} */
let held = [];

/**
 * Tells whether the extension of a connection is as it was made.
 *
 * @param {any} perMessageDeflate The extension
 * @return {boolean} Whether nobody has replaced anything
 */
function isOriginal(perMessageDeflate) {
  return (
    Object.getPrototypeOf(perMessageDeflate) === prototype &&
    perMessageDeflate.cleanup === cleanup &&
    perMessageDeflate.compress === compress &&
    perMessageDeflate.decompress === decompress
  );
}

/**
 * Has a connection taken over once it has been open for a moment.
 *
 * @param {any} websocket The WebSocket
 * @param {any} handle Its connection in the engine
 * @param {Candidate['begin']} begin Takes it over
 */
function takeOverLater(websocket, handle, begin) {
  waitFirst({ websocket, handle, begin, since: 0, turns: 0, isSettled: false });
}

/** Has a candidate asked when it has been open for long enough. */
const waitFirst = createWaitingRoom(MIN_AGE_MS);
/** Has one asked that did not come to a rest. */
const waitAgain = createWaitingRoom(MIN_REST_MS);

/**
 * Makes a room in which candidates wait, each as long. Who is busy then is held back.
 *
 * @param {number} delay How many milliseconds
 * @return {(candidate: Candidate) => void} Lets one in
 */
function createWaitingRoom(delay) {
  /** Who has waited longest is first. @type {Candidate[]} */
  let candidates = [];

  function askAll() {
    const latest = now() - delay;
    const due = candidates.filter(({ since }) => since <= latest);
    candidates = candidates.filter(({ since }) => since > latest);
    if (candidates.length > 0) setTimeout(askAll, delay).unref();
    for (const candidate of due) {
      ask(candidate);
      if (!candidate.isSettled) holdBack(candidate);
    }
  }

  return (candidate) => {
    candidate.since = now();
    candidates.push(candidate);
    if (candidates.length === 1) setTimeout(askAll, delay).unref();
  };
}

/**
 * @param {Candidate} candidate Who may be taken over now
 */
function ask(candidate) {
  if (candidate.isSettled) return;
  candidate.isSettled = candidate.websocket.readyState !== OPEN || candidate.begin() !== false;
}

/**
 * Stops reading a connection, so that it comes to a rest, and asks it in each turn of the event loop and
 * between the messages that it compresses.
 *
 * @param {Candidate} candidate The connection
 */
function holdBack(candidate) {
  candidate.turns = 0;
  candidate.handle.holdBack(true);
  // Not assigned as it is made: V8 puts such functions in the old generation, with all they refer to.
  const onRest = () => ask(candidate);
  candidate.websocket._sender._onRest = onRest;
  held.push(candidate);
  if (held.length === 1) setImmediate(askHeld);
}

/**
 * Asks those that are held back, and lets go of who is taken over, or does not come to a rest.
 */
function askHeld() {
  held = held.filter((candidate) => {
    ask(candidate);
    if (!candidate.isSettled && ++candidate.turns < MAX_TURNS) return true;
    candidate.websocket._sender._onRest = null;
    candidate.handle.holdBack(false);
    if (!candidate.isSettled) waitAgain(candidate);
    return false;
  });
  if (held.length > 0) setImmediate(askHeld);
}

module.exports = { isOriginal, takeOverLater };

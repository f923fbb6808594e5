// @ts-check
'use strict';

// When the engine inflates and deflates the messages of a connection.
//
// A connection that agreed on permessage-deflate begins with a real receiver, which gets the bytes
// of the engine, and with its `PerMessageDeflate`, whose results come some turns of the event loop
// later. What a program does with a connection that has just opened often relies on that time, or
// replaces a method. Once the connection has been open for a moment, and nothing is under way on
// it, the engine takes the frames, and the states of both directions.
//
// Of a connection on which something is under way then, the receiver and the sender tell whenever
// they come to a rest, and it is asked again. Nothing looks after it meanwhile: where the peer has
// left a message unfinished and is silent, it costs nothing. One that works is not read until it
// has come to a rest, since both directions have to be there at a time.

const { clearTimeout, now, setImmediate, setTimeout } = require('../host');
const PerMessageDeflate = require('../permessage-deflate');
const { OPEN } = require('../ready-state');
const { mayBeTaken } = require('./mode');

/** How long a connection has been open then, at least. */
const MIN_AGE_MS = 20;
/** For how long one that works is not read, at most. */
const MAX_HOLD_MS = 100;
/** How long it is read then, at least. */
const MIN_READ_MS = 500;

/** What no program may have replaced on a `PerMessageDeflate`, or on its class. */
const { prototype } = PerMessageDeflate;
const { cleanup, compress, decompress } = prototype;

/**
 * Tells whether the extension of a connection is as it was made.
 *
 * @param {PerMessageDeflate} perMessageDeflate The extension
 * @return {boolean} Whether no program has replaced anything
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
 * A connection that may be taken over.
 */
class Candidate {
  /**
   * @param {import('../websocket')} websocket The WebSocket
   * @param {import('./connection')} handle Its connection in the engine
   * @param {Begin} begin Takes it over
   */
  constructor(websocket, handle, begin) {
    this._websocket = websocket;
    this._handle = handle;
    this._begin = begin;
    this.since = now();
    /** @type {Set<Party>} Those that tell when they come to a rest. */
    this._observed = new Set();
    /** Whether it's asked in this turn of the event loop. */
    this._isDue = false;
    /** What reads it again if it is held. @type {NodeJS.Timeout | undefined} */
    this._hold = undefined;
    /** When it may be held. */
    this._mayHoldAt = 0;
  }

  /**
   * Takes it over if that is possible now, and sees to it that it is asked again otherwise.
   */
  ask() {
    const isCandidate = mayBeTaken(this._handle.mode) && this._websocket._readyState === OPEN;
    const busy = isCandidate ? this._begin() : null;
    if (busy === null) {
      this._settle();
      return;
    }
    if (busy.party === null) {
      this.askSoon();
      return;
    }
    busy.party._onRest = this;
    this._observed.add(busy.party);
    if (busy.works) this._holdBriefly();
    else this._letGo();
  }

  /**
   * Asks after what this turn of the event loop does.
   */
  askSoon() {
    if (this._isDue) return;
    this._isDue = true;
    setImmediate(() => {
      this._isDue = false;
      this.ask();
    });
  }

  /**
   * Ends the asking.
   *
   * @private
   */
  _settle() {
    this._handle.change('stay');
    clearTimeout(this._hold);
    for (const party of this._observed) if (party._onRest === this) party._onRest = null;
    this._observed.clear();
  }

  /**
   * Stops reading it, unless it was not read just now.
   *
   * @private
   */
  _holdBriefly() {
    if (now() < this._mayHoldAt || !this._handle.change('hold')) return;
    this._hold = setTimeout(() => this._letGo(), MAX_HOLD_MS).unref();
  }

  /**
   * Reads it again.
   *
   * @private
   */
  _letGo() {
    if (!this._handle.change('release')) return;
    clearTimeout(this._hold);
    this._mayHoldAt = now() + MIN_READ_MS;
  }
}

/**
 * What reports to its `_onRest` when it comes to a rest: a receiver, a sender, a direction of
 * permessage-deflate.
 *
 * @typedef {{_onRest: import('../transport').Rest | null}} Party
 */

/**
 * What is busy, `null` where the connection is to be asked in the next turn; and whether that comes
 * to a rest by itself.
 *
 * @typedef {{party: Party | null, works: boolean}} Busy
 */

/**
 * Takes a connection over: `null` if it did, or never can; or says what is busy.
 *
 * @typedef {() => Busy | null} Begin
 */

/** Connections that are too young. The one that has waited longest is first. @type {Candidate[]} */
let young = [];

/**
 * Asks the connections that are old enough.
 */
function askOld() {
  const latest = now() - MIN_AGE_MS;
  const old = young.filter(({ since }) => since <= latest);
  young = young.filter(({ since }) => since > latest);
  if (young.length > 0) setTimeout(askOld, MIN_AGE_MS).unref();
  for (const candidate of old) candidate.ask();
}

/**
 * Takes a connection over once it has been open for a moment.
 *
 * @param {import('../websocket')} websocket The WebSocket
 * @param {import('./connection')} handle Its connection in the engine
 * @param {Begin} begin Takes it over
 */
function takeOverLater(websocket, handle, begin) {
  young.push(new Candidate(websocket, handle, begin));
  if (young.length === 1) setTimeout(askOld, MIN_AGE_MS).unref();
}

module.exports = { isOriginal, takeOverLater };

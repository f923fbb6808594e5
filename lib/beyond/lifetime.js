// @ts-check
'use strict';

// Connections that end after some time, whatever happens on them: because what the peer has shown
// to be let in expires, or so that they find their way to other servers.

const { randomInt } = require('node:crypto');

const { GOING_AWAY, kLifetime } = require('../constants');
const { now, setTimeout } = require('../host');
const { OPEN } = require('../ready-state');
const { createCause, setCloseCause } = require('./close-cause');
const { Wheel } = require('./wheel');

/** How often it's looked whose time is over, in milliseconds; more often for short times. */
const MAX_STEP_MS = 1000;
const MIN_STEP_MS = 10;
/** Into how many steps a short time is divided. */
const STEPS = 50;

/**
 * The time of one connection.
 */
class Lifetime {
  /**
   * @param {any} websocket The WebSocket
   * @param {number} time How long it may be open, in milliseconds
   */
  constructor(websocket, time) {
    /** The WebSocket, `null` once it's closed. @type {any} */
    this.websocket = websocket;
    this.time = time;
    /** When it ends, by the clock of the wheel. */
    this.due = 0;
  }

  /** Whether nothing is to be done any more. */
  get isOver() {
    return this.websocket === null;
  }

  /** Ends the connection. */
  end() {
    const { time, websocket } = this;
    this.websocket = null;
    if (websocket === null || websocket.readyState !== OPEN) return;
    setCloseCause(
      websocket,
      createCause('ERR_OXWS_LIFETIME', `The connection was open for ${time} ms`)
    );
    websocket.close(GOING_AWAY);
  }
}

/** Those of all connections of the thread. @type {Wheel<Lifetime>} */
const wheel = new Wheel();
let step = MAX_STEP_MS;
let isRunning = false;
let then = 0;

/** Ends those whose time is over. */
function pass() {
  const elapsed = Math.floor(now() - then);
  then += elapsed;
  wheel.advance(elapsed, (lifetime) => {
    lifetime.end();
    return false;
  });
  isRunning = wheel.size > 0;
  if (isRunning) setTimeout(pass, step).unref();
}

/**
 * Takes the options of a WebSocket.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options Its options, checked
 */
function prepareLifetime(websocket, { jitter, maxLifetime }) {
  if (!maxLifetime) return;
  const less = jitter ? randomInt(Math.min(jitter, maxLifetime)) : 0;
  websocket[kLifetime] = new Lifetime(websocket, maxLifetime - less);
}

/**
 * Begins the time of a WebSocket that is open, if it has one.
 *
 * @param {any} websocket The WebSocket
 */
function startLifetime(websocket) {
  /** @type {Lifetime | null} */
  const lifetime = websocket[kLifetime];
  if (lifetime === null) return;
  const { time } = lifetime;
  const shortest = Math.ceil(time / STEPS);
  if (!isRunning) {
    step = MAX_STEP_MS;
    then = now();
  }
  step = Math.max(MIN_STEP_MS, Math.min(step, shortest));
  lifetime.due = wheel.now + Math.floor(now() - then) + time;
  wheel.add(lifetime);
  if (isRunning) return;
  isRunning = true;
  setTimeout(pass, step).unref();
}

/**
 * Ends the time of a WebSocket that is closed.
 *
 * @param {any} websocket The WebSocket
 */
function endLifetime(websocket) {
  /** @type {Lifetime | null} */
  const lifetime = websocket[kLifetime];
  if (lifetime !== null) lifetime.websocket = null;
}

module.exports = { endLifetime, prepareLifetime, startLifetime };

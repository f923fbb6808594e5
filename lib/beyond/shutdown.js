// @ts-check
'use strict';

// The end of a server: its connections are closed in an order and at a pace that others can bear,
// and what is left then is terminated.

const { GOING_AWAY } = require('../constants');
const { clearTimeout, now, setTimeout } = require('../host');
const { isValidStatusCode } = require('../validation');
const { checkNumber, MAX_TIME } = require('./options');

const MAX_REASON_LENGTH = 123;
/** How often connections are closed while that is spread over some time. */
const STEP_MS = 20;

/** @typedef {{closed: number, terminated: number}} Result How connections have ended. */

/** @type {WeakMap<object, Promise<Result>>} The servers that are about to end. */
const ending = new WeakMap();

/**
 * Tells whether a server takes no more connections because it is about to end.
 *
 * @param {object} server The server
 * @return {boolean} Whether it is
 */
function isShuttingDown(server) {
  return ending.has(server);
}

/**
 * Gives the clients of a server.
 *
 * @param {any} server The server
 * @param {string} method What needs them
 * @return {any[]} The clients, as they are now
 * @throws {Error} If it doesn't know them
 */
function clientsOf(server, method) {
  if (server.clients) return [...server.clients];
  throw new Error(`${method}() needs the option "clientTracking"`);
}

/**
 * Checks the options of `shutdown()`.
 *
 * @param {any} options The options
 * @throws {TypeError} If one has the wrong type
 * @throws {RangeError} If one is out of its range
 */
function checkOptions(options) {
  if (options === null || typeof options !== 'object') {
    throw new TypeError('The options must be an object');
  }
  const { code, reason, signal, spread, timeout } = options;
  if (code !== undefined && (typeof code !== 'number' || !isValidStatusCode(code))) {
    throw new TypeError('The option "code" must be a valid error code number');
  }
  if (reason !== undefined && typeof reason !== 'string') {
    throw new TypeError('The option "reason" must be a string');
  }
  if (reason !== undefined && Buffer.byteLength(reason) > MAX_REASON_LENGTH) {
    throw new RangeError('The option "reason" must not be greater than 123 bytes');
  }
  if (spread !== undefined) checkNumber('spread', spread, 0, MAX_TIME);
  if (timeout !== undefined) checkNumber('timeout', timeout, 0, MAX_TIME);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('The option "signal" must be an AbortSignal');
  }
}

/**
 * Puts things in random order.
 *
 * @param {any[]} things The things
 */
function shuffle(things) {
  for (let last = things.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [things[last], things[other]] = [things[other], things[last]];
  }
}

/**
 * Closes connections, spread over some time.
 *
 * @param {any[]} websockets The connections
 * @param {number} spread How many milliseconds that takes
 * @param {(websocket: any) => void} close Closes one
 * @param {AbortSignal} stop Ends it before
 * @return {Promise<void>} Fulfilled when the last one is asked to close
 */
async function closeSpread(websockets, spread, close, stop) {
  const start = now();
  for (let count = 0; ; ) {
    const share = spread === 0 ? 1 : Math.min((now() - start) / spread, 1);
    // One at once: where there are two, the other one follows at the end.
    const due = Math.ceil(share * websockets.length);
    for (; count < due; count++) close(websockets[count]);
    if (count === websockets.length || stop.aborted) return;
    await sleep(Math.min(STEP_MS, spread), stop);
  }
}

/**
 * @param {number} milliseconds How long to wait
 * @param {AbortSignal} stop Ends it before
 * @return {Promise<void>} Fulfilled then
 */
function sleep(milliseconds, stop) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    }
    if (stop.aborted) done();
    else stop.addEventListener('abort', done);
  });
}

/**
 * Ends a server and its connections.
 *
 * @param {any} server The server
 * @param {any} [options] `code`, `reason`, `spread`, `timeout`, `signal`
 * @return {Promise<Result>} How the connections have ended
 */
async function shutDown(server, options = {}) {
  checkOptions(options);
  const clients = clientsOf(server, 'shutdown');
  const begun = ending.get(server);
  if (begun !== undefined) return begun;
  const promise = endAll(server, clients, options);
  ending.set(server, promise);
  return promise;
}

/**
 * @param {any} server The server
 * @param {any[]} clients Its clients
 * @param {any} options The options, checked
 * @return {Promise<Result>} How the connections have ended
 * @private
 */
async function endAll(server, clients, options) {
  const { code = GOING_AWAY, reason, spread = 0, signal } = options;
  const { timeout = server.options.closeTimeout } = options;
  const result = { closed: 0, terminated: 0 };
  // Aborted when there is nothing to be waited for any more.
  const stop = new AbortController();
  const ends = clients.map(async (websocket) => {
    await new Promise((resolve) => websocket.once('close', resolve));
    const isClean = websocket._closeFrameReceived && websocket._closeFrameSent;
    result[isClean ? 'closed' : 'terminated']++;
  });
  const ended = Promise.all(ends).then(() => stop.abort());
  const abort = () => stop.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  shuffle(clients);
  await closeSpread(clients, spread, (websocket) => websocket.close(code, reason), stop.signal);
  await sleep(timeout, stop.signal);
  signal?.removeEventListener('abort', abort);
  for (const websocket of clients) websocket.terminate();
  await Promise.all([ended, new Promise((resolve) => server.close(resolve))]);
  return result;
}

/**
 * Terminates all connections of a server.
 *
 * @param {any} server The server
 * @throws {Error} If it doesn't know them
 */
function closeAllConnections(server) {
  for (const websocket of clientsOf(server, 'closeAllConnections')) websocket.terminate();
}

/**
 * Closes a connection and waits for its end, whatever that is.
 *
 * @param {any} websocket The WebSocket
 * @return {Promise<void>} Fulfilled when it's closed
 */
function dispose(websocket) {
  return new Promise((resolve) => {
    if (websocket.readyState === websocket.CLOSED) {
      resolve();
      return;
    }
    // Of a handshake that is given up, for one.
    websocket.on('error', () => {});
    websocket.once('close', () => resolve());
    if (websocket.readyState === websocket.OPEN) websocket.close(1000);
    else websocket.close();
  });
}

module.exports = { closeAllConnections, dispose, isShuttingDown, shutDown };

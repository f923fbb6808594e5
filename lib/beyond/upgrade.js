// @ts-check
'use strict';

// The option `upgrade`: a function of the program, asynchronous as a rule, that says who is let in
// and what is agreed, in place of `verifyClient` and `handleProtocols`. What a client sends
// meanwhile stays in its socket.

const { validateHeaderName, validateHeaderValue } = require('node:http');

const { nextTick } = require('../host');
const { createCause } = require('./close-cause');
const { isSet } = require('./options');

/** @typedef {import('node:stream').Duplex} Duplex */

/**
 * What is answered to who is not let in.
 *
 * @typedef {object} Refusal
 * @property {number} status The HTTP status
 * @property {string | undefined} body The body
 * @property {Record<string, any>} headers Further headers
 */

/**
 * What is agreed with who is let in.
 *
 * @typedef {object} Agreement
 * @property {unknown} data What the WebSocket has for `data`
 * @property {string | null | undefined} protocol The subprotocol; `undefined` for the first that
 *     is offered
 * @property {[string, string][]} headers Further headers of the response
 */

/** Headers that the handshake itself has. */
const RESERVED = /^(?:connection|upgrade|sec-websocket-(?:accept|extensions|protocol))$/i;

/** What was agreed, by the request. @type {WeakMap<object, Agreement>} */
const agreements = new WeakMap();

let hasWarned = false;

/**
 * Checks the option.
 *
 * @param {any} options All options of a server
 * @throws {TypeError} If it's no function, or has company
 */
function checkUpgrade({ handleProtocols, upgrade, verifyClient }) {
  if (!isSet(upgrade)) return;
  if (typeof upgrade !== 'function') {
    throw new TypeError('The option "upgrade" must be a function');
  }
  if (verifyClient || handleProtocols) {
    throw new TypeError(
      'The option "upgrade" takes the place of "verifyClient" and "handleProtocols"'
    );
  }
}

/**
 * Watches whether a client leaves while it waits: its socket closes, or ends, which nobody reads.
 */
class Waiting {
  /**
   * @param {any} request The request; gets the property `signal`
   * @param {any} socket The socket, or stream
   */
  constructor(request, socket) {
    this._socket = socket;
    /** @type {AbortController | null} */
    this._controller = null;
    this._isGone = false;
    this._onClose = () => this._leave();
    socket.on('close', this._onClose);
    const { push } = socket;
    socket.push = (/** @type {any} */ chunk, /** @type {any} */ encoding) => {
      if (chunk === null) this._leave();
      return push.call(socket, chunk, encoding);
    };
    Object.defineProperty(request, 'signal', {
      configurable: true,
      enumerable: true,
      get: () => this._signal()
    });
  }

  /**
   * @return {AbortSignal} What aborts when the client leaves
   * @private
   */
  _signal() {
    // Made when it's asked for: most programs don't.
    this._controller ??= new AbortController();
    if (this._isGone) this._abort();
    return this._controller.signal;
  }

  /**
   * @private
   */
  _leave() {
    this._isGone = true;
    if (this._controller !== null) this._abort();
  }

  /**
   * @private
   */
  _abort() {
    const cause = createCause('ERR_OXWS_CLIENT_GONE', 'The client left during the handshake');
    this._controller?.abort(cause);
  }

  /** Gives the socket back as it was. */
  end() {
    this._socket.removeListener('close', this._onClose);
    delete this._socket.push;
  }
}

/**
 * Reads what the function of the program gave.
 *
 * @param {any} result That
 * @return {Promise<Refusal> | Refusal | Agreement} What it means
 * @throws {TypeError} If it means nothing
 */
function readResult(result) {
  if (!isSet(result)) return readAgreement({});
  if (typeof result !== 'object') {
    throw new TypeError(`The function "upgrade" must return an object, not ${typeof result}`);
  }
  if (typeof Response !== 'undefined' && result instanceof Response) return readResponse(result);
  if (result.status === undefined) return readAgreement(result);

  const { body, headers, status } = result;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`A client can't be refused with the status ${status}`);
  }
  if (body !== undefined && typeof body !== 'string') {
    throw new TypeError('The body of a refusal must be a string');
  }
  return { body, headers: nameAsUsual(listHeaders(headers)), status };
}

/**
 * @param {Response} response A response of the Fetch API
 * @return {Promise<Refusal>} The same as a refusal
 */
async function readResponse(response) {
  const { headers, status } = response;
  return { body: await response.text(), headers: nameAsUsual(listHeaders(headers)), status };
}

/**
 * Writes names of headers as HTTP/1.1 is used to, so that they replace those that are always there.
 *
 * @param {[string, string][]} headers Pairs
 * @return {Record<string, string>} The same
 */
function nameAsUsual(headers) {
  const rename = (/** @type {string} */ name) => {
    return name.toLowerCase().replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
  };
  return Object.fromEntries(headers.map(([name, value]) => [rename(name), value]));
}

/**
 * @param {any} result What the function gave for somebody who is let in
 * @return {Agreement} What is agreed
 * @throws {TypeError} If a part of it isn't valid
 */
function readAgreement({ data, headers, protocol }) {
  if (isSet(protocol) && typeof protocol !== 'string') {
    throw new TypeError('The property "protocol" must be a string');
  }
  const list = listHeaders(headers);
  const wrong = list.find(([name]) => RESERVED.test(name));
  if (wrong) throw new TypeError(`The header "${wrong[0]}" is that of the handshake`);
  return { data, headers: list, protocol };
}

/**
 * @param {any} headers An object, a list of pairs, or `Headers`
 * @return {[string, string][]} Pairs
 * @throws {TypeError} If one isn't valid
 */
function listHeaders(headers = {}) {
  const pairs = typeof headers[Symbol.iterator] === 'function' ? headers : Object.entries(headers);
  /** @type {[string, string][]} */
  const list = [];
  for (const [name, values] of pairs) {
    validateHeaderName(name);
    for (const value of [values].flat()) {
      validateHeaderValue(name, value);
      list.push([name, String(value)]);
    }
  }
  return list;
}

/**
 * Asks the function of the program.
 *
 * @param {any} server The server
 * @param {any} request The request
 * @param {any} socket Its socket, or stream
 * @param {Set<string>} offered The subprotocols that the client offers
 * @param {() => void} accept What to do if the client is let in
 * @param {(status: number, body?: string, headers?: Record<string, any>) => void} reject And if not
 */
async function decide(server, request, socket, offered, accept, reject) {
  const waiting = new Waiting(request, socket);
  let next;

  try {
    const result = await readResult(await server.options.upgrade(request));

    if ('status' in result) next = () => reject(result.status, result.body, result.headers);
    else {
      if (result.protocol && !offered.has(result.protocol)) {
        throw new RangeError(`The client doesn't offer the subprotocol "${result.protocol}"`);
      }
      agreements.set(request, result);
      next = accept;
    }
  } catch (error) {
    next = () => {
      reject(500);
      report(server, error, request);
    };
  }

  waiting.end();
  // Not as a part of the promise: what a listener throws is an exception as any other.
  nextTick(next);
}

/**
 * Reports what the function of the program has thrown.
 *
 * @param {any} server The server
 * @param {unknown} error That
 * @param {any} request The request
 */
function report(server, error, request) {
  if (server.emit('upgradeError', error, request) || hasWarned) return;
  hasWarned = true;
  const text = error instanceof Error ? error.stack : String(error);
  process.emitWarning(
    `The function "upgrade" of a WebSocketServer failed, and nobody listens for 'upgradeError': ${text}`,
    'OxwsWarning'
  );
}

/**
 * @param {object} request The request of a handshake
 * @return {Agreement | undefined} What the function of the program wants to be agreed
 */
function agreementOf(request) {
  return agreements.get(request);
}

module.exports = { agreementOf, checkUpgrade, decide };

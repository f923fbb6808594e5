// @ts-check
'use strict';

// Which handshakes a server takes on: limits of how many connections there are, of one address and
// in all, and whose pages may open some. What is over a limit is refused before anything else is
// done for it.

const { kAdmission } = require('../constants');
const { checkNumber, isSet } = require('./options');

/** The limits among the options of a server: integers from 1 on. */
const LIMITS = ['maxConnections', 'maxConnectionsPerAddress', 'maxHandshakes'];

/** @typedef {import('../handshake/rejection').Rejection} Rejection */
/** @typedef {'connections' | 'address' | 'handshakes' | 'origin'} Reason Why one is refused. */

/** How they are answered. @type {Record<Reason, Rejection>} */
const REJECTIONS = {
  address: { status: 429, message: 'Too many connections of this address' },
  connections: { status: 503, message: 'Too many connections' },
  handshakes: { status: 503, message: 'Too many handshakes in progress' },
  origin: { status: 403, message: 'Origin not allowed' }
};

/** Those of servers that have such options. @type {WeakMap<object, Admission>} */
const admissions = new WeakMap();

/**
 * Takes the options of a server.
 *
 * @param {object} server The server
 * @param {any} options All its options
 * @throws {TypeError} If one has the wrong type
 * @throws {RangeError} If one is out of its range
 */
function limit(server, options) {
  const { addressOf, allowedOrigins } = options;

  for (const name of LIMITS) {
    if (isSet(options[name])) checkNumber(name, options[name], 1, Number.MAX_SAFE_INTEGER);
  }
  if (isSet(addressOf) && typeof addressOf !== 'function') {
    throw new TypeError('The option "addressOf" must be a function');
  }
  if (isSet(allowedOrigins) && !isOrigins(allowedOrigins)) {
    throw new TypeError('The option "allowedOrigins" must be an array of strings or a function');
  }
  if (isSet(allowedOrigins) || LIMITS.some((name) => isSet(options[name]))) {
    admissions.set(server, new Admission(options));
  }
}

/**
 * @param {unknown} value An option
 * @return {boolean} Whether it says which origins are allowed
 */
function isOrigins(value) {
  if (typeof value === 'function') return true;
  return Array.isArray(value) && value.every((origin) => typeof origin === 'string');
}

/**
 * @param {any} request The request of a handshake
 * @return {string} Where it comes from
 */
function addressOfPeer(request) {
  return request.socket.remoteAddress ?? '';
}

/**
 * A handshake, and then the connection that it becomes, as far as they count.
 */
class Ticket {
  /**
   * @param {Admission} admission Who counts
   * @param {string | undefined} address Where it comes from, where that counts
   * @param {import('node:stream').Duplex} socket Its socket
   */
  constructor(admission, address, socket) {
    this._admission = admission;
    this._address = address;
    this._socket = socket;
    this._isAdmitted = false;
    this._isOver = false;
    this._onClose = () => this.leave();
    admission.handshakes++;
    admission.count(address, 1);
    socket.once('close', this._onClose);
  }

  /**
   * The handshake is done.
   *
   * @param {any} websocket The connection
   */
  admit(websocket) {
    this._isAdmitted = true;
    this._admission.handshakes--;
    this._socket.removeListener('close', this._onClose);
    websocket[kAdmission] = this;
  }

  /** It's over. */
  leave() {
    if (this._isOver) return;
    this._isOver = true;
    if (!this._isAdmitted) this._admission.handshakes--;
    this._admission.count(this._address, -1);
  }
}

/**
 * The counts of a server that has such options.
 */
class Admission {
  /**
   * @param {any} options The options of the server, which are read again for each request
   */
  constructor(options) {
    this._options = options;
    /** Handshakes in progress. */
    this.handshakes = 0;
    /** Those, and connections. */
    this._open = 0;
    /** The same by address. @type {Map<string, number>} */
    this._addresses = new Map();
    /** How many were refused, by reason. @type {Record<Reason, number>} */
    this.refused = { address: 0, connections: 0, handshakes: 0, origin: 0 };
  }

  /**
   * Counts.
   *
   * @param {string | undefined} address An address
   * @param {1 | -1} change By how much
   */
  count(address, change) {
    this._open += change;
    if (address === undefined) return;
    const count = (this._addresses.get(address) ?? 0) + change;
    if (count > 0) this._addresses.set(address, count);
    else this._addresses.delete(address);
  }

  /**
   * Takes a handshake on.
   *
   * @param {any} request Its request
   * @param {import('node:stream').Duplex} socket Its socket
   * @return {Ticket | Rejection} What it counts as until it's over; or how it's refused
   */
  enter(request, socket) {
    const { addressOf, maxConnectionsPerAddress } = this._options;
    const isByAddress = isSet(maxConnectionsPerAddress);
    const address = isByAddress ? String((addressOf ?? addressOfPeer)(request)) : undefined;
    const reason = this._reasonToRefuse(request, address);
    if (reason === null) return new Ticket(this, address, socket);
    this.refused[reason]++;
    return REJECTIONS[reason];
  }

  /**
   * @param {any} request The request of a handshake
   * @param {string | undefined} address Where it comes from, where that counts
   * @return {Reason | null} Why it's refused
   * @private
   */
  _reasonToRefuse(request, address) {
    const { maxConnections, maxConnectionsPerAddress, maxHandshakes } = this._options;
    if (isSet(maxConnections) && this._open >= maxConnections) return 'connections';
    if (isSet(maxHandshakes) && this.handshakes >= maxHandshakes) return 'handshakes';
    if (address !== undefined && (this._addresses.get(address) ?? 0) >= maxConnectionsPerAddress) {
      return 'address';
    }
    return this._isOriginAllowed(request) ? null : 'origin';
  }

  /**
   * @param {any} request The request of a handshake
   * @return {boolean} Whether pages of its origin may open connections
   * @private
   */
  _isOriginAllowed({ headers }) {
    const { allowedOrigins } = this._options;
    if (!isSet(allowedOrigins)) return true;
    // HyBi 8 had another name for the header.
    const origin = headers.origin ?? headers['sec-websocket-origin'];
    if (typeof allowedOrigins === 'function') return Boolean(allowedOrigins(origin));
    // Browsers always send one.
    return origin === undefined || allowedOrigins.includes(origin);
  }
}

/**
 * Takes a handshake on, if the server has room for it.
 *
 * @param {object} server The server
 * @param {any} request The request
 * @param {any} socket Its socket
 * @return {Rejection | null} How it's refused
 */
function enter(server, request, socket) {
  const admission = admissions.get(server);
  if (admission === undefined) return null;
  const result = admission.enter(request, socket);
  if ('status' in result) return result;
  socket[kAdmission] = result;
  return null;
}

/**
 * Says that a handshake has become a connection.
 *
 * @param {any} socket The socket
 * @param {any} websocket The WebSocket that it's of now
 */
function admit(socket, websocket) {
  /** @type {Ticket | undefined} */
  const ticket = socket[kAdmission];
  ticket?.admit(websocket);
}

module.exports = { admit, enter, limit };

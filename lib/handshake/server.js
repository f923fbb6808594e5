// @ts-check
'use strict';

// The opening handshake of a server: the checks of the request, and the response that accepts it.
// RFC 6455, section 4.2.

const { enter } = require('../beyond/admission');
const { isShuttingDown } = require('../beyond/shutdown');
const { agreementOf, decide } = require('../beyond/upgrade');
const { kTopics, kWebSocket } = require('../constants');
const extension = require('../extension');
const { acceptKey, isValidKey } = require('../native');
const PerMessageDeflate = require('../permessage-deflate');
const subprotocol = require('../subprotocol');
const { rejectRequest } = require('./rejection');

/**
 * @typedef {import('node:http').IncomingMessage | import('node:http2').Http2ServerRequest} Request
 */
/** @typedef {import('./rejection').Reject} Reject */
/** @typedef {import('./rejection').Rejection} Rejection */

/** The first value of `_state`: the server takes connections. */
const RUNNING = 0;

/**
 * Checks the parts of the request that don't depend on the options. RFC 6455, section 4.2.1.
 *
 * @param {Request} req The request
 * @return {Rejection | undefined} What is wrong
 */
function requestFault(req) {
  const { headers } = req;
  const key = headers['sec-websocket-key'];

  if (req.method !== 'GET') return { status: 405, message: 'Invalid HTTP method' };
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 400, message: 'Invalid Upgrade header' };
  }
  if (typeof key !== 'string' || !isValidKey(key)) {
    return { status: 400, message: 'Missing or invalid Sec-WebSocket-Key header' };
  }

  return versionFault(req);
}

/**
 * @param {Request} req The request
 * @return {Rejection | undefined} What is wrong with the protocol version that it asks for
 */
function versionFault(req) {
  const version = protocolVersion(req);

  if (version !== 13 && version !== 8) {
    return {
      status: 400,
      message: 'Missing or invalid Sec-WebSocket-Version header',
      headers: { 'Sec-WebSocket-Version': '13, 8' }
    };
  }
}

/**
 * @param {Request} req The request
 * @return {number} The protocol version that it asks for, or `NaN`
 * @private
 */
function protocolVersion(req) {
  return Number(req.headers['sec-websocket-version']);
}

/**
 * @typedef {object} Offer
 * @property {Set<string>} protocols The subprotocols that the client offers
 * @property {Record<string, any>} extensions The extensions that both sides want, by name
 */

/**
 * Reads what the client offers beyond the bare protocol.
 *
 * @param {any} options The options of the server
 * @param {Request} req The request
 * @return {Offer | Rejection} The offer, or what is wrong with it
 */
function readOffer(options, req) {
  const protocolHeader = req.headers['sec-websocket-protocol'];
  const extensionHeader = req.headers['sec-websocket-extensions'];
  /** @type {Offer} */
  const offer = { protocols: new Set(), extensions: {} };

  if (protocolHeader !== undefined) {
    try {
      offer.protocols = subprotocol.parse(protocolHeader);
    } catch {
      return { status: 400, message: 'Invalid Sec-WebSocket-Protocol header' };
    }
  }

  if (options.perMessageDeflate && extensionHeader !== undefined) {
    const perMessageDeflate = new PerMessageDeflate({
      ...options.perMessageDeflate,
      isServer: true,
      maxPayload: options.maxPayload
    });

    try {
      const offers = extension.parse(extensionHeader)[PerMessageDeflate.extensionName];

      if (offers) {
        perMessageDeflate.accept(offers);
        offer.extensions[PerMessageDeflate.extensionName] = perMessageDeflate;
      }
    } catch {
      return {
        status: 400,
        message: 'Invalid or unacceptable Sec-WebSocket-Extensions header'
      };
    }
  }

  return offer;
}

/**
 * Checks a request by which a client wants to open a WebSocket, over whichever version of HTTP, and
 * finds out whether the client is let in: by the option `upgrade`, or else `verifyClient`.
 *
 * @param {any} server The server
 * @param {any} req The request
 * @param {any} socket Its socket, or stream
 * @param {Rejection | undefined} fault What is wrong with the request by itself
 * @param {(offer: Offer) => void} accept What to do with one that is in order
 * @param {Reject} reject What to do with others
 */
function examine(server, req, socket, fault, accept, reject) {
  const { options } = server;

  socket.on('error', destroyOnError);

  if (fault) return rejectRequest(server, req, socket, fault, reject);
  if (!server.shouldHandle(req)) return reject(400);

  const refusal = enter(server, req, socket);

  if (refusal !== null) return reject(refusal.status, refusal.message);

  const offer = readOffer(options, req);

  if ('status' in offer) return rejectRequest(server, req, socket, offer, reject);

  const goOn = () => accept(offer);

  if (options.upgrade) decide(server, req, socket, offer.protocols, goOn, reject);
  else verifyClient(options, req, goOn, reject);
}

/**
 * Tells whether a client that is let in still finds its place.
 *
 * @param {any} server The server
 * @param {any} socket Its socket, or stream
 * @param {string} twice The error where the socket belongs to a WebSocket already
 * @param {Reject} reject Answers a client that is too late
 * @return {boolean} Whether it does
 * @throws {Error} If the socket belongs to a WebSocket already
 */
function findsPlace(server, socket, twice, reject) {
  // The client may have gone away while it was being verified.
  if (!socket.readable || !socket.writable) {
    socket.destroy();
    return false;
  }
  if (socket[kWebSocket]) throw new Error(twice);
  if (server._state > RUNNING || isShuttingDown(server)) {
    reject(503);
    return false;
  }
  return true;
}

/**
 * @param {any} server A server
 * @return {any} A WebSocket of it, without a socket
 */
function createWebSocket({ options, [kTopics]: topics }) {
  const websocket = new options.WebSocket(null, undefined, options);

  websocket[kTopics] = topics;
  return websocket;
}

/**
 * Listener of `'error'` for a socket whose handshake isn't done.
 *
 * @this {import('node:stream').Duplex}
 */
function destroyOnError() {
  this.destroy();
}

/**
 * Asks the option `verifyClient` whether to go on: it answers by its result, or by a callback if it
 * takes one.
 *
 * @param {any} options The options of the server
 * @param {any} req The request
 * @param {() => void} accept What to do if so
 * @param {Reject} reject What to do if not
 */
function verifyClient(options, req, accept, reject) {
  if (!options.verifyClient) {
    accept();
    return;
  }

  const info = {
    // HyBi 8 had another name for the header.
    origin: req.headers[protocolVersion(req) === 8 ? 'sec-websocket-origin' : 'origin'],
    secure: Boolean(req.socket.authorized || req.socket.encrypted),
    req
  };

  if (options.verifyClient.length !== 2) {
    if (options.verifyClient(info)) accept();
    else reject(401);
    return;
  }

  options.verifyClient(
    info,
    (
      /** @type {boolean} */ verified,
      /** @type {number} */ status,
      /** @type {string} */ message,
      /** @type {Record<string, any>} */ headers
    ) => {
      if (verified) accept();
      else reject(status || 401, message, headers);
    }
  );
}

/**
 * Composes the response that accepts the handshake, and tells the WebSocket what was agreed. RFC
 * 6455, section 4.2.2.
 *
 * @param {any} options The options of the server
 * @param {any} websocket The new WebSocket
 * @param {Offer} offer What the client offers
 * @param {string} key The value of `Sec-WebSocket-Key`
 * @param {Request} req The request
 * @return {string[]} The lines of the response
 */
function acceptHeaders(options, websocket, offer, key, req) {
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptKey(key)}`,
    ...agree(options, websocket, offer, req)
  ];
}

/**
 * Chooses from what the client offers, and tells the WebSocket.
 *
 * @param {any} options The options of the server
 * @param {any} websocket The new WebSocket
 * @param {Offer} offer What the client offers
 * @param {Request} req The request
 * @return {string[]} The lines of the response that say so
 */
function agree(options, websocket, { extensions, protocols }, req) {
  const { extensionName } = PerMessageDeflate;
  const agreement = options.upgrade ? agreementOf(req) : undefined;
  /** @type {string[]} */
  const lines = [];

  if (protocols.size) {
    let protocol = agreement?.protocol;

    if (options.handleProtocols) protocol = options.handleProtocols(protocols, req);
    else if (protocol === undefined) protocol = protocols.values().next().value;

    if (protocol) {
      lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
      websocket._protocol = protocol;
    }
  }

  if (extensions[extensionName]) {
    const agreed = extension.format({ [extensionName]: [extensions[extensionName].params] });

    lines.push(`Sec-WebSocket-Extensions: ${agreed}`);
    websocket._extensions = extensions;
  }

  if (agreement) {
    websocket.data = agreement.data;
    for (const [name, value] of agreement.headers) lines.push(`${name}: ${value}`);
  }

  return lines;
}

module.exports = {
  acceptHeaders,
  agree,
  createWebSocket,
  destroyOnError,
  examine,
  findsPlace,
  requestFault,
  RUNNING,
  versionFault
};

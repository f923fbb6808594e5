// @ts-check
'use strict';

// The opening handshake of a server: the checks of the request, and the response that accepts it.
// RFC 6455, section 4.2.

const extension = require('../extension');
const { acceptKey, isValidKey } = require('../native');
const PerMessageDeflate = require('../permessage-deflate');
const subprotocol = require('../subprotocol');
const { rejectHandshake } = require('./rejection');

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('./rejection').Rejection} Rejection */

/**
 * Checks the parts of the request that don't depend on the options. RFC 6455, section 4.2.1.
 *
 * @param {IncomingMessage} req The request
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
 * @param {IncomingMessage} req The request
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
 * @param {IncomingMessage} req The request
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
 * Asks the option `verifyClient` whether to go on: it answers by its result, or by a callback if it
 * takes one.
 *
 * @param {any} options The options of the server
 * @param {any} req The request
 * @param {Duplex} socket Its socket
 * @param {() => void} accept What to do if so
 */
function verifyClient(options, req, socket, accept) {
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
    else rejectHandshake(socket, 401);
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
      else rejectHandshake(socket, status || 401, message, headers);
    }
  );
}

/**
 * Composes the response that accepts the handshake, and tells the WebSocket what was agreed. RFC
 * 6455, section 4.2.2.
 *
 * @param {any} options The options of the server
 * @param {any} websocket The new WebSocket
 * @param {Record<string, any>} extensions The extensions to use
 * @param {string} key The value of `Sec-WebSocket-Key`
 * @param {Set<string>} protocols The subprotocols that the client offers
 * @param {IncomingMessage} req The request
 * @return {string[]} The lines of the response
 */
function acceptHeaders(options, websocket, extensions, key, protocols, req) {
  const { extensionName } = PerMessageDeflate;
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptKey(key)}`
  ];

  if (protocols.size) {
    const protocol = options.handleProtocols
      ? options.handleProtocols(protocols, req)
      : protocols.values().next().value;

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

  return lines;
}

module.exports = { acceptHeaders, readOffer, requestFault, verifyClient };

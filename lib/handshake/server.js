// @ts-check
'use strict';

// The opening handshake of a server: the checks of the request, and the response that accepts it.
// RFC 6455, section 4.2.

const { agreementOf, decide } = require('../beyond/upgrade');
const extension = require('../extension');
const { acceptKey, isValidKey } = require('../native');
const PerMessageDeflate = require('../permessage-deflate');
const subprotocol = require('../subprotocol');

/**
 * @typedef {import('node:http').IncomingMessage | import('node:http2').Http2ServerRequest} Request
 */
/** @typedef {import('./rejection').Rejection} Rejection */

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
 * Finds out whether a client is let in: by the option `upgrade`, or else `verifyClient`.
 *
 * @param {any} server The server
 * @param {any} req The request
 * @param {any} socket Its socket, or stream
 * @param {Offer} offer What the client offers
 * @param {() => void} accept What to do if so
 * @param {(status: number, message?: string, headers?: Record<string, any>) => void} reject What to
 *     do if not
 */
function judge(server, req, socket, offer, accept, reject) {
  const { options } = server;

  if (options.upgrade) decide(server, req, socket, offer.protocols, accept, reject);
  else verifyClient(options, req, accept, reject);
}

/**
 * Asks the option `verifyClient` whether to go on: it answers by its result, or by a callback if it
 * takes one.
 *
 * @param {any} options The options of the server
 * @param {any} req The request
 * @param {() => void} accept What to do if so
 * @param {(status: number, message?: string, headers?: Record<string, any>) => void} reject What to
 *     do if not
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

module.exports = { acceptHeaders, agree, judge, readOffer, requestFault, versionFault };

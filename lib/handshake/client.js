// @ts-check
'use strict';

// The opening handshake of a client: request, redirects, and the check of the response.
// RFC 6455, sections 4.1 and 4.2.2. The bytes go through Node's own `http` and `https`.

const { randomBytes } = require('node:crypto');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');

const { abortRequest, failHandshake, kAborted } = require('./failure');
const { composeOffer, concludeHandshake } = require('./offer');
const { prepareForRedirects } = require('./redirect');
const { parseAddress, targetOf, urlFault } = require('./url');
const { openStream } = require('../beyond/http2-client');
const { CLOSE_TIMEOUT } = require('../constants');
const { connectSecure } = require('../engine/secure');
const { acceptKey } = require('../native');
const { CONNECTING } = require('../ready-state');

// RFC 6455, section 4.1: the version is 13. HyBi 8 differs from it in the name of one header only.
const PROTOCOL_VERSIONS = [8, 13];

const DEFAULT_OPTIONS = {
  allowSynchronousEvents: true,
  autoPong: true,
  closeTimeout: CLOSE_TIMEOUT,
  protocolVersion: 13,
  maxBufferedChunks: 256 * 1024,
  maxFragments: 16 * 1024,
  maxPayload: 100 * 1024 * 1024,
  maxPendingAutoPongs: 60,
  skipUTF8Validation: false,
  perMessageDeflate: true,
  followRedirects: false,
  maxRedirects: 10
};

/** Options of `http.request()` that the URL or the handshake determine, whatever the user says. */
const RESERVED_OPTIONS = {
  socketPath: undefined,
  hostname: undefined,
  protocol: undefined,
  protocols: undefined,
  timeout: undefined,
  method: 'GET',
  host: undefined,
  path: undefined,
  port: undefined
};

/** @typedef {import('./offer').Attempt} Attempt */

/**
 * Starts an opening handshake.
 *
 * @param {any} websocket The WebSocket that is to be opened
 * @param {string | URL} address The URL to connect to
 * @param {any[]} protocols The subprotocols to offer
 * @param {any} options What the user gave
 * @return {any} The options with their defaults
 * @throws {RangeError} If the protocol version isn't supported
 * @throws {SyntaxError} If the URL or a subprotocol isn't valid
 */
function openConnection(websocket, address, protocols, options) {
  /** @type {any} */
  const request = { ...DEFAULT_OPTIONS, ...options, ...RESERVED_OPTIONS };

  if (!PROTOCOL_VERSIONS.includes(request.protocolVersion)) {
    throw new RangeError(
      `Unsupported protocol version: ${request.protocolVersion} ` +
        `(supported versions: ${PROTOCOL_VERSIONS.join(', ')})`
    );
  }

  const url = parseAddress(address);

  websocket._url = url.href;

  const fault = urlFault(url);

  if (fault) {
    const error = new SyntaxError(fault);

    if (websocket._redirects === 0) throw error;
    failHandshake(websocket, error);
    return;
  }

  /** @type {Attempt} */
  const attempt = {
    websocket,
    address,
    url,
    request,
    nextOptions: options,
    protocols,
    offered: new Set(),
    key: randomBytes(16).toString('base64'),
    perMessageDeflate: undefined,
    req: null
  };

  if (request.http2) openStream(attempt);
  else sendRequest(attempt);
  return request;
}

/**
 * Composes the request of an attempt and sends it.
 *
 * @param {Attempt} attempt The attempt
 * @private
 */
function sendRequest(attempt) {
  const { websocket, request } = attempt;
  const target = targetOf(attempt.url);

  request.createConnection =
    request.createConnection || (target.isSecure ? connectTls : connectNet);
  request.defaultPort = request.defaultPort || target.defaultPort;
  request.port = target.port;
  request.host = target.host;
  request.path = target.path;
  request.socketPath = target.socketPath;
  request.timeout = request.handshakeTimeout;
  if (target.auth !== undefined) request.auth = target.auth;
  addHeaders(attempt);

  if (request.followRedirects) {
    attempt.nextOptions = prepareForRedirects(websocket, target, request, attempt.nextOptions);
  }

  const req = (target.isSecure ? https : http).request(request);

  attempt.req = websocket._req = req;

  // Whatever a listener does to the request here comes back by its events: nothing to check.
  if (request.followRedirects && websocket._redirects) {
    websocket.emit('redirect', websocket.url, req);
  }

  listen(attempt, req);

  if (request.finishRequest) request.finishRequest(req, websocket);
  else req.end();
}

/**
 * Adds the headers of the handshake after those of the user.
 *
 * @param {Attempt} attempt The attempt
 * @throws {SyntaxError} If a subprotocol isn't valid
 * @private
 */
function addHeaders(attempt) {
  const { request } = attempt;

  request.headers = {
    ...request.headers,
    'Sec-WebSocket-Version': request.protocolVersion,
    'Sec-WebSocket-Key': attempt.key,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    ...composeOffer(attempt)
  };
}

/**
 * Opens a TCP connection, or one to a Unix domain socket or a pipe.
 *
 * @param {any} options Options of the request
 * @return {net.Socket} The socket
 * @private
 */
function connectNet(options) {
  options.path = options.socketPath;
  return net.connect(options);
}

/**
 * Opens a TLS connection. The server name is the host, unless that is an address.
 *
 * @param {any} options Options of the request
 * @return {import('node:tls').TLSSocket} The socket
 * @private
 */
function connectTls(options) {
  options.path = undefined;

  if (!options.servername && options.servername !== '') {
    options.servername = net.isIP(options.host) ? '' : options.host;
  }

  return connectSecure(options);
}

/**
 * Listens for what becomes of a request.
 *
 * @param {Attempt} attempt The attempt
 * @param {http.ClientRequest} req The request
 * @private
 */
function listen(attempt, req) {
  const { websocket } = attempt;

  if (attempt.request.timeout) {
    req.on('timeout', () => abortRequest(websocket, req, 'Opening handshake has timed out'));
  }

  req.on('error', (error) => {
    if (attempt.req === null || attempt.req[kAborted]) return;

    attempt.req = websocket._req = null;
    failHandshake(websocket, error);
  });
  req.on('response', (res) => onResponse(attempt, req, res));
  req.on('upgrade', (res, socket, head) => onUpgrade(attempt, res, socket, head));
}

/**
 * The server answered with something else than the WebSocket protocol.
 *
 * @param {Attempt} attempt The attempt
 * @param {http.ClientRequest} req The request
 * @param {http.IncomingMessage} res The response
 * @private
 */
function onResponse(attempt, req, res) {
  const { websocket, request } = attempt;
  const { location } = res.headers;
  const status = /** @type {number} */ (res.statusCode);

  if (location && request.followRedirects && status >= 300 && status < 400) {
    followRedirect(attempt, req, location);
  } else if (!websocket.emit('unexpected-response', req, res)) {
    abortRequest(websocket, req, `Unexpected server response: ${status}`);
  }
}

/**
 * The server sent the client elsewhere.
 *
 * @param {Attempt} attempt The attempt
 * @param {http.ClientRequest} req The request
 * @param {string} location Where to
 * @private
 */
function followRedirect(attempt, req, location) {
  const { websocket, request, address, protocols, nextOptions } = attempt;

  if (++websocket._redirects > request.maxRedirects) {
    abortRequest(websocket, req, 'Maximum redirects exceeded');
    return;
  }

  req.abort();

  let next;

  try {
    next = parseAddress(location, address);
  } catch (error) {
    failHandshake(websocket, /** @type {Error} */ (error));
    return;
  }

  openConnection(websocket, next, protocols, nextOptions);
}

/**
 * The server switched protocols.
 *
 * @param {Attempt} attempt The attempt
 * @param {http.IncomingMessage} res The response
 * @param {import('node:stream').Duplex} socket The socket
 * @param {Buffer} head What arrived after the response already
 * @private
 */
function onUpgrade(attempt, res, socket, head) {
  const { websocket } = attempt;

  websocket.emit('upgrade', res);

  // A listener may have closed the WebSocket.
  if (websocket.readyState !== CONNECTING) return;

  attempt.req = websocket._req = null;

  concludeHandshake(attempt, res, socket, head, responseFault(attempt, res));
}

/**
 * Checks the headers that every response has.
 *
 * @param {Attempt} attempt The attempt
 * @param {http.IncomingMessage} res The response
 * @return {string | undefined} What is wrong
 * @private
 */
function responseFault(attempt, res) {
  if (res.headers.upgrade?.toLowerCase() !== 'websocket') return 'Invalid Upgrade header';
  if (res.headers['sec-websocket-accept'] !== acceptKey(attempt.key)) {
    return 'Invalid Sec-WebSocket-Accept header';
  }
}

module.exports = { openConnection };

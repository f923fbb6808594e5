// @ts-check
'use strict';

// The opening handshake of a server over HTTP/2: a stream that a client opens by an extended
// CONNECT carries a WebSocket. RFC 8441.

const { Http2ServerRequest, constants } = require('node:http2');
const { STATUS_CODES } = require('node:http');

const { resetByCancel } = require('./http2-stream');
const {
  agree,
  createWebSocket,
  destroyOnError,
  examine,
  findsPlace,
  versionFault
} = require('../handshake/server');

/** @typedef {import('node:http2').ServerHttp2Stream} ServerHttp2Stream */
/** @typedef {import('node:http2').IncomingHttpHeaders} IncomingHttpHeaders */
/** @typedef {import('../handshake/rejection').Reject} Reject */
/** @typedef {import('../handshake/rejection').Rejection} Rejection */
/** @typedef {(websocket: any, request: Http2ServerRequest) => void} Callback */

/** RFC 9113, section 8.2.2: they are about a connection of HTTP/1.1. */
const OF_CONNECTIONS = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade'
]);

/**
 * Tells whether a server speaks HTTP/2.
 *
 * @param {any} server The server
 * @return {boolean} Whether it does
 */
function speaksHttp2(server) {
  return typeof server.updateSettings === 'function';
}

/**
 * Tells whether a stream is opened for a WebSocket. RFC 8441, section 4.
 *
 * @param {IncomingHttpHeaders} headers The headers of its request
 * @return {boolean} Whether it is
 */
function isForWebSocket(headers) {
  return headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket';
}

/**
 * Makes the listeners by which a server of HTTP/2 gives its streams to a WebSocket server.
 *
 * @param {any} wss The WebSocket server
 * @param {Callback} callback Called with each new WebSocket
 * @return {Record<string, (...values: any[]) => void>} The listeners by event
 */
function connectListeners(wss, callback) {
  return {
    stream(/** @type {ServerHttp2Stream} */ stream, /** @type {IncomingHttpHeaders} */ headers) {
      if (isForWebSocket(headers)) wss.handleConnect(stream, headers, callback);
    },
    // A server with a listener for `'request'` emits this first, and refuses what nobody listens
    // to.
    /** @this {import('node:http2').Http2Server} */
    connect(/** @type {Http2ServerRequest} */ request, /** @type {any} */ response) {
      if (isForWebSocket(request.headers) || this.listenerCount('connect') > 1) return;
      response.writeHead(405).end();
    }
  };
}

/**
 * Answers the request by which a stream is opened.
 *
 * @param {any} wss The WebSocket server
 * @param {ServerHttp2Stream} stream The stream
 * @param {IncomingHttpHeaders} headers The headers of the request
 * @param {Callback} open Gives the new WebSocket its stream
 */
function acceptStream(wss, stream, headers, open) {
  const request = new Http2ServerRequest(stream, headers, {}, listHeaders(headers));
  const rejectStream = (/** @type {Parameters<Reject>} */ ...how) => reject(stream, ...how);

  examine(
    wss,
    request,
    stream,
    requestFault(request),
    (offer) => accept(wss, request, offer, open, rejectStream),
    rejectStream
  );
}

/**
 * @param {IncomingHttpHeaders} headers Headers
 * @return {string[]} Names and values in turn, as in `rawHeaders`
 */
function listHeaders(headers) {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? ''].flat().flatMap((each) => [name, each])
  );
}

/**
 * Checks what doesn't depend on the options. RFC 8441, section 5: there is no key.
 *
 * @param {Http2ServerRequest} request The request
 * @return {Rejection | undefined} What is wrong
 */
function requestFault(request) {
  if (!isForWebSocket(request.headers)) return { status: 405, message: 'Invalid HTTP method' };
  return versionFault(request);
}

/**
 * Accepts a request that is in order.
 *
 * @param {any} wss The WebSocket server
 * @param {Http2ServerRequest} request The request
 * @param {import('../handshake/server').Offer} offer What the client offers
 * @param {Callback} open Gives the new WebSocket its stream
 * @param {Reject} rejectStream Refuses it after all
 */
function accept(wss, request, offer, open, rejectStream) {
  const stream = /** @type {any} */ (request.stream);

  const twice = 'server.handleConnect() was called more than once with the same stream';

  if (!findsPlace(wss, stream, twice, rejectStream)) return;

  const websocket = createWebSocket(wss);
  const lines = [':status: 200', ...agree(wss.options, websocket, offer, request)];

  // As over HTTP/1.1: listeners may change the lines.
  wss.emit('headers', lines, request);
  stream.respond(parseLines(lines));
  stream.removeListener('error', destroyOnError);
  resetByCancel(stream);
  open(websocket, request);
}

/**
 * Makes the headers of a response out of lines.
 *
 * @param {string[]} lines `Name: value`
 * @return {Record<string, string | string[]>} The headers; a list where a name comes several times
 */
function parseLines(lines) {
  /** @type {Record<string, string | string[]>} */
  const headers = {};

  for (const line of lines) {
    // The name of a pseudo-header begins with a colon.
    const colon = line.indexOf(':', 1);
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();

    if (colon === -1 || OF_CONNECTIONS.has(name)) continue;
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }

  return headers;
}

/**
 * Sends an error response and ends the stream.
 *
 * @param {any} stream The stream
 * @param {number} status The HTTP status
 * @param {string} [message] The body; by default what the status means
 * @param {Record<string, any>} [more] Further headers
 */
function reject(stream, status, message, more = {}) {
  const body = message || STATUS_CODES[status] || '';
  /** @type {Record<string, any>} */
  const headers = {
    ':status': status,
    'content-type': 'text/html',
    'content-length': Buffer.byteLength(body)
  };

  for (const [name, value] of Object.entries(more)) {
    if (!OF_CONNECTIONS.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }

  if (stream.destroyed) return;
  stream.respond(headers);
  // The client has more to say only if it doesn't wait for the response.
  stream.end(body, () => stream.close(constants.NGHTTP2_NO_ERROR));
}

module.exports = { acceptStream, connectListeners, speaksHttp2 };

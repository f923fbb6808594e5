// @ts-check
'use strict';

// How a server refuses an opening handshake: an HTTP response written straight to the socket, which
// is then closed.

const { STATUS_CODES } = require('node:http');

/**
 * Why a handshake is refused.
 *
 * @typedef {object} Rejection
 * @property {number} status The HTTP status
 * @property {string} message The body of the response
 * @property {Record<string, any>} [headers] Further headers
 */

/**
 * Sends an error response: its status, its body, by default what the status means, and further
 * headers.
 *
 * @typedef {(status: number, message?: string, headers?: Record<string, any>) => void} Reject
 */

/**
 * Sends an error response and ends the connection.
 *
 * @param {import('node:stream').Duplex} socket The socket of the request
 * @param {number} status The HTTP status
 * @param {string} [message] The body; by default what the status means
 * @param {Record<string, any>} [headers] Further headers; they may replace those that are always
 *     there
 */
function rejectHandshake(socket, status, message, headers) {
  const reason = STATUS_CODES[status];
  const body = /** @type {string} */ (message || reason);
  const lines = [`HTTP/1.1 ${status} ${reason}`];

  for (const [name, value] of Object.entries({
    Connection: 'close',
    'Content-Type': 'text/html',
    'Content-Length': Buffer.byteLength(body),
    ...headers
  })) {
    lines.push(`${name}: ${value}`);
  }

  // A socket that was ended before, against the rules, emits an error here, which destroys it.
  socket.once('finish', socket.destroy);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Refuses a request that isn't a proper handshake. A user who listens for `'wsClientError'` answers
 * it instead.
 *
 * @param {any} server The `WebSocketServer`
 * @param {any} req The request
 * @param {import('node:stream').Duplex} socket Its socket, or stream
 * @param {Rejection} rejection What is wrong
 * @param {Reject} reject Sends the error response
 */
function rejectRequest(server, req, socket, { status, message, headers }, reject) {
  if (server.listenerCount('wsClientError') === 0) {
    reject(status, message, headers);
    return;
  }

  const error = new Error(message);

  Error.captureStackTrace(error, rejectRequest);
  server.emit('wsClientError', error, socket, req);
}

module.exports = { rejectHandshake, rejectRequest };

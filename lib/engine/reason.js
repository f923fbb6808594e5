// @ts-check
'use strict';

// Why a connection is on the stream transport and not on the engine: `ws.transportReason`.

/**
 * Why:
 *
 *   bytes        A program looks at the bytes, or at the receiver.
 *   compression  permessage-deflate is agreed, and the engine hasn't taken the connection over yet.
 *   early        Its TLS began before oxws knew OpenSSL, or in another thread.
 *   environment  There is no engine, or none for TLS.
 *   options      One of its options, extensions or patches needs what is in JavaScript.
 *   program      The program has opened the client's connection over TLS.
 *   session      A client over TLS listens for sessions.
 *   socket       It isn't a socket as Node.js makes them, or something is under way on it.
 *   state        Some of what its TLS connection has read or written is on its way.
 *   system       The system has no descriptor left.
 *
 * @typedef {'bytes' | 'compression' | 'early' | 'environment' | 'options' | 'program' | 'session' |
 *   'socket' | 'state' | 'system'} Reason
 */

/** What `adoptSecure` returns, by its absolute value. @type {Record<number, Reason>} */
const OF_REFUSAL = { 1: 'system', 2: 'early', 3: 'state', 4: 'state', 5: 'state', 6: 'system' };

/** Of sockets that the engine doesn't have. @type {WeakMap<object, Reason>} */
const reasons = new WeakMap();

/**
 * Notes why the engine doesn't have a socket.
 *
 * @param {object} socket The socket
 * @param {Reason} reason Why
 * @return {null} What stands for a connection that the engine doesn't have
 */
function decline(socket, reason) {
  reasons.set(socket, reason);
  return null;
}

/**
 * As `decline`, for what `adopt` or `adoptSecure` has returned.
 *
 * @param {object} socket The socket
 * @param {number} result That
 * @return {null} As there
 */
function declineFor(socket, result) {
  return decline(socket, OF_REFUSAL[-result] ?? 'state');
}

/**
 * @param {object | null | undefined} socket A socket
 * @return {Reason} Why the engine doesn't have it
 */
function reasonOf(socket) {
  return (socket && reasons.get(socket)) ?? 'socket';
}

module.exports = { decline, declineFor, reasonOf };

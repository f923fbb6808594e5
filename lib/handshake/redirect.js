// @ts-check
'use strict';

// What a client takes along when the server sends it elsewhere: which headers and credentials.
//
// Credentials stay with the host that they were given for. They are dropped when the new target is
// another host (or socket path) than the first one, or when encryption would be lost, unless the
// user listens for `'redirect'` and so decides alone.

/** @typedef {import('./url').Target} Target */

/**
 * Remembers where the first request goes.
 *
 * @param {any} websocket The WebSocket
 * @param {Target} target Where it goes
 */
function rememberOrigin(websocket, target) {
  websocket._originalIpc = target.isIpc;
  websocket._originalSecure = target.isSecure;
  websocket._originalHostOrSocketPath = target.origin;
}

/**
 * Copies the user's options for the following requests, with the header names in lower case so that
 * they can be found. The user's own object isn't changed.
 *
 * @param {any} options The user's options
 * @return {any} The copy
 */
function copyOptions(options) {
  /** @type {Record<string, any>} */
  const headers = {};

  for (const [name, value] of Object.entries(options?.headers ?? {})) {
    headers[name.toLowerCase()] = value;
  }

  return { ...options, headers };
}

/**
 * Removes from a following request what the new target must not learn.
 *
 * @param {any} websocket The WebSocket
 * @param {Target} target Where the request goes
 * @param {any} request The options of the request; changed
 */
function dropCredentials(websocket, target, request) {
  const isSameHost =
    target.isIpc === websocket._originalIpc &&
    target.origin === websocket._originalHostOrSocketPath;

  if (isSameHost && (target.isSecure || !websocket._originalSecure)) return;

  delete request.headers.authorization;
  delete request.headers.cookie;
  if (!isSameHost) delete request.headers.host;
  request.auth = undefined;
}

/**
 * Prepares a request of a client that follows redirects.
 *
 * @param {any} websocket The WebSocket
 * @param {Target} target Where the request goes
 * @param {any} request The options of the request; changed
 * @param {any} options The options that the user gave, or what this function returned for the
 *     request before
 * @return {any} The options for the next request
 */
function prepareForRedirects(websocket, target, request, options) {
  let next = options;

  if (websocket._redirects === 0) {
    rememberOrigin(websocket, target);
    next = copyOptions(options);
  } else if (websocket.listenerCount('redirect') === 0) {
    dropCredentials(websocket, target, request);
  }

  // The first credentials win: those of a later URL don't replace them.
  if (request.auth && !next.headers.authorization) {
    next.headers.authorization = `Basic ${Buffer.from(request.auth).toString('base64')}`;
  }

  return next;
}

module.exports = { prepareForRedirects };

// @ts-check
'use strict';

// The URL of a WebSocket: which ones are allowed, and where they lead. RFC 6455, section 3, with
// `http:` and `https:` as other names of `ws:` and `wss:`, and `ws+unix:` for a Unix domain socket
// or a pipe.

const querystring = require('node:querystring');

const ALIASES = /** @type {Record<string, string>} */ ({ 'http:': 'ws:', 'https:': 'wss:' });
const SCHEMES = ['ws:', 'wss:', 'ws+unix:'];

/**
 * Makes a URL out of what the user gave. A URL object of the user's isn't changed.
 *
 * @param {string | URL} address The address
 * @param {string | URL} [base] What it's relative to
 * @return {URL} The URL, with the scheme of a WebSocket where there is one
 * @throws {SyntaxError} If it can't be parsed
 */
function parseAddress(address, base) {
  let url;

  try {
    url = address instanceof URL ? address : new URL(address, base);
  } catch {
    throw new SyntaxError(`Invalid URL: ${address}`);
  }

  const scheme = ALIASES[url.protocol];

  if (scheme === undefined) return url;

  url = new URL(url);
  url.protocol = scheme;
  return url;
}

/**
 * Says why no connection can be made to a URL.
 *
 * @param {URL} url The URL
 * @return {string | undefined} The reason; `undefined` when it's in order
 */
function urlFault(url) {
  if (!SCHEMES.includes(url.protocol)) {
    return (
      'The URL\'s protocol must be one of "ws:", "wss:", ' + '"http:", "https:", or "ws+unix:"'
    );
  }
  if (url.protocol === 'ws+unix:' && !url.pathname) return "The URL's pathname is empty";
  if (url.hash) return 'The URL contains a fragment identifier';
}

/**
 * @typedef {object} Target
 * @property {boolean} isSecure Whether the connection is encrypted
 * @property {boolean} isIpc Whether it goes to a Unix domain socket or a pipe
 * @property {string} host The host, without the brackets of an IPv6 address
 * @property {string | number} port The port
 * @property {number} defaultPort The port that goes without saying
 * @property {string} path The path of the request, with the query
 * @property {string | undefined} socketPath The path of the Unix domain socket or the pipe
 * @property {string | undefined} auth User name and password
 * @property {string | undefined} origin What two targets share when credentials may go from one to
 *     the other: host and port, or the socket path
 */

/**
 * Takes a URL apart.
 *
 * @param {URL} url A URL without fault
 * @return {Target} Where it leads
 */
function targetOf(url) {
  const isSecure = url.protocol === 'wss:';
  const isIpc = url.protocol === 'ws+unix:';
  const defaultPort = isSecure ? 443 : 80;
  const { hostname, username, password } = url;
  let path = url.pathname + url.search;
  let socketPath;
  let auth;

  if (isIpc) {
    // The path of the socket reaches to the first colon, the path of the request begins after it.
    const colon = path.indexOf(':');

    socketPath = colon === -1 ? path : path.slice(0, colon);
    path = colon === -1 ? '' : path.slice(colon + 1);
  }
  if (username || password) {
    auth = `${querystring.unescape(username)}:${querystring.unescape(password)}`;
  }

  return {
    isSecure,
    isIpc,
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: url.port || defaultPort,
    defaultPort,
    path,
    socketPath,
    auth,
    origin: isIpc ? socketPath : url.host
  };
}

module.exports = { parseAddress, targetOf, urlFault };

// @ts-check
'use strict';

// Leads the tests of a ws checkout over TLS: what they ask of `http` and `net` they get of `https`
// and `tls`, and the clients that they make connect to `wss:`.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const Module = require('node:module');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');
const { cert, key } = require('../support/certificate');

/**
 * Has listeners for a connection wait for its handshake.
 *
 * @template {net.Server} Server
 * @param {Server} server A server of TLS
 * @return {Server} The same
 */
function afterHandshake(server) {
  for (const name of /** @type {const} */ (['on', 'once'])) {
    const original = /** @type {any} */ (server[name]);
    server[name] = function listen(/** @type {string} */ event, /** @type {any} */ listener) {
      return original.call(this, event === 'connection' ? 'secureConnection' : event, listener);
    };
  }
  return server;
}

/**
 * @param {any} options Options of a server, or its listener
 * @param {any} [listener] Its listener
 * @return {[any, any]} Both, with a certificate
 */
function withCertificate(options, listener) {
  if (typeof options === 'function') return [{ cert, key }, options];
  return [{ cert, key, ...options }, listener];
}

/**
 * @param {any} address Where to connect to: a URL, options, or a port
 * @return {any} The same over TLS
 */
function toSecure(address) {
  if (typeof address === 'string') return address.replace(/^(ws|http):/, '$1s:');
  if (address instanceof URL) return new URL(toSecure(address.href));
  return typeof address === 'number' ? { port: address } : address;
}

const secureHttp = {
  ...http,
  Agent: https.Agent,
  createServer: (/** @type {any[]} */ ...values) =>
    afterHandshake(https.createServer(...withCertificate(values[0], values[1]))),
  get: (/** @type {any} */ address, /** @type {any[]} */ ...rest) =>
    https.get(toSecure(address), ...rest),
  request: (/** @type {any} */ address, /** @type {any[]} */ ...rest) =>
    https.request(toSecure(address), ...rest)
};

const connect = (/** @type {any} */ address, /** @type {any[]} */ ...rest) =>
  tls.connect(toSecure(address), ...rest);

const secureNet = {
  ...net,
  Socket: net.Socket,
  connect,
  createConnection: connect,
  createServer: (/** @type {any[]} */ ...values) =>
    afterHandshake(tls.createServer(...withCertificate(values[0], values[1])))
};

/** @type {Record<string, any>} */
const REPLACED = { http: secureHttp, net: secureNet };

/**
 * @param {any} WebSocket The class
 * @return {any} The same; those that are made with `new` connect over TLS, and say that their URL
 *   is the one that they were given
 */
function secureClass(WebSocket) {
  return new Proxy(WebSocket, {
    construct(target, [address, ...rest], newTarget) {
      const websocket = Reflect.construct(target, [toSecure(address), ...rest], newTarget);
      if (/^ws:/.test(address)) {
        const get = () => websocket._url.replace(/^wss:/, 'ws:');
        Object.defineProperty(websocket, 'url', { get });
      }
      return websocket;
    }
  });
}

/**
 * Installs it for this process, before the tests are loaded.
 *
 * @param {string} checkout The folder of the checkout
 * @param {string} target The folder of the package that the tests run on
 */
function leadOverTls(checkout, target) {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  const tests = path.join(checkout, 'test') + path.sep;
  const server = path.join(target, 'lib', 'websocket-server.js');
  const loader = /** @type {any} */ (Module);
  const load = loader._load;
  /** @type {any} */
  let replacement;

  loader._load = function (/** @type {[string, any]} */ ...values) {
    const [request, parent] = values;
    const loaded = load.apply(this, values);
    const from = parent?.filename ?? '';
    if (from === server && request.endsWith('http')) return secureHttp;
    if (!from.startsWith(tests)) return loaded;
    if (request === '..') {
      replacement ??= secureClass(loaded);
      return replacement;
    }
    return REPLACED[request] ?? loaded;
  };
  // The server with a port of its own doesn't expect one of TLS.
  const secure = path.join(target, 'lib', 'engine', 'secure.js');
  if (fs.existsSync(secure)) require(secure).prepareSecure();
}

module.exports = leadOverTls;

// @ts-check
'use strict';

// Connects through an HTTP proxy: RFC 9110, section 9.3.6, the method CONNECT.

const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');
const { UsageError } = require('./arguments');

/**
 * Reads the address of a proxy.
 *
 * @param {string} text The address; without a scheme `http://` is meant
 * @return {URL} The address
 * @throws {UsageError} If it is none
 */
function parseProxy(text) {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`proxy: '${text}' is not possible; it has the form http://host:port`);
  }
  return url;
}

/**
 * Asks a proxy for a connection.
 *
 * @param {URL} proxy The proxy
 * @param {string} target Host and port to connect to
 * @return {http.ClientRequest} The request; `'connect'` brings the socket
 */
function requestTunnel(proxy, target) {
  const { hostname, password, port, username } = proxy;
  const options = {
    method: 'CONNECT',
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    path: target,
    headers: { Host: target },
    agent: false
  };
  const request = (proxy.protocol === 'https:' ? https : http).request(options);
  if (username !== '') {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    request.setHeader(
      'Proxy-Authorization',
      `Basic ${Buffer.from(credentials).toString('base64')}`
    );
  }
  return request;
}

/**
 * Makes a function that connects through a proxy, for the option `createConnection`.
 *
 * @param {string} text The address of the proxy
 * @return {(options: any, callback: Function) => void} Calls back with an error, or `null` and a
 *   socket
 * @throws {UsageError} If the address isn't possible
 */
function createProxyConnection(text) {
  const proxy = parseProxy(text);

  return (options, callback) => {
    const { defaultPort, host, port } = options;
    const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;

    requestTunnel(proxy, target)
      .on('error', (error) => callback(error))
      .on('connect', ({ statusCode, statusMessage }, socket, head) => {
        if (statusCode !== 200) {
          socket.destroy();
          callback(new Error(`the proxy answered ${statusCode} ${statusMessage}`));
          return;
        }
        if (head.length > 0) socket.unshift(head);
        if (defaultPort !== 443) return callback(null, socket);
        const servername = options.servername || (net.isIP(host) ? '' : host);
        callback(null, tls.connect({ ...options, path: undefined, servername, socket }));
      })
      .end();
  };
}

module.exports = { createProxyConnection };

// @ts-check
'use strict';

// Makes a client of what was given on the command line.

const fs = require('node:fs');
const { WebSocket } = require('../..');
const { parseNumber, UsageError } = require('./arguments');
const { createProxyConnection } = require('./proxy');
const { askSecret } = require('./terminal');

/** Milliseconds that a closing handshake may take: nobody waits half a minute for a prompt. */
const CLOSE_TIMEOUT = 2000;

/**
 * Reads a file that an option names.
 *
 * @param {string | undefined} file Its path
 * @return {Buffer | undefined} What is in it
 * @throws {UsageError} If it can't be read
 */
function readFile(file) {
  if (file === undefined) return undefined;
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}

/**
 * Collects the headers.
 *
 * @param {Record<string, any>} values The values of the options
 * @return {Record<string, string | string[]>} By name
 * @throws {UsageError} If one has no colon
 */
function headersOf({ header = [], auth, host }) {
  /** @type {Record<string, string | string[]>} */
  const headers = {};
  for (const line of header) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new UsageError(`'${line}' is no header; it has the form header:value`);
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  if (auth) headers.Authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  if (host) headers.Host = host;
  return headers;
}

/**
 * Gives the options of the client, without those that weren't given.
 *
 * @param {Record<string, any>} values The values of the options
 * @return {Promise<Record<string, any>>} The options
 * @throws {UsageError} If one isn't possible
 */
async function clientOptions(values) {
  const redirects = values['max-redirects'];
  const given = {
    ca: readFile(values.ca),
    cert: readFile(values.cert),
    closeTimeout: CLOSE_TIMEOUT,
    createConnection: values.proxy && createProxyConnection(values.proxy),
    followRedirects: values.location,
    headers: headersOf(values),
    key: readFile(values.key),
    maxRedirects:
      typeof redirects === 'string'
        ? parseNumber('max-redirects', redirects, { least: 0, whole: true })
        : undefined,
    origin: values.origin,
    passphrase: values.passphrase === true ? await askSecret('Passphrase: ') : values.passphrase,
    protocolVersion: values.protocol && Number(values.protocol),
    rejectUnauthorized: values['no-check'] ? false : undefined
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/**
 * @param {Record<string, any>} values The values of the options
 * @return {{ heartbeat?: number }} What `--ping` asks for
 * @throws {UsageError} If it isn't possible
 */
function heartbeatOf({ ping }) {
  if (ping === undefined) return {};
  const seconds = parseNumber('ping', ping, { least: 0.001, most: 86_400 });
  return { heartbeat: Math.round(seconds * 1000) };
}

/**
 * Prepares what makes the clients.
 *
 * @param {string} address Where to; without a scheme `ws://` is meant
 * @param {Record<string, any>} values The values of the options
 * @param {Record<string, any>} [more] Further options of the client
 * @return {Promise<() => WebSocket>} Makes one, or throws a `UsageError` if something isn't
 *   possible
 */
async function prepareClient(address, values, more) {
  const hasScheme = /^(?:[a-z][a-z0-9.+-]*:\/\/|ws\+unix:)/i.test(address);
  const url = hasScheme ? address : `ws://${address}`;
  const options = { ...(await clientOptions(values)), ...more };
  return () => {
    try {
      return new WebSocket(url, values.subprotocol ?? [], options);
    } catch (error) {
      throw new UsageError(/** @type {Error} */ (error).message);
    }
  };
}

/**
 * Says what is wrong. Where several addresses were tried Node puts the errors in one without a
 * message.
 *
 * @param {any} error The error
 * @return {string} The message
 */
function messageOf(error) {
  if (error.message) return error.message;
  const messages = error.errors?.map(messageOf) ?? [];
  return messages.join(', ') || error.code || String(error);
}

module.exports = { CLOSE_TIMEOUT, heartbeatOf, messageOf, prepareClient };

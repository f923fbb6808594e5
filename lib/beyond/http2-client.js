// @ts-check
'use strict';

// The opening handshake of a client over HTTP/2: on a session of the program's own, a stream is
// opened by an extended CONNECT. RFC 8441. For what `options.http2` stands.

const { constants } = require('node:http2');

const { resetByCancel } = require('./http2-stream');
const { EMPTY_BUFFER } = require('../constants');
const { abortRequest, failHandshake } = require('../handshake/failure');
const { composeOffer, concludeHandshake } = require('../handshake/offer');
const { targetOf } = require('../handshake/url');
const { clearTimeout, nextTick, setTimeout } = require('../host');
const { CONNECTING } = require('../ready-state');

/** @typedef {import('node:http2').ClientHttp2Session} ClientHttp2Session */
/** @typedef {import('node:http2').ClientHttp2Stream} ClientHttp2Stream */
/** @typedef {import('../handshake/offer').Attempt} Attempt */

/**
 * Stands for the request where a WebSocket is closed before it's open.
 */
class Request {
  /**
   * @param {Attempt} attempt The attempt
   */
  constructor(attempt) {
    this._attempt = attempt;
    /** @type {ClientHttp2Stream | null} */
    this.stream = null;
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  /** Whether nobody waits for it any more. */
  get isOver() {
    return this._attempt.req !== this;
  }

  /** Gives it up. */
  abort() {
    this.end();
    this.stream?.close(constants.NGHTTP2_CANCEL);
  }

  /** Says that nobody waits for it any more. */
  end() {
    clearTimeout(this.timer);
    this._attempt.req = this._attempt.websocket._req = null;
  }
}

/**
 * Checks the option `http2`.
 *
 * @param {any} session Its value
 * @throws {TypeError} If it isn't the session of a client
 */
function checkSession(session) {
  if (typeof session?.request !== 'function') {
    throw new TypeError('The "http2" option must be a session of an HTTP/2 client');
  }
}

/**
 * Begins to open a stream.
 *
 * @param {Attempt} attempt The attempt
 * @throws {SyntaxError} If a subprotocol isn't valid
 * @throws {TypeError} If the option isn't valid
 */
function openStream(attempt) {
  const { websocket, request: options } = attempt;
  const session = options.http2;

  checkSession(session);

  const headers = composeHeaders(attempt);
  const request = new Request(attempt);

  attempt.req = websocket._req = request;
  if (options.handshakeTimeout) {
    request.timer = setTimeout(() => {
      abortRequest(websocket, request, 'Opening handshake has timed out');
    }, options.handshakeTimeout);
  }
  whenKnown(session, (error) => {
    if (request.isOver) return;
    if (error) fail(request, error);
    else sendRequest(attempt, request, headers);
  });
}

/**
 * Composes the headers of the request. RFC 8441, section 5.
 *
 * @param {Attempt} attempt The attempt
 * @return {Record<string, any>} The headers
 */
function composeHeaders(attempt) {
  const { request, url } = attempt;
  const target = targetOf(url);
  /** @type {Record<string, any>} */
  const headers = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': target.isSecure ? 'https' : 'http',
    ':authority': target.isIpc ? 'localhost' : url.host,
    ':path': target.path || '/'
  };
  const auth = target.auth ?? request.auth;

  if (auth) headers.authorization = `Basic ${Buffer.from(auth).toString('base64')}`;

  const more = { 'Sec-WebSocket-Version': request.protocolVersion, ...composeOffer(attempt) };

  for (const [name, value] of [...Object.entries(request.headers ?? {}), ...Object.entries(more)]) {
    const key = name.toLowerCase() === 'host' ? ':authority' : name.toLowerCase();

    headers[key] = value;
  }
  return headers;
}

/**
 * Waits until it's known what the server can do.
 *
 * @param {ClientHttp2Session} session The session
 * @param {(error?: Error) => void} callback Called then; with an error where it can't do this
 */
function whenKnown(session, callback) {
  if (session.destroyed || session.closed) {
    nextTick(callback, createError('The HTTP/2 session is closed'));
    return;
  }
  if (session.remoteSettings.enableConnectProtocol) {
    callback();
    return;
  }

  // The settings of the server come before its answer to a ping. RFC 9113, section 3.4.
  const ask = () => session.ping((error) => done(error ?? undefined));
  const onClose = () => done(createError('The HTTP/2 session was closed'));
  const done = (/** @type {Error | undefined} */ error) => {
    session.off('close', onClose).off('connect', ask).off('error', done);
    if (error || session.remoteSettings.enableConnectProtocol) callback(error);
    else callback(createError('The server does not support WebSockets over HTTP/2'));
  };

  session.once('close', onClose).once('error', done);
  if (session.connecting) session.once('connect', ask);
  else ask();
}

/**
 * @param {string} message What is wrong
 * @return {Error} The error that says so
 */
function createError(message) {
  return Object.assign(new Error(message), { code: 'ERR_OXWS_HTTP2' });
}

/**
 * Fails before there is a response.
 *
 * @param {Request} request The request
 * @param {Error} error Why
 */
function fail(request, error) {
  const { websocket } = request._attempt;

  request.end();
  failHandshake(websocket, error);
}

/**
 * Opens the stream.
 *
 * @param {Attempt} attempt The attempt
 * @param {Request} request What stands for the request
 * @param {Record<string, any>} headers The headers
 */
function sendRequest(attempt, request, headers) {
  const { websocket } = attempt;
  /** @type {ClientHttp2Stream} */
  let stream;

  try {
    const { http2: session, signal } = attempt.request;
    // Without an end: what the WebSocket sends follows.
    stream = session.request(headers, { endStream: false, signal });
  } catch (error) {
    fail(request, /** @type {Error} */ (error));
    return;
  }

  const onError = (/** @type {Error} */ error) => {
    if (!request.isOver) fail(request, error);
  };
  const onClose = () => onError(createError('The HTTP/2 stream was closed'));

  request.stream = stream;
  stream.on('error', onError);
  stream.on('close', onClose);
  stream.on('response', (answer) => {
    if (request.isOver) return;
    stream.off('close', onClose);
    const response = Object.assign(stream, { headers: answer, statusCode: answer[':status'] });

    if (answer[':status'] !== 200) {
      if (!websocket.emit('unexpected-response', request, response)) {
        abortRequest(websocket, request, `Unexpected server response: ${answer[':status']}`);
      }
      return;
    }
    websocket.emit('upgrade', response);
    // A listener may have closed the WebSocket.
    if (websocket.readyState !== CONNECTING) return;
    request.end();
    stream.off('error', onError);
    concludeHandshake(attempt, response, resetByCancel(stream), EMPTY_BUFFER);
  });
}

module.exports = { openStream };

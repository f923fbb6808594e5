// @ts-check
'use strict';

// What a client offers in its opening handshake, and what it makes of the server's choice.
// RFC 6455, sections 4.1 and 9.1.

const extension = require('../extension');
const PerMessageDeflate = require('../permessage-deflate');
const subprotocol = require('../subprotocol');
const { abortSocket } = require('./failure');

/** @typedef {import('node:http').IncomingHttpHeaders} Headers */

/**
 * One request of an opening handshake; a redirect makes another one.
 *
 * @typedef {object} Attempt
 * @property {any} websocket The WebSocket that is to be opened
 * @property {string | URL} address Where the request goes, as the user or the redirect gave it
 * @property {URL} url Where the request goes
 * @property {any} request The options of the request, and of the WebSocket
 * @property {any} nextOptions The options for the request after a redirect
 * @property {string[]} protocols The subprotocols, as the user gave them
 * @property {Set<string>} offered The subprotocols, checked
 * @property {string} key The value of `Sec-WebSocket-Key`
 * @property {any} perMessageDeflate The offered extension, if any
 * @property {any} req The request; `null` when it's over
 */

/**
 * Composes the headers that say what a client offers.
 *
 * @param {Attempt} attempt The attempt; gets the extension and the subprotocols
 * @return {Record<string, string>} The headers
 * @throws {SyntaxError} If a subprotocol isn't valid
 */
function composeOffer(attempt) {
  const { request, protocols } = attempt;
  /** @type {Record<string, string>} */
  const headers = {};

  if (request.perMessageDeflate) {
    const perMessageDeflate = new PerMessageDeflate({
      ...request.perMessageDeflate,
      isServer: false,
      maxPayload: request.maxPayload
    });

    attempt.perMessageDeflate = perMessageDeflate;
    headers['Sec-WebSocket-Extensions'] = extension.format({
      [PerMessageDeflate.extensionName]: perMessageDeflate.offer()
    });
  }

  if (protocols.length) {
    attempt.offered = checkSubprotocols(protocols);
    headers['Sec-WebSocket-Protocol'] = protocols.join(',');
  }

  if (request.origin) {
    headers[request.protocolVersion < 13 ? 'Sec-WebSocket-Origin' : 'Origin'] = request.origin;
  }

  return headers;
}

/**
 * Checks the subprotocols to offer. RFC 6455, section 4.1: each is a token, and none comes twice.
 *
 * @param {any[]} protocols What the user gave
 * @return {Set<string>} The subprotocols
 * @throws {SyntaxError} If one isn't a token or comes twice
 * @private
 */
function checkSubprotocols(protocols) {
  const offered = new Set();

  for (const protocol of protocols) {
    if (!isSubprotocol(protocol) || offered.has(protocol)) {
      throw new SyntaxError('An invalid or duplicated subprotocol was specified');
    }
    offered.add(protocol);
  }

  return offered;
}

/**
 * @param {any} value Any value
 * @return {boolean} Whether it's a valid subprotocol
 * @private
 */
function isSubprotocol(value) {
  if (typeof value !== 'string') return false;

  try {
    // The header with nothing else in it: white space or a comma would make another name of it.
    return subprotocol.parse(value).has(value);
  } catch {
    return false;
  }
}

/**
 * Takes over the subprotocol that the server chose. Deviation (ws 8.x): a server that chooses none
 * of those that were offered fails the handshake, where RFC 6455, section 4.1, leaves it to the
 * client.
 *
 * @param {Attempt} attempt The attempt
 * @param {{headers: Headers}} res The response
 * @return {string | undefined} What is wrong
 * @private
 */
function acceptProtocol({ websocket, offered }, res) {
  const chosen = res.headers['sec-websocket-protocol'];

  if (chosen === undefined) return offered.size ? 'Server sent no subprotocol' : undefined;
  if (!offered.size) return 'Server sent a subprotocol but none was requested';
  if (!offered.has(chosen)) return 'Server sent an invalid subprotocol';

  websocket._protocol = chosen;
}

/**
 * Takes over the extensions that the server accepted. RFC 6455, section 9.1: they must be among
 * those that were offered.
 *
 * @param {Attempt} attempt The attempt
 * @param {{headers: Headers}} res The response
 * @return {string | undefined} What is wrong
 * @private
 */
function acceptExtensions({ websocket, perMessageDeflate }, res) {
  const header = res.headers['sec-websocket-extensions'];
  const { extensionName } = PerMessageDeflate;

  if (header === undefined) return;
  if (!perMessageDeflate) {
    return 'Server sent a Sec-WebSocket-Extensions header but no extension was requested';
  }

  try {
    const accepted = extension.parse(header);
    const names = Object.keys(accepted);

    if (names.length !== 1 || names[0] !== extensionName) {
      return 'Server indicated an extension that was not requested';
    }

    perMessageDeflate.accept(accepted[extensionName]);
  } catch {
    return 'Invalid Sec-WebSocket-Extensions header';
  }

  websocket._extensions[extensionName] = perMessageDeflate;
}

/**
 * Opens the WebSocket of an attempt, if the response is as it has to be.
 *
 * @param {Attempt} attempt The attempt
 * @param {{headers: Headers}} res The response
 * @param {any} socket The socket, or any `Duplex`
 * @param {Buffer} head What arrived after the response already
 * @param {string} [fault] What is wrong with the response beside what is agreed
 */
function concludeHandshake(attempt, res, socket, head, fault) {
  const { websocket, request } = attempt;
  const wrong = fault ?? acceptProtocol(attempt, res) ?? acceptExtensions(attempt, res);

  if (wrong) {
    abortSocket(websocket, socket, wrong);
    return;
  }

  websocket.setSocket(socket, head, {
    allowSynchronousEvents: request.allowSynchronousEvents,
    generateMask: request.generateMask,
    maxBufferedChunks: request.maxBufferedChunks,
    maxFragments: request.maxFragments,
    maxPayload: request.maxPayload,
    skipUTF8Validation: request.skipUTF8Validation
  });
}

module.exports = { composeOffer, concludeHandshake };

// @ts-check
'use strict';

// The opening handshake by the WebAssembly build.

const { instance } = require('./instance');

/** Stands for an option that isn't there. */
const ABSENT = -1;

/**
 * @param {string} key A `Sec-WebSocket-Key`
 * @return {string} The `Sec-WebSocket-Accept` that answers it
 */
function acceptKey(key) {
  const owner = instance();
  owner.exports.accept_key(owner.writeText(key));
  return owner.readText();
}

/**
 * @param {string} key A text
 * @return {boolean} Whether it can be a `Sec-WebSocket-Key`
 */
function isValidKey(key) {
  const owner = instance();
  return owner.exports.is_valid_key(owner.writeText(key)) !== 0;
}

/**
 * @param {string} header A `Sec-WebSocket-Protocol` header
 * @return {{ names: string, error?: string }} The names with a comma between two, or what is wrong
 */
function parseSubprotocols(header) {
  const owner = instance();
  owner.exports.parse_subprotocols(owner.writeText(header));
  const [error, names = ''] = owner.readTexts();
  return { names, error };
}

/**
 * @param {string} header A `Sec-WebSocket-Extensions` header
 * @return {{ elements: string, error?: string }} The elements, written as plainly as can be, or
 *   what is wrong
 */
function parseExtensions(header) {
  const owner = instance();
  owner.exports.parse_extensions(owner.writeText(header));
  const [error, elements = ''] = owner.readTexts();
  return { elements, error };
}

/** @typedef {{ name: string, value?: string }} Parameter */

/**
 * @param {(string | undefined)[]} texts Names and values in turns
 * @return {Parameter[]} The same as objects
 */
function toPairs(texts) {
  const pairs = [];
  for (let i = 0; i < texts.length; i += 2) {
    const name = /** @type {string} */ (texts[i]);
    const value = texts[i + 1];
    pairs.push(value === undefined ? { name } : { name, value });
  }
  return pairs;
}

/**
 * @param {any} option A flag or a number, if it's there
 * @return {number} As the module takes it
 */
function toNumber(option) {
  return option === undefined || option === null ? ABSENT : Number(option);
}

/**
 * @param {'accept_deflate_offer' | 'accept_deflate_response'} name What answers
 * @param {Parameter[][]} offers What the peer says
 * @param {any} options What this endpoint wants
 * @return {any} What was agreed on, or why nothing was
 */
function negotiate(name, offers, options) {
  const owner = instance();
  const texts = offers.flatMap((parameters) => [
    String(parameters.length),
    ...parameters.flatMap((parameter) => [parameter.name, parameter.value])
  ]);
  owner.exports[name](
    owner.writeTexts(texts),
    toNumber(options.serverNoContextTakeover),
    toNumber(options.clientNoContextTakeover),
    toNumber(options.serverMaxWindowBits),
    toNumber(options.clientMaxWindowBits)
  );
  const [error, isTypeError, index, ...agreed] = owner.readTexts();
  const pairs = toPairs(agreed);
  return {
    index: Number(index ?? 0),
    names: pairs.map((pair) => pair.name),
    values: pairs.map((pair) => Number(pair.value)),
    error,
    isTypeError: isTypeError === '1'
  };
}

/**
 * @param {Parameter[][]} offers A client's offers of permessage-deflate
 * @param {any} options What the server wants
 * @return {any} Which offer it accepts, and what was agreed on
 */
function acceptDeflateOffer(offers, options) {
  return negotiate('accept_deflate_offer', offers, options);
}

/**
 * @param {Parameter[][]} responses A server's response
 * @param {any} options What the client wants
 * @return {any} What was agreed on
 */
function acceptDeflateResponse(responses, options) {
  return negotiate('accept_deflate_response', responses, options);
}

module.exports = {
  acceptDeflateOffer,
  acceptDeflateResponse,
  acceptKey,
  isValidKey,
  parseExtensions,
  parseSubprotocols
};

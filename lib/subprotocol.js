// @ts-check
'use strict';

// The `Sec-WebSocket-Protocol` header. Its grammar is the native part's.

const native = require('./native');

/**
 * Parses the header.
 *
 * @param {string} header The field value
 * @return {Set<string>} The names in order
 * @throws {SyntaxError} If it is empty or invalid, or names a subprotocol twice
 */
function parse(header) {
  // What has no characters is as an empty header.
  const { names, error } = native.parseSubprotocols(header.length > 0 ? String(header) : '');
  if (error !== undefined) throw new SyntaxError(error);
  return new Set(names.split(','));
}

module.exports = { parse };

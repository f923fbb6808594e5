// @ts-check
'use strict';

// The protocol as WebAssembly, with the functions that the addon has for the stream transport.
// There is no engine: `createEngine` is missing, and every connection is on the stream transport.

const constants = require('./constants');
const deflate = require('./deflate');
const frames = require('./frames');
const handshake = require('./handshake');
const { instance } = require('./instance');

/**
 * @return {string} The version of the module
 */
function version() {
  const owner = instance();
  owner.exports.version();
  return owner.readText();
}

/**
 * Does nothing: the memory is kept anyway.
 */
function keepFreedMemory() {}

module.exports = {
  ...constants,
  ...deflate,
  ...frames,
  ...handshake,
  keepFreedMemory,
  version
};

// @ts-check
'use strict';

// Why a connection has ended: an error for the program to read, where ws says no more than 1006.

const { kCloseCause } = require('../constants');

/**
 * Notes why a connection is about to end. The first cause is the one that counts.
 *
 * @param {any} websocket The WebSocket
 * @param {Error} error The cause
 */
function setCloseCause(websocket, error) {
  websocket[kCloseCause] ??= error;
}

/**
 * Makes an error by which a connection of ours ends.
 *
 * @param {string} code Its code
 * @param {string} message Its message
 * @return {Error} The error
 */
function createCause(code, message) {
  const error = new Error(message);
  Error.captureStackTrace(error, createCause);
  return Object.assign(error, { code });
}

module.exports = { createCause, setCloseCause };

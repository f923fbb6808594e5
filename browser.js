// @ts-check
'use strict';

// What bundlers for browsers get: a browser has a WebSocket of its own.

/** Stands where the class would be, so that `new WebSocket()` says what is wrong. */
module.exports = function WebSocket() {
  throw new Error(
    'oxws does not work in the browser. Browser clients must use the native WebSocket object'
  );
};

// @ts-check
'use strict';

// The states of a connection, as `readyState` tells them.

/** By value: `STATE_NAMES[OPEN] === 'OPEN'`. */
const STATE_NAMES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

module.exports = {
  CONNECTING: 0,
  OPEN: 1,
  CLOSING: 2,
  CLOSED: 3,
  STATE_NAMES
};

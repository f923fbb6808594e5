'use strict';

// What a listener or a callback throws.

const { once } = require('node:events');

/** Runs `act` and gives the exception that then nobody catches. */
async function uncaught(act) {
  const listeners = process.rawListeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const caught = once(process, 'uncaughtException');
  setImmediate(act);
  try {
    return (await caught)[0];
  } finally {
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
}

module.exports = uncaught;

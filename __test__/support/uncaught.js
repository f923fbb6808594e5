'use strict';

// What a listener or a callback throws.

const EVENT = 'uncaughtException';

/** Runs `act` while `listener` alone hears of exceptions that nobody catches. */
async function withListener(listener, act) {
  const others = process.rawListeners(EVENT);
  process.removeAllListeners(EVENT);
  process.on(EVENT, listener);
  try {
    return await act();
  } finally {
    process.off(EVENT, listener);
    for (const other of others) process.on(EVENT, other);
  }
}

/** Runs `act` and gives the exception that then nobody catches. */
async function uncaught(act) {
  let caught;
  const isCaught = new Promise((resolve) => {
    caught = resolve;
  });
  return withListener(caught, () => {
    setImmediate(act);
    return isCaught;
  });
}

/**
 * Runs `act` to its end and gives the messages of all exceptions that nobody has caught until then.
 */
async function uncaughtDuring(act) {
  const messages = [];
  await withListener(({ message }) => messages.push(message), act);
  return messages;
}

module.exports = { uncaught, uncaughtDuring };

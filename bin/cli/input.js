// @ts-check
'use strict';

// Sends an input that nobody types: a file, or what another program prints.

/** Unsent bytes above which the input waits. */
const MAX_UNSENT = 1024 * 1024;

/**
 * Sends each line as a message, as fast as the peer takes them.
 *
 * @param {import('../..').WebSocket} ws The connection
 * @param {AsyncIterable<string>} lines The lines
 * @return {Promise<boolean>} Whether all of it could be sent
 */
async function sendLines(ws, lines) {
  for await (const line of lines) {
    if (ws.readyState !== ws.OPEN) return false;
    if (ws.bufferedAmount < MAX_UNSENT) ws.send(line);
    else await new Promise((resolve) => ws.send(line, resolve));
  }
  return true;
}

module.exports = { sendLines };

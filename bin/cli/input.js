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
 * @return {Promise<void>} Resolves at the end of the input or of the connection
 */
async function sendLines(ws, lines) {
  for await (const line of lines) {
    if (ws.readyState !== ws.OPEN) return;
    if (ws.bufferedAmount < MAX_UNSENT) ws.send(line);
    else await new Promise((resolve) => ws.send(line, resolve));
  }
}

module.exports = { sendLines };

// @ts-check
'use strict';

// Lines that stand for control frames: /ping [data], /pong [data], /close [code [reason]].

const { ERROR } = require('./terminal');

/**
 * Closes as a line says.
 *
 * @param {import('../..').WebSocket} ws The client
 * @param {string[]} words The words behind the command
 */
function close(ws, [code = '1000', ...reason]) {
  ws.close(Number(code), reason.join(' '));
}

/** @type {Record<string, (ws: import('../..').WebSocket, words: string[]) => void>} By name */
const COMMANDS = {
  '/ping': (ws, words) => ws.ping(words.join(' ')),
  '/pong': (ws, words) => ws.pong(words.join(' ')),
  '/close': close
};

/**
 * Does what a line says.
 *
 * @param {import('../..').WebSocket} ws The client
 * @param {string} line The line
 * @param {import('./terminal').Terminal} terminal Where mistakes are told
 */
function runSlashCommand(ws, line, terminal) {
  const [name, ...words] = line.trim().split(/\s+/);
  if (!Object.hasOwn(COMMANDS, name)) {
    terminal.print(ERROR, 'Unrecognized slash command.');
    return;
  }
  try {
    COMMANDS[name](ws, words);
  } catch (error) {
    // Such as a close code that no endpoint may send, or data that is too long.
    terminal.print(ERROR, /** @type {Error} */ (error).message);
  }
}

module.exports = { runSlashCommand };

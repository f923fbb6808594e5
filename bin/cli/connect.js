// @ts-check
'use strict';

// `oxws --connect`: a client that sends what is typed.

const { parseNumber } = require('./arguments');
const { messageOf, prepareClient } = require('./client');
const { sendLines } = require('./input');
const { runSlashCommand } = require('./slash');
const { ERROR, MESSAGE, NOTICE, Terminal, wantsColor } = require('./terminal');

/** Seconds to wait for answers to `--execute`. */
const EXECUTE_WAIT = 2;

/**
 * Connects, and sends until either end closes.
 *
 * @param {Record<string, any>} values The values of the options
 * @return {Promise<void>}
 */
async function connect(values) {
  const commands = values.execute ?? [];
  const wait =
    values.wait === undefined ? undefined : parseNumber('wait', values.wait, { least: -1 });
  const createClient = await prepareClient(values.connect, values);
  const ws = createClient();
  const terminal = new Terminal({ color: wantsColor(values), plain: commands.length > 0 });

  showEvents(ws, terminal, values['show-ping-pong']);
  endWith(ws, terminal, commands.length === 0);

  ws.on('open', () => {
    if (commands.length > 0) {
      for (const command of commands) ws.send(command);
      closeLater(ws, wait ?? EXECUTE_WAIT);
      return;
    }
    terminal.print(NOTICE, 'Connected (press CTRL+C to quit)');
    if (!terminal.isInteractive) {
      sendLines(ws, terminal.lines()).then(() => closeLater(ws, wait ?? 0));
    }
  });

  terminal.on('line', (line) => {
    if (ws.readyState !== ws.OPEN) terminal.print(ERROR, 'not connected');
    else if (values.slash && line.startsWith('/')) runSlashCommand(ws, line, terminal);
    else ws.send(line);
    terminal.prompt();
  });
}

/**
 * Shows what comes in.
 *
 * @param {import('../..').WebSocket} ws The client
 * @param {Terminal} terminal The terminal
 * @param {boolean} showPingPong Whether to show pings and pongs
 */
function showEvents(ws, terminal, showPingPong) {
  ws.on('message', (data, isBinary) => {
    terminal.showMessage(/** @type {Buffer} */ (data), isBinary);
  });
  if (!showPingPong) return;
  ws.on('ping', (data) => terminal.print(MESSAGE, `Received ping (data: "${data}")`));
  ws.on('pong', (data) => terminal.print(MESSAGE, `Received pong (data: "${data}")`));
}

/**
 * Ends the process with the connection, and the connection with the terminal.
 *
 * @param {import('../..').WebSocket} ws The client
 * @param {Terminal} terminal The terminal
 * @param {boolean} announce Whether to tell how the connection ended
 */
function endWith(ws, terminal, announce) {
  ws.on('error', (error) => {
    terminal.print(ERROR, messageOf(error));
    process.exitCode = 255;
  });
  ws.on('close', (code, reason) => {
    if (announce && !process.exitCode) {
      terminal.print(NOTICE, `Disconnected (code: ${code}, reason: "${reason}")`);
    }
    terminal.close();
  });

  const interrupt = () => {
    // Before it is open a connection has nothing to close; a second time it is urgent.
    if (ws.readyState !== ws.OPEN) process.exit();
    ws.close();
  };
  terminal.on('close', interrupt);
  process.on('SIGINT', interrupt);
}

/**
 * Closes after a time.
 *
 * @param {import('../..').WebSocket} ws The client
 * @param {number} seconds How long to wait; below 0: for ever
 */
function closeLater(ws, seconds) {
  if (seconds < 0 || ws.readyState !== ws.OPEN) return;
  const timer = setTimeout(() => ws.close(), seconds * 1000);
  ws.on('close', () => clearTimeout(timer));
}

module.exports = { connect };

// @ts-check
'use strict';

// `oxws --connect`: a client that sends what is typed.

const { parseNumber } = require('./arguments');
const { heartbeatOf, messageOf, prepareClient } = require('./client');
const { sendLines } = require('./input');
const { runSlashCommand } = require('./slash');
const { ERROR, MESSAGE, NOTICE, Terminal, wantsColor } = require('./terminal');

/** Seconds to wait for answers to `--execute`. */
const EXECUTE_WAIT = 2;

/** What the error says of a redirect that isn't followed. */
const REDIRECTED = /^Unexpected server response: 30[12378]$/;

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
  const createClient = await prepareClient(values.connect, values, heartbeatOf(values));
  const ws = createClient();
  const terminal = new Terminal({
    color: wantsColor(values),
    plain: commands.length > 0,
    timestamps: Boolean(values.timestamps)
  });
  /** @type {string[]} Lines that were typed before the connection is open. */
  const early = [];
  const handle = (/** @type {string} */ line) => {
    if (values.slash && line.startsWith('/')) runSlashCommand(ws, line, terminal);
    else ws.send(line);
  };

  showEvents(ws, terminal, values['show-ping-pong']);
  endWith(ws, terminal, commands.length === 0, !values.location);

  ws.on('open', () => {
    if (commands.length > 0) {
      for (const command of commands) ws.send(command);
      closeLater(ws, wait ?? EXECUTE_WAIT);
      return;
    }
    terminal.print(NOTICE, 'Connected (press CTRL+C to quit)');
    for (const line of early.splice(0)) handle(line);
    if (!terminal.isInteractive) {
      sendLines(ws, terminal.lines()).then(() => closeLater(ws, wait ?? 0));
    }
  });

  terminal.on('line', (line) => {
    if (ws.readyState === ws.CONNECTING) early.push(line);
    else if (ws.readyState !== ws.OPEN) terminal.print(ERROR, 'not connected');
    else handle(line);
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
 * @param {boolean} hint Whether a redirect isn't followed, and how to is to be told
 */
function endWith(ws, terminal, announce, hint) {
  ws.on('error', (error) => {
    const message = messageOf(error);
    const isRedirect = hint && REDIRECTED.test(message);
    terminal.print(ERROR, isRedirect ? `${message} (-L follows redirects)` : message);
    process.exitCode = 255;
  });
  ws.on('close', (code, reason) => {
    const { closeCause } = ws;
    if (closeCause?.code === 'ERR_OXWS_HEARTBEAT') {
      terminal.print(ERROR, closeCause.message);
      process.exitCode = 255;
    }
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

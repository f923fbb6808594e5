// @ts-check
'use strict';

// `oxws --listen`: a server that talks to one client at a time.

const { WebSocketServer } = require('../..');
const { parseNumber, UsageError } = require('./arguments');
const { CLOSE_TIMEOUT, heartbeatOf, messageOf } = require('./client');
const { sendLines } = require('./input');
const { ERROR, NOTICE, Terminal, wantsColor } = require('./terminal');

/** @typedef {import('../..').WebSocket} WebSocket */

/** The options that a server knows. */
const OPTIONS = ['listen', 'host', 'no-color', 'ping', 'timestamps'];

/**
 * Listens until it is interrupted.
 *
 * @param {Record<string, any>} values The values of the options
 * @throws {UsageError} If the port isn't possible, or an option is for clients
 */
function listen(values) {
  const other = Object.keys(values).find((name) => !OPTIONS.includes(name));
  if (other !== undefined) throw new UsageError(`--${other} does nothing with --listen`);
  const port = parseNumber('listen', values.listen, { least: 0, most: 65535, whole: true });
  const terminal = new Terminal({
    color: wantsColor(values),
    timestamps: Boolean(values.timestamps)
  });
  const wss = new WebSocketServer({
    port,
    host: values.host,
    closeTimeout: CLOSE_TIMEOUT,
    ...heartbeatOf(values)
  });
  /** @type {WebSocket | undefined} The client, while there is one. */
  let client;

  wss.on('listening', () => {
    const address = /** @type {import('node:net').AddressInfo} */ (wss.address());
    terminal.print(NOTICE, `Listening on port ${address.port} (press CTRL+C to quit)`);
  });
  wss.on('error', (error) => {
    terminal.print(ERROR, messageOf(error));
    process.exitCode = 255;
    terminal.close();
  });
  wss.on('connection', (ws) => {
    if (client !== undefined) {
      ws.terminate();
      return;
    }
    client = ws.on('close', () => {
      client = undefined;
    });
    showClient(ws, terminal);
  });
  // A redirected input is for the first client.
  if (!terminal.isInteractive) wss.once('connection', (ws) => sendLines(ws, terminal.lines()));

  terminal.on('line', (line) => {
    if (client === undefined) terminal.print(ERROR, 'no client is connected');
    else client.send(line);
    terminal.prompt();
  });

  let isClosing = false;
  const interrupt = () => {
    if (isClosing) process.exit();
    isClosing = true;
    wss.close(() => terminal.close());
    client?.close();
  };
  terminal.on('close', interrupt);
  process.on('SIGINT', interrupt);
}

/**
 * Shows what a client does.
 *
 * @param {WebSocket} ws The client
 * @param {Terminal} terminal The terminal
 */
function showClient(ws, terminal) {
  terminal.print(NOTICE, 'Client connected');
  ws.on('message', (data, isBinary) => {
    terminal.showMessage(/** @type {Buffer} */ (data), isBinary);
  });
  ws.on('error', (error) => terminal.print(ERROR, messageOf(error)));
  ws.on('close', (code, reason) => {
    terminal.print(NOTICE, `Disconnected (code: ${code}, reason: "${reason}")`);
  });
}

module.exports = { listen };

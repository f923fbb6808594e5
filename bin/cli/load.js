// @ts-check
'use strict';

// The load of `oxws bench`: connections to a server that echoes, each with a number of messages
// under way. What comes back sends the next one.

const { once } = require('node:events');
const { createHistogram, performance } = require('node:perf_hooks');

/** Connections that are being opened at once: more would overrun the backlog of a server. */
const OPENING = 64;

/** @typedef {import('../..').WebSocket} WebSocket */

/**
 * @typedef {object} Figures What was measured in a span of time
 * @property {number} seconds How long it was
 * @property {number} messages Echoes that came back
 * @property {import('node:perf_hooks').RecordableHistogram} latency Their round trips, in
 *   nanoseconds
 */

/**
 * Composes a payload that compresses as much as JSON usually does.
 *
 * @param {number} size Its length in bytes
 * @return {Buffer} The payload, in ASCII
 */
function composePayload(size) {
  let text = '';
  for (let i = 0; text.length < size; i++) {
    text += JSON.stringify({ id: i, name: `item ${i}`, price: Math.abs(Math.sin(i)).toFixed(4) });
  }
  return Buffer.from(text.slice(0, size));
}

/** Connections under load. */
class Load {
  /**
   * @param {object} options What to do
   * @param {() => WebSocket} options.createClient Makes a client
   * @param {number} options.connections How many
   * @param {number} options.inFlight Messages that each has under way
   * @param {number} options.size Bytes of a message
   * @param {boolean} options.isText Whether messages are text
   */
  constructor({ createClient, connections, inFlight, size, isText }) {
    const payload = composePayload(size);
    this._createClient = createClient;
    this._connections = connections;
    this._inFlight = inFlight;
    this._size = size;
    this._data = isText ? payload.toString() : payload;
    /** @type {Set<WebSocket>} Those that are open. */
    this._open = new Set();
    this._messages = 0;
    this._latency = createHistogram();
    this._since = 0;
    this._isRunning = false;
    /** Connections that were closed under load. */
    this.lost = 0;
  }

  /** How many connections are open. */
  get connections() {
    return this._open.size;
  }

  /**
   * Opens the connections.
   *
   * @return {Promise<void>} Rejects at the first one that fails
   */
  async open() {
    let left = this._connections;
    const openSome = async () => {
      while (left-- > 0) await this._openOne();
    };
    await Promise.all(Array.from({ length: Math.min(OPENING, left) }, openSome));
  }

  /** @private */
  async _openOne() {
    const ws = this._createClient();
    await once(ws, 'open');
    this._open.add(ws);
    ws.on('error', () => {}); // followed by 'close', which is counted
    ws.on('close', () => {
      this._open.delete(ws);
      if (this._isRunning) this.lost++;
    });
  }

  /** Starts to send. */
  start() {
    this._isRunning = true;
    this._since = performance.now();
    for (const ws of this._open) this._drive(ws);
  }

  /**
   * Keeps a connection busy. Echoes come back in order, so a ring of times is enough to tell how
   * long each took.
   *
   * @param {WebSocket} ws The connection
   * @private
   */
  _drive(ws) {
    const { _data: data, _size: size, _inFlight: inFlight } = this;
    const sent = new Float64Array(inFlight).fill(performance.now());
    let oldest = 0;

    ws.on('message', (echo) => {
      // Whatever else a server says isn't counted.
      if (!this._isRunning || /** @type {Buffer} */ (echo).length !== size) return;
      const now = performance.now();
      this._latency.record(Math.max(1, Math.round((now - sent[oldest]) * 1e6)));
      this._messages++;
      sent[oldest] = now;
      oldest = oldest + 1 === inFlight ? 0 : oldest + 1;
      ws.send(data);
    });
    for (let i = 0; i < inFlight; i++) ws.send(data);
  }

  /**
   * Gives what was measured since the start or the last call.
   *
   * @return {Figures} The figures
   */
  take() {
    const now = performance.now();
    const figures = {
      seconds: (now - this._since) / 1000,
      messages: this._messages,
      latency: this._latency
    };
    this._since = now;
    this._messages = 0;
    this._latency = createHistogram();
    return figures;
  }

  /** Closes all connections. */
  stop() {
    this._isRunning = false;
    for (const ws of this._open) ws.close();
  }
}

module.exports = { Load };

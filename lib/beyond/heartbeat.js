// @ts-check
'use strict';

// The heartbeat of connections: a peer of which nothing is heard is pinged, and given up where that
// changes nothing.
//
// A `WebSocket` that has the option has its settings under `kHeartbeat`. Where the engine carries
// it, whichever mode it's in, the engine pings (`engine/timers.js`); on the stream transport it's
// done here, by one timer for all connections of the thread.
//
// A pong that answers such a ping is of no interest to the program. The engine keeps it to itself,
// but for a connection that gives bytes, whose receiver finds it.

const { randomInt } = require('node:crypto');

const { kHeartbeat, kTransport } = require('../constants');
const EngineConnection = require('../engine/connection');
const { Ticker } = require('../engine/timers');
const { now } = require('../host');
const native = require('../native');
const { OPEN } = require('../ready-state');
const { createCause, setCloseCause } = require('./close-cause');
const { Wheel } = require('./wheel');

/** @typedef {{interval: number, timeout: number}} Settings Milliseconds. */

/**
 * Of the payload of our pings: the first three bytes as a number, once it's needed. The last one
 * counts from 1 on.
 *
 * @type {number | null}
 */
let mark = null;
const PAYLOAD_LENGTH = 4;

/** @type {{value: unknown, settings: Settings} | null} The latest option: most are the same. */
let latest = null;

/**
 * @param {any} value The option `heartbeat`, checked
 * @return {Settings} What it asks for
 */
function toSettings(value) {
  if (latest !== null && latest.value === value) return latest.settings;
  const interval = typeof value === 'number' ? value : value.interval;
  const timeout = typeof value === 'number' ? value : (value.timeout ?? interval);
  const settings = { interval, timeout };
  latest = { value, settings };
  return settings;
}

/**
 * Tells what to do about a connection of which nothing is heard.
 *
 * @param {any} websocket The WebSocket
 */
function expire(websocket) {
  const { interval, timeout } = websocket[kHeartbeat];
  const message = `Nothing was received for ${interval} ms, nor for ${timeout} ms after a ping`;
  setCloseCause(websocket, createCause('ERR_OXWS_HEARTBEAT', message));
  websocket.terminate();
}

/**
 * A connection of the stream transport.
 */
class Pulse {
  /**
   * @param {any} websocket The WebSocket
   */
  constructor(websocket) {
    this.websocket = websocket;
    /** @type {Settings} */
    this.settings = websocket[kHeartbeat];
    /** When it's to be looked at, by the clock of the wheel. */
    this.due = 0;
    /** Bytes that the receiver got. */
    this.received = 0;
    this._seen = 0;
    this._seenAt = 0;
    /** What `_countLeft()` was when it was pinged. */
    this._left = 0;
    this._isPinged = false;
    this._sequence = 0;
    this._pingedAt = 0;
    /** @type {number | null} */
    this.latency = null;
  }

  /**
   * Begins.
   *
   * @param {number} time The time by the clock of the wheel
   */
  start(time) {
    this._seen = this._countReceived();
    this._seenAt = time;
    this.due = time + this.settings.interval;
  }

  /**
   * @return {number} Bytes that have arrived, read or not
   * @private
   */
  _countReceived() {
    return this.received + this.websocket._socket.readableLength;
  }

  /**
   * @return {number} A number that changes when something leaves that waited
   * @private
   */
  _countLeft() {
    const { _handle: handle, session, writableLength } = this.websocket._socket;
    // A stream of HTTP/2 doesn't count them, but the socket below all of its session does.
    const { bytesWritten = 0 } = session?.socket ?? this.websocket._socket;
    // What libuv has it reports by itself: of TLS below that.
    const { writeQueueSize = 0 } = handle?._parent ?? handle ?? {};
    return bytesWritten - writableLength - writeQueueSize;
  }

  /**
   * Does what is due.
   *
   * @param {number} time The time by the clock of the wheel
   * @return {boolean} Whether it's to be looked at again, at `due`
   */
  look(time) {
    const { _socket: socket, readyState } = this.websocket;
    if (readyState !== OPEN || !socket.writable) return false;
    const received = this._countReceived();
    // What waits goes on: the peer takes it.
    const isTaking = socket.writableLength > 0 && this._countLeft() !== this._left;
    if (received !== this._seen || (this._isPinged && (isTaking || socket.readableLength > 0))) {
      this._seen = received;
      this._seenAt = time;
      this._isPinged = false;
    }
    if (this._isPinged) {
      expire(this.websocket);
      return false;
    }
    const pingAt = this._seenAt + this.settings.interval;
    if (time < pingAt) this.due = pingAt;
    else this._ping(time);
    return true;
  }

  /**
   * @param {number} time The time by the clock of the wheel
   * @private
   */
  _ping(time) {
    const { websocket } = this;
    this._isPinged = true;
    this.due = time + this.settings.timeout;
    // Behind what waits it would tell nothing.
    if (websocket._socket.writableLength === 0) {
      this._sequence = (this._sequence % 0xff) + 1;
      const payload = Buffer.allocUnsafe(PAYLOAD_LENGTH);
      payload.writeUInt32BE(/** @type {number} */ (mark) * 256 + this._sequence);
      this._pingedAt = now();
      websocket[kTransport].needSender().ping(payload, !websocket._isServer);
    }
    this._left = this._countLeft();
  }

  /**
   * Notes that a ping of ours was answered.
   *
   * @param {number} sequence Its number
   */
  notePong(sequence) {
    if (sequence === this._sequence && this._pingedAt > 0) {
      this.latency = now() - this._pingedAt;
      this._pingedAt = 0;
    }
  }
}

/** The connections of the stream transport, by their sockets. @type {WeakMap<object, Pulse>} */
const pulses = new WeakMap();
/** @type {Wheel<Pulse>} */
const wheel = new Wheel();
const ticker = new Ticker((elapsed) => {
  wheel.advance(elapsed, (pulse) => pulse.look(wheel.now));
  return wheel.size > 0;
});

/**
 * Takes the option of a WebSocket.
 *
 * @param {any} websocket The WebSocket
 * @param {any} options Its options
 */
function prepareHeartbeat(websocket, { heartbeat }) {
  if (heartbeat) websocket[kHeartbeat] = toSettings(heartbeat);
}

/**
 * Begins the heartbeat of a WebSocket that has a transport, if it's to have one.
 *
 * @param {any} websocket The WebSocket
 */
function startHeartbeat(websocket) {
  const settings = websocket[kHeartbeat];
  if (settings === null) return;
  // That of the engines is one of the process.
  mark ??= native.heartbeatMark?.() ?? randomInt(2 ** 24);
  const { _socket: socket, [kTransport]: transport } = websocket;
  if (socket._handle instanceof EngineConnection) {
    socket._handle.startHeartbeat(settings, expire);
    return;
  }
  const pulse = new Pulse(websocket);
  const { write } = transport;
  transport.write = (/** @type {Buffer} */ chunk) => {
    pulse.received += chunk.length;
    return write.call(transport, chunk);
  };
  pulses.set(socket, pulse);
  ticker.start(settings);
  pulse.start(wheel.now);
  wheel.add(pulse);
}

/**
 * Ends the heartbeat of a WebSocket that is closing, if it has one.
 *
 * @param {any} websocket The WebSocket
 */
function stopHeartbeat(websocket) {
  if (websocket[kHeartbeat] === null) return;
  const handle = websocket._socket._handle;
  if (handle instanceof EngineConnection) handle.stopHeartbeat();
  // One of the stream transport is dropped when its time comes.
}

/**
 * Tells whether a pong that the receiver of a WebSocket has found answers a ping of its heartbeat.
 *
 * @param {any} websocket The WebSocket
 * @param {Buffer} data The payload of the pong
 * @return {boolean} Whether it does; then it's noted
 */
function takesPong(websocket, data) {
  if (websocket[kHeartbeat] === null || data.length !== PAYLOAD_LENGTH) return false;
  if (data.readUIntBE(0, PAYLOAD_LENGTH - 1) !== mark) return false;
  const { _socket: socket } = websocket;
  pulses.get(socket)?.notePong(data[PAYLOAD_LENGTH - 1]);
  const handle = socket._handle;
  if (handle instanceof EngineConnection) handle.notePong(data);
  return true;
}

/**
 * Tells how long the latest answer to a ping of the heartbeat has taken.
 *
 * @param {any} websocket The WebSocket
 * @return {number | null} Milliseconds; `null` before the first
 */
function latencyOf(websocket) {
  const socket = websocket._socket;
  if (websocket[kHeartbeat] === null || !socket) return null;
  const handle = socket._handle;
  if (handle instanceof EngineConnection) return handle.latency;
  return pulses.get(socket)?.latency ?? null;
}

module.exports = {
  latencyOf,
  prepareHeartbeat,
  startHeartbeat,
  stopHeartbeat,
  takesPong
};

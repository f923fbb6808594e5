// @ts-check
'use strict';

// Values that several files of `lib/` share. Tracing tools read `kWebSocket` from here.
//
// All are constants, and exported by their names only, so that TypeScript tells the symbols apart.

const hasBlob = typeof Blob !== 'undefined';

/** The values that `binaryType` takes; the first is the default. */
const BINARY_TYPES = ['nodebuffer', 'arraybuffer', 'fragments'];
if (hasBlob) BINARY_TYPES.push('blob');
/** Milliseconds that a closing handshake may take. */
const CLOSE_TIMEOUT = 30_000;
const EMPTY_BUFFER = Buffer.alloc(0);
/** RFC 6455, section 7.4.1: the close code of an endpoint that is going away. */
const GOING_AWAY = 1001;
/**
 * RFC 6455, section 1.3. Kept for programs that read it here; the native part computes the digest.
 */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const NOOP = () => {};

/** On a listener: set through an `on*` attribute. */
const kForOnEventAttribute = Symbol('kIsForOnEventAttribute');
/** On a wrapped listener: the function that the user gave. */
const kListener = Symbol('kListener');
/** On a `WebSocket` of a server that has limits: what it counts as there; `null` without. */
const kAdmission = Symbol('admission');
/** On a `WebSocket`: what watches how much of what it sends is buffered; `null` without. */
const kBackpressure = Symbol('backpressure');
/** On a `WebSocket`: why it is closed; `null` where nothing has gone wrong. */
const kCloseCause = Symbol('close-cause');
/** On a `WebSocket`: whether it answers pings, `_autoPong`. */
const kAutoPong = Symbol('auto-pong');
/** On each `WebSocket`: `pong()` as it was when the class was made. */
const kOriginalPong = Symbol('original-pong');
/** On a `WebSocket`: the times of its heartbeat; `null` without. */
const kHeartbeat = Symbol('heartbeat');
/** On a `WebSocket`: its promises and loops; `null` where nobody has asked for one. */
const kPromised = Symbol('promised');
/** On a `WebSocket`: how long it may be open; `null` without. */
const kLifetime = Symbol('lifetime');
/**
 * On the class `Sender`: `send()` as it was when its file was loaded, before any tool replaced
 * it.
 */
const kOriginalSend = Symbol('original-send');
/** On an error: the close code with which the connection fails. */
const kStatusCode = Symbol('status-code');
/** On a server: its topics. On a `WebSocket`: those of its server, or its subscriptions there. */
const kTopics = Symbol('topics');
/** On a `WebSocket`: its transport; `null` before it's open. */
const kTransport = Symbol('transport');
/** On a socket, receiver or sender: the `WebSocket` that it belongs to. */
const kWebSocket = Symbol('websocket');

module.exports = {
  BINARY_TYPES,
  CLOSE_TIMEOUT,
  EMPTY_BUFFER,
  GOING_AWAY,
  GUID,
  hasBlob,
  kAdmission,
  kAutoPong,
  kBackpressure,
  kCloseCause,
  kForOnEventAttribute,
  kHeartbeat,
  kLifetime,
  kListener,
  kOriginalPong,
  kOriginalSend,
  kPromised,
  kStatusCode,
  kTopics,
  kTransport,
  kWebSocket,
  NOOP
};

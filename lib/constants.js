// @ts-check
'use strict';

// Values that several files of `lib/` share. Tracing tools read `kWebSocket` from here.

const hasBlob = typeof Blob !== 'undefined';

/** The values that `binaryType` takes; the first is the default. */
const BINARY_TYPES = ['nodebuffer', 'arraybuffer', 'fragments'];
if (hasBlob) BINARY_TYPES.push('blob');

module.exports = {
  BINARY_TYPES,
  /** Milliseconds that a closing handshake may take. */
  CLOSE_TIMEOUT: 30_000,
  EMPTY_BUFFER: Buffer.alloc(0),
  /** RFC 6455, section 1.3. Kept for those who read it here; the digest is the native part's. */
  GUID: '258EAFA5-E914-47DA-95CA-C5AB0DC85B11',
  hasBlob,
  /** On a listener: set through an `on*` attribute. */
  kForOnEventAttribute: Symbol('kIsForOnEventAttribute'),
  /** On a wrapped listener: the function that the user gave. */
  kListener: Symbol('kListener'),
  /** On a `WebSocket`: whether it answers pings, `_autoPong`. */
  kAutoPong: Symbol('auto-pong'),
  /** On each `WebSocket`: `pong()` as it was when the class was made. */
  kOriginalPong: Symbol('original-pong'),
  /**
   * On the class `Sender`: `send()` as it was when its file was loaded, before any tool replaced
   * it.
   */
  kOriginalSend: Symbol('original-send'),
  /** On an error: the close code with which the connection fails. */
  kStatusCode: Symbol('status-code'),
  /** On a server: its topics. On a `WebSocket`: those of its server, or its subscriptions there. */
  kTopics: Symbol('topics'),
  /** On a `WebSocket`: its transport; `null` before it's open. */
  kTransport: Symbol('transport'),
  /** On a socket, receiver or sender: the `WebSocket` that it belongs to. */
  kWebSocket: Symbol('websocket'),
  NOOP: () => {}
};

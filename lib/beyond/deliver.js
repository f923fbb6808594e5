// @ts-check
'use strict';

// How a message that several connections get goes to one of them: in the order of whatever else is
// sent there, and as a reference to the one frame where that is as good as a copy.

const { kBackpressure, kOriginalSend, kTransport } = require('../constants');
const EngineConnection = require('../engine/connection');
const PerMessageDeflate = require('../permessage-deflate');
const { OPEN } = require('../ready-state');
const Sender = require('../sender');

/** More than any message that the engine compresses has. */
const MAX_LENGTH = 0x7fff_ffff;
const PERMESSAGE_DEFLATE = PerMessageDeflate.extensionName;
/** The method as it is when it was not replaced. */
const sendMessage = /** @type {any} */ (Sender)[kOriginalSend];

/**
 * Tells whether a WebSocket takes messages. One whose socket is ended does not: an error would be
 * all that comes of it.
 *
 * @param {any} websocket The WebSocket
 * @return {boolean} Whether it does
 */
function takesMessages(websocket) {
  return websocket._readyState === OPEN && websocket._socket.writable;
}

/**
 * Finds the connection of the engine that may be attached to the topics of a WebSocket.
 *
 * @param {any} websocket The server's end
 * @return {any} The connection; `null` where the engine doesn't carry it, or something that is sent
 *   is in the way of what is published
 */
function findAttachable(websocket) {
  if (websocket._readyState !== OPEN) return null;
  const connection = websocket._socket._handle;
  if (!(connection instanceof EngineConnection) || !connection.takesPublished()) return null;
  const { sender } = websocket[kTransport];
  if (sender !== null) {
    const isOriginal = sender instanceof Sender && sender.send === sendMessage;
    if (!isOriginal || !sender._isIdle || !sender._firstFragment) return null;
  }
  if (websocket._extensions[PERMESSAGE_DEFLATE] && !connection.isCompressing) return null;
  return connection;
}

/**
 * Tells how long a message has to be to be compressed.
 *
 * @param {any} websocket The server's end
 * @return {number} Bytes, as a 32-bit integer
 */
function leastCompressed(websocket) {
  const perMessageDeflate = websocket._extensions[PERMESSAGE_DEFLATE];
  if (!perMessageDeflate?.params.server_no_context_takeover) return 0;
  const threshold = Math.ceil(perMessageDeflate._threshold);
  return threshold <= MAX_LENGTH ? Math.max(threshold, 0) : MAX_LENGTH;
}

/**
 * Queues a message for a connection.
 *
 * @param {any} websocket The server's end
 * @param {import('./message').Message} message The message
 * @param {boolean} isDroppable Whether it's dropped where it would exceed `maxBackpressure`
 * @return {boolean} Whether it's queued, or refused for what the connection has buffered; not where
 *   the connection takes no messages
 */
function deliver(websocket, message, isDroppable) {
  if (!takesMessages(websocket)) return false;
  const backpressure = websocket[kBackpressure];
  if (backpressure?.refusesShared(message, isDroppable)) return true;
  const sender = websocket._sender;
  // A message may not get between the fragments of another one, RFC 6455, section 5.4.
  if (sender._firstFragment === false)
    sender._defer(message.length, () => send(websocket, message));
  else send(websocket, message);
  backpressure?.look();
  return true;
}

/**
 * Sends a message on an open connection.
 *
 * @param {any} websocket The server's end
 * @param {import('./message').Message} message The message
 */
function send(websocket, message) {
  const sender = websocket._sender;
  const isExtended = !!websocket._extensions[PERMESSAGE_DEFLATE];
  // Somebody may have replaced the method, to see messages.
  if (sender.send === sendMessage && !message.isBlob) {
    const perMessageDeflate = isExtended ? websocket._extensions[PERMESSAGE_DEFLATE] : null;
    if (perMessageDeflate === null || !message.compress) {
      if (sender._sendShared(message)) return;
    } else if (perMessageDeflate.params.server_no_context_takeover) {
      const isLong = message.length >= perMessageDeflate._threshold;
      if (isLong ? sender._sendDeflated(message) : sender._sendShared(message)) return;
    }
  }
  const options = message.sendOptions;
  if (!isExtended) options.compress = false;
  sender.send(message.data, options);
}

/**
 * Sends a prepared message, as `send()` would its data.
 *
 * @param {any} websocket An open WebSocket, a client's or a server's
 * @param {import('./message').Message} message The message
 * @param {((error?: Error | null) => void) | undefined} callback Called when it's written
 */
function sendPrepared(websocket, message, callback) {
  const isFirst = websocket._sender._firstFragment !== false;
  if (websocket._isServer && callback === undefined && isFirst) {
    send(websocket, message);
    return;
  }
  const options = message.sendOptions;
  options.mask = !websocket._isServer;
  if (!websocket._extensions[PERMESSAGE_DEFLATE]) options.compress = false;
  websocket._sender.send(message.data, options, callback);
}

module.exports = { deliver, findAttachable, leastCompressed, sendPrepared };

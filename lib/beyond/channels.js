// @ts-check
'use strict';

// What tools can listen to without the program's doing: channels of `node:diagnostics_channel`, for
// all connections of a thread. Without a subscriber nothing is made for them.

const diagnostics = require('node:diagnostics_channel');

const connectionChannel = diagnostics.channel('oxws:server:connection');
const openChannel = diagnostics.channel('oxws:client:open');
const closeChannel = diagnostics.channel('oxws:close');
const droppedChannel = diagnostics.channel('oxws:dropped');

/**
 * Tells of a connection that a server has accepted.
 *
 * @param {any} server The server
 * @param {any} websocket The WebSocket
 * @param {any} request The request
 */
function publishConnection(server, websocket, request) {
  if (connectionChannel.hasSubscribers) connectionChannel.publish({ request, server, websocket });
}

/**
 * Tells of a client that is open.
 *
 * @param {any} websocket A WebSocket that is open, of either role
 */
function publishOpen(websocket) {
  if (openChannel.hasSubscribers && !websocket._isServer) openChannel.publish({ websocket });
}

/**
 * Tells of the end of a connection, or of a client that could not be opened.
 *
 * @param {any} websocket The WebSocket
 */
function publishClose(websocket) {
  if (!closeChannel.hasSubscribers) return;
  const { _closeCode: code, _closeMessage: reason } = websocket;
  closeChannel.publish({ code, reason, websocket });
}

/**
 * Tells of a message that was dropped.
 *
 * @param {any} websocket The WebSocket
 * @param {any} data What was to be sent
 * @param {boolean} isBinary Whether it's a binary message
 */
function publishDropped(websocket, data, isBinary) {
  if (droppedChannel.hasSubscribers) droppedChannel.publish({ data, isBinary, websocket });
}

module.exports = { publishClose, publishConnection, publishDropped, publishOpen };

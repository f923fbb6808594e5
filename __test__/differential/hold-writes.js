// @ts-check
'use strict';

// Has ws write as oxws does: the frames of a tick leave together, at its end, and sooner where
// somebody asks for `bufferedAmount`, terminates or destroys. With that, what follows from this one
// difference, which is meant, can be told from all others.

/** Sockets that hold frames back. */
const held = new Set();

/** Lets go of what a socket holds back. */
function release(socket) {
  if (!held.delete(socket)) return;
  socket.uncork();
}

/**
 * Changes ws for the whole process.
 *
 * @param {any} WebSocket The class of ws
 * @param {string} when `tick` or `turn`: until when frames are held back
 */
function holdWrites(WebSocket, when) {
  const later = when === 'tick' ? process.nextTick : setImmediate;
  const { Sender } = WebSocket;
  const { sendFrame } = Sender.prototype;
  Sender.prototype.sendFrame = function holdFrame(...parameters) {
    const socket = this._socket;
    if (!held.has(socket)) {
      held.add(socket);
      socket.cork();
      later(release, socket);
      releaseFirst(socket);
    }
    return sendFrame.apply(this, parameters);
  };
  const descriptor = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'bufferedAmount');
  const get = descriptor?.get;
  Object.defineProperty(WebSocket.prototype, 'bufferedAmount', {
    ...descriptor,
    get() {
      if (this._socket) release(this._socket);
      return get?.call(this);
    }
  });
}

/** Has a socket let go before it's destroyed, once. */
function releaseFirst(socket) {
  if (Object.hasOwn(socket, 'destroy')) return;
  const { destroy } = socket;
  socket.destroy = function releaseAndDestroy(...parameters) {
    release(this);
    return destroy.apply(this, parameters);
  };
}

module.exports = holdWrites;

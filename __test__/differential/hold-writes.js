// @ts-check
'use strict';

// Has ws write as oxws does: the frames of a tick leave together, at its end, and sooner where
// somebody asks for `bufferedAmount`, or does something with the socket. With that, what follows
// from this one difference, which is meant, can be told from all others.

const { Writable } = require('node:stream');

/** What is done with a socket after its frames have left. */
const METHODS = ['cork', 'destroy', 'end', 'uncork', 'write'];

/** Payloads up to this many bytes oxws copies; longer ones it writes from where they are. */
const MAX_COPY_LENGTH = 16 * 1024;

/** Sockets that hold frames back. */
const held = new Set();
/** Whether a frame is being written. */
let isSending = false;

/** Lets go of what a socket holds back. */
function release(socket) {
  if (!held.delete(socket)) return;
  Writable.prototype.uncork.call(socket);
}

/**
 * Changes ws for the whole process.
 *
 * @param {any} WebSocket The class of ws
 * @param {string} when `tick` or `turn`: until when frames are held back; `long`: until the end of
 *   the tick, or until a long one, which is written by itself
 */
function holdWrites(WebSocket, when) {
  const later = when === 'turn' ? setImmediate : process.nextTick;
  const { Sender } = WebSocket;
  const { sendFrame } = Sender.prototype;
  Sender.prototype.sendFrame = function holdFrame(...parameters) {
    const socket = this._socket;
    const isLong = parameters[0].some((part) => Buffer.byteLength(part) > MAX_COPY_LENGTH);
    if (isLong && when === 'long') release(socket);
    else if (!held.has(socket)) {
      held.add(socket);
      Writable.prototype.cork.call(socket);
      later(release, socket);
      releaseFirst(socket);
    }
    isSending = true;
    try {
      return sendFrame.apply(this, parameters);
    } finally {
      isSending = false;
    }
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

/** Has a socket let go before anything else is done with it. */
function releaseFirst(socket) {
  if (Object.hasOwn(socket, 'destroy')) return;
  for (const name of METHODS) {
    const method = socket[name];
    socket[name] = function releaseAndGoOn(...parameters) {
      if (!isSending) release(this);
      return method.apply(this, parameters);
    };
  }
}

module.exports = holdWrites;

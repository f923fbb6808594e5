// @ts-check
'use strict';

// What a stream of HTTP/2 needs to stand in the place of a socket.

const { addAbortSignal } = require('node:stream');

/**
 * Has a stream that is destroyed before its end tell the peer so, as a TCP reset does. RFC 8441,
 * section 5: by the error `CANCEL`. Node.js says so only where it's aborted.
 *
 * @param {any} stream The stream
 * @return {any} The same
 */
function resetByCancel(stream) {
  const { destroy } = stream;

  stream.destroy = /** @this {any} @param {Error} [error] */ function destroyByCancel(error) {
    const isEnded = this.readableEnded && this.writableFinished;

    if (error || isEnded || this.closed || this.destroyed) return destroy.call(this, error);

    // It comes with an error, of which no socket would tell that is destroyed without one.
    this.removeAllListeners('error').on('error', ignore);
    return addAbortSignal(AbortSignal.abort(), this);
  };
  return stream;
}

/** Listener of `'error'`. */
function ignore() {}

module.exports = { resetByCancel };

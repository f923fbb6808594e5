// @ts-check
'use strict';

// A `net.Socket` whose descriptor belongs to the engine.
//
// The socket stays the object that the user holds: it gets another prototype and another handle.
// Everything that `net.Socket` does through its handle works as it is; what it does through libuv's
// write requests is replaced here.

const net = require('node:net');
const { types } = require('node:util');

const EngineConnection = require('./connection');
const { isBacklog } = require('./connection/sending');
const { getEngine } = require('./index');
const native = require('../native');
const { decline } = require('./reason');

/** Chunks that the stream has collected are copied together up to this many bytes. */
const MAX_JOINED_LENGTH = 256 * 1024;

/** What must not have been replaced on a socket that the engine takes over. */
const METHODS = /** @type {const} */ ([
  '_final',
  '_read',
  '_write',
  '_writev',
  'addListener',
  'destroy',
  'end',
  'on',
  'pause',
  'prependListener',
  'push',
  'resume',
  'write'
]);

/** @typedef {import('../transport').NetSocket} NetSocket */

/**
 * What a socket is once the engine has its descriptor.
 */
class EngineSocket extends net.Socket {
  /**
   * @param {Buffer | string} chunk What to write
   * @param {BufferEncoding} encoding The encoding of a string
   * @param {(error?: Error | null) => void} callback Called when it's written
   */
  _write(chunk, encoding, callback) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    writeBytes(this, bytes, callback);
  }

  /**
   * @param {{chunk: any, encoding: BufferEncoding}[]} chunks What to write
   * @param {(error?: Error | null) => void} callback Called when it's written
   */
  _writev(chunks, callback) {
    const list = chunks.filter(({ chunk }) => !isBacklog(chunk));
    writeList(this, list, 0, callback);
  }

  /**
   * @param {any} chunk What to write
   * @param {any} [encoding] The encoding of a string; or the callback
   * @param {(error?: Error | null) => void} [callback] Called when it's written
   * @return {boolean} Whether more is wanted now
   */
  write(chunk, encoding, callback) {
    // What was sent before and waits is in the stream's queue before this.
    connectionOf(this)?.flushBefore();
    return super.write(chunk, encoding, callback);
  }

  /**
   * @param {...any} parameters What `end()` takes
   * @return {this}
   */
  end(...parameters) {
    const handle = connectionOf(this);
    handle?.setApart();
    // What was sent before is called back before what comes too late.
    handle?.flushAll();
    return super.end(...parameters);
  }

  cork() {
    connectionOf(this)?.setApart();
    return super.cork();
  }

  /**
   * @param {(error?: Error | null) => void} callback Called when the sending side has ended
   */
  _final(callback) {
    const handle = connectionOf(this);
    if (handle) handle.shutDown(callback);
    else callback();
  }

  /**
   * @param {number} [_size] Unused: the engine reads what there is
   */
  _read(_size) {
    const handle = connectionOf(this);
    if (handle && !handle.reading) {
      handle.reading = true;
      handle.readStart();
    }
  }

  pause() {
    const handle = connectionOf(this);
    // As any socket, one that shows its bytes reads until it has too many of them.
    if (handle && !handle.givesBytes) {
      handle.reading = false;
      handle.readStop();
    }
    return super.pause();
  }

  resume() {
    const handle = connectionOf(this);
    if (handle && !handle.reading) {
      handle.reading = true;
      handle.readStart();
    }
    handle?.resumeKept();
    return super.resume();
  }

  resetAndDestroy() {
    const handle = connectionOf(this);
    // That of Node.js refuses what is no TCP connection.
    if (!handle?.isResettable) return super.resetAndDestroy();
    handle.resets = true;
    return this.destroy();
  }

  /**
   * @param {number} milliseconds How long the socket may be idle, 0 for no limit
   * @param {() => void} [callback] Called when it was for as long
   * @return {this}
   */
  setTimeout(milliseconds, callback) {
    super.setTimeout(milliseconds, callback);
    const handle = connectionOf(this);
    handle?.setApart();
    handle?.watchActivity();
    return this;
  }

  _onTimeout() {
    // Not each byte that goes is reported: now it counts, as with any socket.
    // @ts-expect-error what puts it off
    if (connectionOf(this)?.hasBeenActive()) this._unrefTimer();
    // @ts-expect-error what the timer of a socket calls
    else super._onTimeout();
  }

  /**
   * @param {any} chunk What somebody says that was read, or `null` for the end
   * @param {BufferEncoding} [encoding] The encoding of a string
   * @return {boolean} Whether more is wanted
   */
  push(chunk, encoding) {
    return feed(this, chunk, encoding) || super.push(chunk, encoding);
  }

  /**
   * @param {any} chunk What somebody says that was read
   * @param {BufferEncoding} [encoding] The encoding of a string
   */
  unshift(chunk, encoding) {
    if (!feed(this, chunk, encoding)) super.unshift(chunk, encoding);
  }

  /**
   * @param {string} event The event
   * @param {(...values: any[]) => void} listener The listener
   * @return {this}
   */
  on(event, listener) {
    if (showsBytes(event)) connectionOf(this)?.handlers.showBytes();
    return super.on(event, listener);
  }

  /**
   * @param {string} [event] The event, by default every one
   * @return {this}
   */
  removeAllListeners(event) {
    // Among them is the one that the bytes of a WebSocket go to.
    if (event === undefined || showsBytes(event)) connectionOf(this)?.handlers.showBytes();
    return super.removeAllListeners(event);
  }

  /**
   * @param {string} event The event
   * @param {(...values: any[]) => void} listener The listener
   * @return {this}
   */
  addListener(event, listener) {
    return this.on(event, listener);
  }

  /**
   * @param {string} event The event
   * @param {(...values: any[]) => void} listener The listener
   * @return {this}
   */
  prependListener(event, listener) {
    if (showsBytes(event)) connectionOf(this)?.handlers.showBytes();
    return super.prependListener(event, listener);
  }
}

/** What sockets of the engine are instances of. */
const rehomed = new Set([EngineSocket.prototype]);

/**
 * Gives bytes that did not come from the engine to it, where they are decoded.
 *
 * @param {net.Socket} socket A socket of the engine
 * @param {Buffer | string | null | undefined} chunk The bytes
 * @param {BufferEncoding} [encoding] The encoding of a string
 * @return {boolean} Whether the engine has them; not those of a socket that shows its bytes
 */
function feed(socket, chunk, encoding) {
  const handle = connectionOf(socket);
  if (!handle || handle.givesBytes || chunk === null || chunk === undefined) return false;
  handle.feed(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
  return true;
}

// No program is to see a difference.
Object.defineProperty(EngineSocket, 'name', { value: 'Socket' });
Object.defineProperty(EngineSocket.prototype, 'constructor', { value: net.Socket });

/**
 * @param {string} event An event of a stream
 * @return {boolean} Whether its listeners see the bytes
 */
function showsBytes(event) {
  return event === 'data' || event === 'readable';
}

/**
 * @param {net.Socket} socket A socket of the engine
 * @return {EngineConnection | null} Its connection, `null` when it's closed
 */
function connectionOf(socket) {
  return /** @type {NetSocket} */ (socket)._handle;
}

/**
 * @param {net.Socket} socket A socket of the engine
 * @param {Buffer} bytes What to write
 * @param {(error?: Error | null) => void} callback Called when it's written
 */
function writeBytes(socket, bytes, callback) {
  const handle = connectionOf(socket);
  if (handle) handle.writeForSocket(bytes, callback);
  else callback(Object.assign(new Error('This socket has been ended'), { code: 'EPIPE' }));
}

/**
 * Writes chunks, as many at a time as are worth a copy: what the kernel doesn't take of them is
 * copied once more.
 *
 * @param {net.Socket} socket A socket of the engine
 * @param {{chunk: any, encoding: BufferEncoding}[]} list The chunks
 * @param {number} start The first of them
 * @param {(error?: Error | null) => void} callback Called when all are written
 */
function writeList(socket, list, start, callback) {
  let next = start;
  let isDone = true;
  while (isDone && next < list.length) {
    const group = [];
    let length = 0;
    do {
      const { chunk, encoding } = list[next];
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      if (group.length > 0 && length + bytes.length > MAX_JOINED_LENGTH) break;
      group.push(bytes);
      length += bytes.length;
    } while (++next < list.length);
    isDone = false;
    let isLate = false;
    const rest = next;
    writeBytes(socket, group.length === 1 ? group[0] : Buffer.concat(group, length), (error) => {
      if (error) callback(error);
      else if (isLate) writeList(socket, list, rest, callback);
      else isDone = true;
    });
    isLate = true;
  }
  if (isDone) callback();
}

/**
 * Tells whether the engine can take a socket over: a plain socket that has not
 * been changed, whose bytes aren't looked at, and on which nothing is under way.
 *
 * @param {import('../transport').NetSocket} socket The socket
 * @return {boolean} Whether it can
 */
function isEligible(socket) {
  if (Object.getPrototypeOf(socket) !== net.Socket.prototype || types.isProxy(socket)) return false;
  const handle = socket._handle;
  if (!handle || !(handle.fd >= 0) || !isQuiet(socket)) return false;
  return hasMethods(socket, net.Socket.prototype);
}

/**
 * @param {any} socket A socket
 * @return {boolean} Whether it's open, its bytes aren't looked at, and nothing is under way on it
 */
function isQuiet(socket) {
  if (socket.connecting || socket.destroyed) return false;
  const { _readableState: readable, _writableState: writable } = socket;
  if (readable.ended || readable.encoding || socket.isPaused() || readable.objectMode) return false;
  if (writable.length > 0 || writable.corked > 0 || writable.ending) return false;
  return socket.listenerCount('data') === 0 && socket.listenerCount('readable') === 0;
}

/**
 * @param {any} socket A socket
 * @param {any} prototype What it's an instance of
 * @return {boolean} Whether no method was replaced
 */
function hasMethods(socket, prototype) {
  return METHODS.every((name) => socket[name] === prototype[name]);
}

/**
 * Hands a socket over to the engine.
 *
 * @param {import('../transport').NetSocket} socket The socket
 * @param {boolean} isServer The role
 * @param {boolean} isCompressed Whether permessage-deflate is agreed
 * @return {EngineConnection | null} Its connection there, `null` where the socket has to stay as it
 *   is
 */
function handOver(socket, isServer, isCompressed) {
  const engine = getEngine();
  if (engine === null) return decline(socket, 'environment');
  if (!isEligible(socket)) return decline(socket, 'socket');
  const handle = /** @type {import('../transport').UvHandle} */ (
    /** @type {unknown} */ (socket._handle)
  );
  const id = native.adopt(engine.native, handle.fd, isServer, isCompressed, isCompressed);
  if (id < 0) return decline(socket, 'system');
  const connection = new EngineConnection(engine, id, socket, isCompressed ? 'young' : 'frames');
  connection.isResettable = typeof handle.reset === 'function';
  connection.priorBytesRead = handle.bytesRead;
  connection.priorBytesWritten = handle.bytesWritten;
  if (typeof handle.hasRef === 'function' && !handle.hasRef()) connection.unref();
  if (socket.timeout) connection.watchActivity();
  handle.readStop();
  rehome(socket, connection, EngineSocket.prototype);
  handle.close(() => connection.keepContext());
  return connection;
}

/**
 * Makes a socket one of the engine's.
 *
 * @param {any} socket The socket
 * @param {any} connection Its connection there
 * @param {any} prototype What it's an instance of from now on
 */
function rehome(socket, connection, prototype) {
  socket._handle = connection;
  // An http server leaves methods of the prototype on the socket itself. To delete them would make
  // the socket a slow object, twice its size.
  for (let i = 0; i < METHODS.length; i++) {
    const name = METHODS[i];
    if (Object.hasOwn(socket, name)) Reflect.set(socket, name, Reflect.get(prototype, name));
  }
  Object.setPrototypeOf(socket, prototype);
}

/**
 * Begins to read a socket that was handed over.
 *
 * @param {any} socket The socket
 * @param {any} connection Its connection
 * @param {any} limits The limits, as for a receiver
 * @param {(this: any, chunk: Buffer) => void} onData What gets the bytes of the socket once they
 *   are asked for; before, nothing does. With permessage-deflate they are from the beginning
 */
function beginReading(socket, connection, limits, onData) {
  connection.setLimits(limits);
  // One that flows gives one buffer after the other.
  for (let early = socket.read(); early !== null; early = socket.read()) connection.feed(early);
  Reflect.apply(net.Socket.prototype.on, socket, ['data', onData]);
}

/**
 * Tells whether a socket that the engine took over is still as it was then.
 *
 * @param {import('../transport').NetSocket} socket The socket
 * @param {(this: any, chunk: Buffer) => void} onData What gets its bytes
 * @return {boolean} Whether nothing was replaced, and the bytes aren't looked at
 */
function isUntouched(socket, onData) {
  const listeners = socket.rawListeners('data');
  return (
    listeners.length === 1 &&
    listeners[0] === onData &&
    socket.listenerCount('readable') === 0 &&
    rehomed.has(Object.getPrototypeOf(socket)) &&
    METHODS.every((name) => socket[name] === EngineSocket.prototype[name])
  );
}

module.exports = {
  beginReading,
  EngineSocket,
  handOver,
  hasMethods,
  isQuiet,
  isUntouched,
  rehome,
  rehomed
};

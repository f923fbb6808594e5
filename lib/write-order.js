// @ts-check
'use strict';

// Keeps frames that wait for the end of a tick in order with what a user does with their socket.
//
// With ws each frame is in the socket when `send()` returns. So whatever writes to the socket, ends
// or corks it, or asks how much waits there, finds the frames of this tick written.

const { kTransport, kWebSocket } = require('./constants');

/** Methods before which frames are written. */
const METHODS = ['cork', 'destroy', 'end', 'uncork', 'write'];
/** Properties before whose values frames are written. */
const PROPERTIES = ['bytesWritten', 'writableBuffer', 'writableLength', 'writableNeedDrain'];

/**
 * What a socket gets as its prototype, by the one that it had. Not methods of the socket itself:
 * a program that replaces a method there, or on the class, finds everything where it was.
 *
 * @type {WeakMap<object, object>}
 */
const derived = new WeakMap();

/**
 * From now on the frames that wait for a socket keep their order with its other writes.
 *
 * @param {any} socket The socket, a `Writable`
 */
function keepOrder(socket) {
  const prototype = Object.getPrototypeOf(socket);
  let ordered = derived.get(prototype);

  if (ordered === undefined) {
    ordered = derive(prototype);
    derived.set(prototype, ordered);
    // For a socket that belongs to one WebSocket after another.
    derived.set(ordered, ordered);
  }
  Object.setPrototypeOf(socket, ordered);

  // What a program has replaced on the socket already stays, but doesn't hide the order.
  for (const name of METHODS) {
    if (Object.hasOwn(socket, name) && typeof socket[name] === 'function') {
      socket[name] = writingFirst(socket[name]);
    }
  }
}

/**
 * Makes a prototype that writes frames first.
 *
 * @param {any} prototype What it inherits
 * @return {object} The prototype
 */
function derive(prototype) {
  const ordered = Object.create(prototype);
  const define = (/** @type {string} */ name, /** @type {PropertyDescriptor} */ descriptor) =>
    Object.defineProperty(ordered, name, { configurable: true, ...descriptor });

  for (const name of METHODS) {
    if (typeof prototype[name] !== 'function') continue;
    // Asked for with each call: a class may be changed at any time.
    define(name, {
      /** @this {any} */
      value: function (/** @type {any[]} */ ...parameters) {
        writeFrames(this);
        return prototype[name].apply(this, parameters);
      },
      writable: true
    });
  }
  for (const name of PROPERTIES) {
    if (!(name in prototype)) continue;
    define(name, {
      get() {
        writeFrames(this);
        return Reflect.get(prototype, name, this);
      }
    });
  }
  return ordered;
}

/**
 * @param {(this: any, ...parameters: any[]) => any} method A method of a socket
 * @return {(this: any, ...parameters: any[]) => any} The same after the frames that wait
 */
function writingFirst(method) {
  return function (...parameters) {
    writeFrames(this);
    return method.apply(this, parameters);
  };
}

/**
 * Writes the frames that wait for a socket.
 *
 * @param {any} socket The socket
 */
function writeFrames(socket) {
  socket[kWebSocket]?.[kTransport]?.flush();
}

module.exports = { keepOrder };

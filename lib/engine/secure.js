// @ts-check
'use strict';

// A `tls.TLSSocket` whose records the engine reads and writes.
//
// Node does the handshake. Then OpenSSL goes on with the same keys, but what it reads and writes
// comes from the engine and goes there: `src/binding/openssl.rs`. The socket stays the object that
// the user holds, as in `socket.js`, and what it is asked about the TLS connection Node's handle
// still answers. Every doubt leaves the socket as it is, with the stream transport.
//
//   OXWS_TLS=openssl|node   what carries connections over TLS; by default OpenSSL on Linux with
//                           glibc, on x64 and arm64, and Node elsewhere

const net = require('node:net');
const tls = require('node:tls');
const { debuglog, types } = require('node:util');

const EngineConnection = require('./connection');
const { getEngine } = require('./index');
const { setImmediate } = require('../host');
const native = require('../native');
const { decline, declineFor } = require('./reason');
const { EngineSocket, hasMethods, isQuiet, rehome, rehomed } = require('./socket');

const debug = debuglog('oxws');

/** What TLS is in the words of OpenSSL. */
const PROTOCOLS = ['TLSv1.2', 'TLSv1.3'];

/**
 * Methods of Node's handle that would make it do what the engine does now, or what it did before
 * the hand-over.
 */
const WITHHELD = new Set([
  'certCbDone',
  'clientHelloDone',
  'close',
  'constructor',
  'destroySSL',
  'enableCertCb',
  'enableKeylogCallback',
  'enableSessionCallbacks',
  'endParser',
  'loadSession',
  'newSessionDone',
  'readBuffer',
  'receive',
  'shutdown',
  'start',
  'useUserBuffer',
  'writeAsciiString',
  'writeBuffer',
  'writeLatin1String',
  'writeUcs2String',
  'writeUtf8String',
  'writesIssuedByPrevListenerDone',
  'writev'
]);

/**
 * One connection of the engine over TLS.
 */
class SecureConnection extends EngineConnection {
  /**
   * @param {any} engine The engine
   * @param {number} id Its number there
   * @param {any} socket The socket
   * @param {import('./mode').Mode} mode What the engine gives
   * @param {any} handle What the socket had for a handle
   */
  constructor(engine, id, socket, mode, handle) {
    super(engine, id, socket, mode);
    /** Node's handle: it has the certificates, the cipher, the session. */
    this._nodeHandle = handle;
    /** Whether a WebSocket has been asked to take it; until then it tells of nothing. */
    this.isTaken = false;
    this.handlers = /** @type {any} */ ({ showBytes: () => leaveSecure(socket), fail() {} });
  }

  /**
   * @param {any} error What broke the connection
   * @protected
   */
  _breakOff(error) {
    // Node's own listener emits what there is to emit.
    if (error.library !== undefined) this._nodeHandle.onerror(error);
    else super._breakOff(error);
  }

  /**
   * @param {boolean} reset Whether the peer gets a reset
   * @param {(() => void) | undefined} callback Called when it's closed
   * @protected
   */
  _close(reset, callback) {
    const wasClosed = this._isClosed;
    super._close(reset, callback);
    // Its server counts the socket below. What OpenSSL holds Node frees after 'close'.
    if (!wasClosed) this._nodeHandle._parentWrap?.destroy();
  }
}

/** Whether `SecureConnection` answers for Node's handle already. */
let isComplete = false;

/**
 * Has `SecureConnection` answer for Node's handle.
 *
 * @param {any} handle Such a handle
 */
function complete(handle) {
  if (isComplete) return;
  isComplete = true;
  const own = /** @type {any} */ (SecureConnection.prototype);
  for (let from = handle; from !== Object.prototype; from = Object.getPrototypeOf(from)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
      if (typeof value !== 'function' || from === handle || name in own) continue;
      own[name] = WITHHELD.has(name)
        ? function withheld() {}
        : /** @this {any} @param {...any} values */ function answer(...values) {
            return this._nodeHandle[name](...values);
          };
    }
  }
}

/** What a socket is once the engine has its records. */
const securePrototype = Object.create(tls.TLSSocket.prototype, {
  ...Object.getOwnPropertyDescriptors(EngineSocket.prototype),
  constructor: { value: tls.TLSSocket, writable: true, configurable: true }
});

rehomed.add(securePrototype);

/** Whether the prototype of Node's has nothing of its own that this one replaces. */
const isKnown = Object.keys(Object.getOwnPropertyDescriptors(EngineSocket.prototype)).every(
  (name) => name === 'constructor' || !Object.hasOwn(tls.TLSSocket.prototype, name)
);

/** @type {boolean | undefined} */
let isReady;

/**
 * Finds OpenSSL. To be called before the connections are made that may be taken over: none that
 * were there before can be.
 *
 * @return {boolean} Whether that is possible
 */
function prepareSecure() {
  if (isReady === undefined) {
    const { OXWS_TLS: carrier } = process.env;
    isReady =
      carrier !== 'node' &&
      process.env.OXWS_TRANSPORT !== 'stream' &&
      process.versions.bun === undefined &&
      process.versions.openssl !== undefined &&
      native.prepareSecure !== undefined &&
      isKnown &&
      native.prepareSecure(process.versions.openssl, carrier === 'openssl');
    debug('TLS is carried by %s', isReady ? 'the engine' : 'Node.js');
  }
  return isReady;
}

/**
 * Tells whether the engine can take a socket over: one that Node's TLS made of a plain socket, that
 * has not been changed, whose bytes aren't looked at, and on which nothing is under way.
 *
 * @param {any} socket The socket
 * @return {boolean} Whether it can
 */
function isEligible(socket) {
  if (Object.getPrototypeOf(socket) !== tls.TLSSocket.prototype || types.isProxy(socket)) {
    return false;
  }
  const { _handle: handle } = socket;
  if (!handle || handle !== socket.ssl || typeof handle.onerror !== 'function') return false;
  const { _parent: parent, _parentWrap: wrap } = handle;
  return (
    socket._secureEstablished === true &&
    socket._controlReleased === true &&
    !socket._newSessionPending &&
    !socket._securePending &&
    isQuiet(socket) &&
    socket._writableState.pendingcb === 0 &&
    hasMethods(socket, tls.TLSSocket.prototype) &&
    PROTOCOLS.includes(handle.getProtocol()) &&
    parent?.fd >= 0 &&
    parent.writeQueueSize === 0 &&
    (wrap === null || isBelow(wrap, parent))
  );
}

/**
 * @param {any} wrap The socket below one of TLS
 * @param {any} parent The handle below that of TLS
 * @return {boolean} Whether that is its handle, and it isn't used
 */
function isBelow(wrap, parent) {
  return (
    Object.getPrototypeOf(wrap) === net.Socket.prototype &&
    wrap._handle === parent &&
    isQuiet(wrap) &&
    wrap.readableLength === 0
  );
}

/**
 * A session that the server sends later is given to JavaScript by Node's handle, in the middle of a
 * call of OpenSSL, if there has ever been a listener. Node's own listener of `'newListener'` sees
 * to that, and goes with the first one.
 *
 * @param {any} socket The socket of a client
 * @return {boolean} Whether there has never been one
 */
function hearsNoSessions(socket) {
  return (
    socket.listenerCount('session') === 0 &&
    socket
      .listeners('newListener')
      .some((/** @type {Function} */ { name }) => name === 'newListener')
  );
}

/**
 * Hands a socket over to the engine, which carries its bytes from now on.
 *
 * @param {any} socket The socket
 * @param {boolean} isServer The role
 * @param {boolean} isCompressed Whether permessage-deflate is agreed
 * @return {any} Its connection there, or `null` where the socket has stayed as it is
 */
function handOverSecure(socket, isServer, isCompressed) {
  if (!prepareSecure()) return decline(socket, 'environment');
  if (!isEligible(socket)) return decline(socket, 'socket');
  if (!socket._tlsOptions.isServer && !hearsNoSessions(socket)) return decline(socket, 'session');
  const engine = getEngine(true);
  if (engine === null) return decline(socket, 'environment');
  const { _handle: handle } = socket;
  const { _parent: parent, _parentWrap: wrap } = handle;
  let id;
  try {
    id = native.adoptSecure(
      engine.native,
      parent.fd,
      isServer,
      isCompressed,
      handle.getFinished() ?? Buffer.alloc(0),
      handle.getPeerFinished() ?? Buffer.alloc(0),
      [parent.bytesRead, parent.bytesWritten]
    );
  } catch (error) {
    // Nobody knows how far that went.
    debug('a connection over TLS is closed: %s', error);
    socket.destroy();
    return decline(socket, 'state');
  }
  if (id < 0) return declineFor(socket, id);
  complete(handle);
  const mode = isCompressed ? 'young' : 'frames';
  const connection = new SecureConnection(engine, id, socket, mode, handle);
  connection.isResettable = false;
  connection.priorBytesRead = handle.bytesRead;
  connection.priorBytesWritten = handle.bytesWritten;
  if (!parent.hasRef()) connection.unref();
  handle.readStop();
  rehome(socket, connection, securePrototype);
  if (wrap !== null) wrap._handle = null;
  parent.close(() => connection.keepContext());
  // Node's handle asks OpenSSL once more when this call is over.
  setImmediate(() => {
    if (engine.connectionOf(id) === connection) native.releaseSecure(engine.native, id);
  });
  return connection;
}

/** Sockets of clients that were made as by default. @type {WeakSet<any>} */
const ofClients = new WeakSet();

/**
 * Opens a connection over TLS that may be handed over. One that the user opens may not: whoever
 * made it may still do anything with it.
 *
 * @param {any} options Those of `tls.connect()`
 * @return {tls.TLSSocket} The socket
 */
function connectSecure(options) {
  const isOwn = prepareSecure() && !options.socket && !options.onread;
  const socket = tls.connect(options);
  // A program may have put something else in the place of `tls.connect()`.
  if (isOwn && socket instanceof tls.TLSSocket) ofClients.add(socket);
  return socket;
}

/**
 * Gives the connection in the engine of a socket whose WebSocket begins.
 *
 * @param {any} socket The socket
 * @param {boolean} isServer The role
 * @param {boolean} isCompressed Whether permessage-deflate is agreed
 * @return {any} The connection, or `null` where the engine doesn't have it
 */
function takeSecure(socket, isServer, isCompressed) {
  if (isServer) return takeHandedOver(socket);
  if (!prepareSecure()) return decline(socket, 'environment');
  if (!ofClients.has(socket)) return decline(socket, 'program');
  return handOverSecure(socket, isServer, isCompressed);
}

/**
 * @param {any} socket A socket
 * @return {any} The connection of one that was handed over and that no WebSocket has yet; `null`
 *   of any other
 */
function takeHandedOver(socket) {
  const { _handle: connection } = socket;
  if (!(connection instanceof SecureConnection) || connection.isTaken) return null;
  connection.isTaken = true;
  return connection;
}

/**
 * Gives the bytes of a connection to its socket, where something has changed since it was handed
 * over, and a `Receiver` is to get them.
 *
 * @param {any} socket A socket
 */
function leaveSecure(socket) {
  const connection = takeHandedOver(socket);
  if (connection === null) return;
  connection.change('expose');
  connection.giveBytes();
}

module.exports = { connectSecure, handOverSecure, leaveSecure, prepareSecure, takeSecure };

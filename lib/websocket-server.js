// @ts-check
'use strict';

// The class `WebSocketServer`: turns upgrade requests of an HTTP server into WebSockets. RFC 6455,
// section 4.2.

const EventEmitter = require('node:events');
const http = require('node:http');

const { PreparedMessage } = require('./beyond/message');
const { admit, limit } = require('./beyond/admission');
const { publishConnection } = require('./beyond/channels');
const { acceptStream, connectListeners, speaksHttp2 } = require('./beyond/http2-server');
const { checkConnectionOptions } = require('./beyond/options');
const { closeAllConnections, shutDown } = require('./beyond/shutdown');
const topics = require('./beyond/topics');
const { checkUpgrade } = require('./beyond/upgrade');
const { CLOSE_TIMEOUT, EMPTY_BUFFER, kTopics } = require('./constants');
const { checkOwnOptions } = require('./deflate/options');
const { prepareSecure } = require('./engine/secure');
const { attachSecure } = require('./engine/attach');
const { rejectHandshake } = require('./handshake/rejection');
const {
  acceptHeaders,
  createWebSocket,
  destroyOnError,
  examine,
  findsPlace,
  requestFault,
  RUNNING
} = require('./handshake/server');
const { nextTick } = require('./host');
const WebSocket = require('./websocket');

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:stream').Duplex} Duplex */

/** For each server: the listener that takes its WebSockets out of `clients`. */
const untrackers = new WeakMap();

/** Values of `_state` after `RUNNING`. */
const CLOSING = 1;
const CLOSED = 2;

const DEFAULT_OPTIONS = {
  allowSynchronousEvents: true,
  autoPong: true,
  maxBufferedChunks: 256 * 1024,
  maxFragments: 16 * 1024,
  maxPayload: 100 * 1024 * 1024,
  maxPendingAutoPongs: 60,
  skipUTF8Validation: false,
  perMessageDeflate: false,
  handleProtocols: null,
  clientTracking: true,
  closeTimeout: CLOSE_TIMEOUT,
  verifyClient: null,
  noServer: false,
  backlog: null,
  server: null,
  host: null,
  path: null,
  port: null,
  WebSocket
};

/**
 * A server for WebSockets, on a port of its own, on an HTTP server, or fed with upgrade requests by
 * hand.
 */
class WebSocketServer extends EventEmitter {
  /**
   * @param {any} options Exactly one of `port`, `server` and `noServer`, and what else there is.
   *     They are kept in `this.options` and read again for each request.
   * @param {() => void} [callback] With `port`: called when the server listens
   * @throws {TypeError} Unless exactly one of `port`, `server` and `noServer` is given, or if an
   *     option is invalid that ws doesn't have
   */
  constructor(options, callback) {
    super();

    /** @type {any} */
    const settings = { ...DEFAULT_OPTIONS, ...options };
    const hasPort = settings.port !== null && settings.port !== undefined;

    if (Number(hasPort) + Number(!!settings.server) + Number(!!settings.noServer) !== 1) {
      throw new TypeError(
        'One and only one of the "port", "server", or "noServer" options must be specified'
      );
    }

    if (settings.perMessageDeflate) checkOwnOptions(settings.perMessageDeflate);
    checkConnectionOptions(settings);
    checkUpgrade(settings);
    limit(this, settings);
    /** Its topics. */
    this[kTopics] = new topics.Topics(this, settings.broker);
    if (!hasPort) prepareSecure();

    if (hasPort) {
      this._server = http.createServer(demandUpgrade);
      this._server.listen(settings.port, settings.host, settings.backlog, callback);
    } else if (settings.server) {
      this._server = settings.server;
    }

    if (this._server) {
      /** @type {(() => void) | null} */
      this._removeListeners = attachTo(this, this._server);
    }

    if (settings.perMessageDeflate === true) settings.perMessageDeflate = {};
    if (settings.clientTracking) {
      this.clients = new Set();
      this._shouldEmitClose = false;
    }

    this.options = settings;
    this._state = RUNNING;
  }

  /**
   * Tells where the server listens.
   *
   * @return {import('node:net').AddressInfo | string | null} As `address()` of the HTTP server;
   *     `null` once it's closed
   * @throws {Error} With `noServer`
   */
  address() {
    if (this.options.noServer) {
      throw new Error('The server is operating in "noServer" mode');
    }

    return this._server ? this._server.address() : null;
  }

  /**
   * Stops taking connections. Those that exist go on; `'close'` is emitted when the last one is
   * gone.
   *
   * @param {(error?: Error) => void} [callback] Called at `'close'`; with an error if the server
   *     was closed before
   */
  close(callback) {
    if (this._state === CLOSED) {
      if (callback) this.once('close', () => callback(new Error('The server is not running')));
      nextTick(emitClose, this);
      return;
    }

    if (callback) this.once('close', callback);
    if (this._state === CLOSING) return;

    this._state = CLOSING;

    const server = this._server;

    if (server) {
      /** @type {() => void} */ (this._removeListeners)();
      this._removeListeners = this._server = null;
    }

    if (!this.options.noServer && !this.options.server) {
      // Its own HTTP server: it waits for its sockets, and the upgraded ones are among them.
      server.close(() => emitClose(this));
    } else if (this.clients?.size) {
      this._shouldEmitClose = true;
    } else {
      nextTick(emitClose, this);
    }
  }

  /**
   * Says whether a request is for this server. Made to be overridden.
   *
   * @param {IncomingMessage} req The request
   * @return {boolean} Whether its path is the one of the option `path`
   */
  shouldHandle(req) {
    const { path } = this.options;

    return !path || /** @type {string} */ (req.url).split('?', 1)[0] === path;
  }

  /**
   * Sends a message to all who have subscribed to a topic. Not part of ws, like the next ones.
   *
   * @param {string} topic The topic
   * @param {any} data The message, as for `send()`; or one that was prepared
   * @param {any} [options] `binary` (by default: unless `data` is a string), `compress` (`true`),
   *     `except` (a WebSocket, or several)
   * @return {number} For how many connections it is queued
   * @throws {TypeError} If an argument isn't valid
   */
  publish(topic, data, options) {
    return topics.publish(this[kTopics], topic, data, options);
  }

  /**
   * @param {string} topic The topic
   * @return {number} How many have subscribed to it
   * @throws {TypeError} If the topic isn't a string
   */
  subscriberCount(topic) {
    return topics.countSubscribers(this[kTopics], topic);
  }

  /**
   * Sends a message to all clients.
   *
   * @param {any} data The message, as for `publish()`
   * @param {any} [options] As for `publish()`; and `filter`, which says who gets it
   * @return {number} For how many connections it is queued
   * @throws {TypeError} If an argument isn't valid
   * @throws {Error} Without `clientTracking`
   */
  broadcast(data, options) {
    return topics.broadcast(this.clients, data, options);
  }

  /**
   * Makes a message that can be sent any number of times, which is framed once.
   *
   * @param {any} data The message, as for `send()`, but no `Blob`
   * @param {any} [options] `binary`, `compress`, as for `send()`
   * @return {PreparedMessage} What `send()`, `publish()` and `broadcast()` take
   * @throws {TypeError} If an argument isn't valid
   */
  prepare(data, options) {
    return new PreparedMessage(data, options);
  }

  /**
   * Ends the server and its connections: no more are taken, those that exist are closed in random
   * order, and terminated if that takes too long.
   *
   * @param {any} [options] `code` (1001), `reason` (none), `spread` (0): over how many
   *     milliseconds they are closed; `timeout` (`closeTimeout`): how many the last ones have for
   *     that; `signal`: terminates what is left
   * @return {Promise<{closed: number, terminated: number}>} How they have ended, once the server
   *     is closed; rejected if an option isn't valid, or without `clientTracking`
   */
  shutdown(options) {
    return shutDown(this, options);
  }

  /**
   * Terminates all connections. The server goes on.
   *
   * @throws {Error} Without `clientTracking`
   */
  closeAllConnections() {
    closeAllConnections(this);
  }

  /**
   * Answers an upgrade request.
   *
   * @param {IncomingMessage} req The request
   * @param {Duplex} socket Its socket
   * @param {Buffer} head What arrived after the request already
   * @param {(websocket: WebSocket, req: IncomingMessage) => void} callback Called with the new
   *     WebSocket
   */
  handleUpgrade(req, socket, head, callback) {
    examine(
      this,
      req,
      socket,
      requestFault(req),
      ({ extensions, protocols }) => {
        const key = /** @type {string} */ (req.headers['sec-websocket-key']);

        this.completeUpgrade(extensions, key, protocols, req, socket, head, callback);
      },
      (status, message, headers) => rejectHandshake(socket, status, message, headers)
    );
  }

  /**
   * Answers a request by which a client over HTTP/2 opens a stream for a WebSocket: a `CONNECT`
   * whose `:protocol` is `websocket`. RFC 8441. Not part of ws.
   *
   * @param {import('node:http2').ServerHttp2Stream} stream The stream
   * @param {import('node:http2').IncomingHttpHeaders} headers The headers of the request
   * @param {(websocket: WebSocket, req: import('node:http2').Http2ServerRequest) => void} callback
   *     Called with the new WebSocket
   * @throws {Error} If the stream belongs to a WebSocket already
   */
  handleConnect(stream, headers, callback) {
    acceptStream(this, stream, headers, (websocket, request) => {
      openWebSocket(this, websocket, request, stream, EMPTY_BUFFER, callback);
    });
  }

  /**
   * Accepts a checked upgrade request.
   *
   * @param {Record<string, any>} extensions The extensions to use
   * @param {string} key The value of `Sec-WebSocket-Key`
   * @param {Set<string>} protocols The subprotocols that the client offers
   * @param {IncomingMessage} req The request
   * @param {any} socket Its socket
   * @param {Buffer} head What arrived after the request already
   * @param {(websocket: WebSocket, req: IncomingMessage) => void} callback Called with the new
   *     WebSocket
   * @throws {Error} If the socket belongs to a WebSocket already
   * @private
   */
  completeUpgrade(extensions, key, protocols, req, socket, head, callback) {
    const twice =
      'server.handleUpgrade() was called more than once with the same ' +
      'socket, possibly due to a misconfiguration';

    if (!findsPlace(this, socket, twice, (status) => rejectHandshake(socket, status))) return;

    const websocket = createWebSocket(this);
    const headers = acceptHeaders(this.options, websocket, { extensions, protocols }, key, req);

    // RFC 6455, section 4.2.2, leaves other headers open: listeners may change the lines.
    this.emit('headers', headers, req);
    attachSecure(websocket, socket, this.options);
    socket.write(`${headers.join('\r\n')}\r\n\r\n`);
    socket.removeListener('error', destroyOnError);

    openWebSocket(this, websocket, req, socket, head, callback);
  }
}

/**
 * Gives a WebSocket its socket, keeps it in `clients`, and gives it to who wants it.
 *
 * @param {WebSocketServer} wss The server
 * @param {any} websocket The WebSocket, whose handshake is done
 * @param {any} req The request
 * @param {Duplex} socket Its socket
 * @param {Buffer} head What arrived after the request already
 * @param {(websocket: any, req: any) => void} callback Called with it
 * @private
 */
function openWebSocket(wss, websocket, req, socket, head, callback) {
  websocket.setSocket(socket, head, {
    allowSynchronousEvents: wss.options.allowSynchronousEvents,
    maxBufferedChunks: wss.options.maxBufferedChunks,
    maxFragments: wss.options.maxFragments,
    maxPayload: wss.options.maxPayload,
    skipUTF8Validation: wss.options.skipUTF8Validation
  });

  admit(socket, websocket);
  if (wss.clients) trackClient(wss, websocket);
  publishConnection(wss, websocket, req);
  callback(websocket, req);
}

/**
 * Answers a plain request to the port of a WebSocket server.
 *
 * @param {IncomingMessage} _req The request
 * @param {http.ServerResponse} res The response
 * @private
 */
function demandUpgrade(_req, res) {
  const body = /** @type {string} */ (http.STATUS_CODES[426]);

  res.writeHead(426, { 'Content-Length': body.length, 'Content-Type': 'text/plain' });
  res.end(body);
}

/**
 * Listens to an HTTP server.
 *
 * @param {WebSocketServer} wss The WebSocket server
 * @param {any} server The HTTP server
 * @return {() => void} Takes the listeners away again
 * @private
 */
function attachTo(wss, server) {
  const emitConnection = wss.emit.bind(wss, 'connection');
  const listeners = Object.entries({
    listening: wss.emit.bind(wss, 'listening'),
    error: wss.emit.bind(wss, 'error'),
    upgrade: (
      /** @type {IncomingMessage} */ req,
      /** @type {Duplex} */ socket,
      /** @type {Buffer} */ head
    ) => wss.handleUpgrade(req, socket, head, emitConnection),
    ...(speaksHttp2(server) && connectListeners(wss, emitConnection))
  });

  for (const [event, listener] of listeners) server.on(event, listener);

  return () => {
    for (const [event, listener] of listeners) server.removeListener(event, listener);
  };
}

/**
 * @param {WebSocketServer} wss The server that is closed
 * @private
 */
function emitClose(wss) {
  wss._state = CLOSED;
  wss[kTopics].end();
  wss.emit('close');
}

/**
 * Keeps a WebSocket in `clients` as long as it lives.
 *
 * @param {WebSocketServer} wss The server
 * @param {any} websocket The WebSocket
 * @private
 */
function trackClient(wss, websocket) {
  let untrack = untrackers.get(wss);

  if (untrack === undefined) {
    untrack = createUntracker(wss);
    untrackers.set(wss, untrack);
  }

  /** @type {Set<any>} */ (wss.clients).add(websocket);
  websocket.on('close', untrack);
}

/**
 * Makes the listener that takes WebSockets out of `clients`: one for all of a server, a function
 * for each would be a twentieth of what an idle connection takes.
 *
 * @param {WebSocketServer} wss The server
 * @return {(this: any) => void} The listener
 * @private
 */
function createUntracker(wss) {
  return function untrack() {
    const clients = /** @type {Set<any>} */ (wss.clients);

    clients.delete(this);
    if (wss._shouldEmitClose && !clients.size) nextTick(emitClose, wss);
  };
}

// Not in each Node.js.
if (Symbol.asyncDispose) {
  Object.defineProperty(WebSocketServer.prototype, Symbol.asyncDispose, {
    configurable: true,
    /** @this {WebSocketServer} */
    async value() {
      await this.shutdown();
    },
    writable: true
  });
}

module.exports = WebSocketServer;

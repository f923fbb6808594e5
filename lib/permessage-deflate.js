// @ts-check
'use strict';

// permessage-deflate, RFC 7692, as the API of ws has it. Negotiation and compression are the
// native part's.

const { toBuffer } = require('./buffer-util');
const Limiter = require('./limiter');
const native = require('./native');
const { DeflateContext, InflateContext } = require('./deflate/context');
const { checkOwnOptions } = require('./deflate/options');
const { toInt32, toLimit } = require('./validation');

/** @typedef {import('./deflate/context').Callback} Callback */
/** @typedef {import('./transport').Compression} Compression */
/** @typedef {Record<string, any>} Parameters The parameters of one offer or response by name. */

/** What the option `threshold` is if it is not given. */
const DEFAULT_THRESHOLD = 1024;
/** What the option `concurrencyLimit` is if it is not given. */
const DEFAULT_CONCURRENCY_LIMIT = 10;
const MAX_WINDOW_BITS = 15;
/** Less and more than any number of window bits that can be agreed, as the native part takes it. */
const MIN_BITS = 1;
const MAX_BITS = 0xff;
/** More names than RFC 7692 knows: one of them is unknown. */
const TOO_MANY_NAMES = 5;

/**
 * One for the process: threads and memory are what it bounds. The first instance says how much.
 *
 * @type {Limiter | undefined}
 */
let limiter;

/** Whether an instance has said how much memory may be kept between messages. */
let hasMemoryLimit = false;

/**
 * The extension on one connection: negotiates, then compresses and decompresses as agreed.
 */
class PerMessageDeflate {
  /**
   * @param {object} [options] Options
   * @param {boolean | number} [options.clientMaxWindowBits] The window of the client: a number to
   *   ask for or give, `false` to refuse, `true` or nothing to leave it open
   * @param {boolean} [options.clientNoContextTakeover] Whether the client's messages each start
   *   with an empty window; `false` refuses
   * @param {number} [options.concurrencyLimit=10] How many large messages of the process may be
   *   worked on at a time. The first instance decides; 0 for any number
   * @param {boolean} [options.isServer=false] The role
   * @param {number} [options.maxPayload=0] Bytes that an inflated fragment may have; 0 for no limit
   * @param {number} [options.memoryLimit=268435456] Bytes that the compressors of all connections
   *   of the process may keep from one message to the next. The first instance that says it decides
   * @param {boolean | number} [options.serverMaxWindowBits] The window of the server, likewise
   * @param {boolean} [options.serverNoContextTakeover] Whether the server's messages each start
   *   with an empty window; `false` refuses
   * @param {number} [options.threshold=1024] Bytes below which a message is not compressed if each
   *   starts with an empty window
   * @param {import('node:zlib').ZlibOptions} [options.zlibDeflateOptions] Options of Node's zlib
   *   for compressing
   * @param {import('node:zlib').ZlibOptions} [options.zlibInflateOptions] Options of Node's zlib
   *   for decompressing
   * @throws {TypeError} If `memoryLimit` isn't a number of bytes
   */
  constructor(options) {
    this._options = options || {};
    const { concurrencyLimit, isServer, memoryLimit, threshold } = this._options;
    checkOwnOptions(this._options);
    if (memoryLimit !== undefined) limitMemory(memoryLimit);
    this._threshold = threshold !== undefined ? threshold : DEFAULT_THRESHOLD;
    this._maxPayload = toInt32(this._options.maxPayload);
    this._isServer = !!isServer;
    /** @type {DeflateContext | null} Made with the first message. */
    this._deflate = null;
    /** @type {InflateContext | null} Made with the first message. */
    this._inflate = null;
    /** @type {Compression | null} The connection of the engine that has the states, if one has. */
    this._connection = null;
    /** @type {Parameters | any} What was agreed on; `null` before. */
    this.params = null;

    if (limiter === undefined) {
      limiter = new Limiter(
        concurrencyLimit !== undefined ? concurrencyLimit : DEFAULT_CONCURRENCY_LIMIT
      );
      native.setConcurrencyLimit(toLimit(limiter.limit));
    }
  }

  /** The name under which the extension is registered. */
  static get extensionName() {
    return 'permessage-deflate';
  }

  /**
   * Makes a client's offer.
   *
   * @return {Parameters} Its parameters
   */
  offer() {
    const {
      clientMaxWindowBits,
      clientNoContextTakeover,
      serverMaxWindowBits,
      serverNoContextTakeover
    } = this._options;
    /** @type {Parameters} */
    const parameters = {};
    if (serverNoContextTakeover) parameters.server_no_context_takeover = true;
    if (clientNoContextTakeover) parameters.client_no_context_takeover = true;
    if (serverMaxWindowBits) parameters.server_max_window_bits = serverMaxWindowBits;
    if (clientMaxWindowBits) parameters.client_max_window_bits = clientMaxWindowBits;
    else if (clientMaxWindowBits == null) parameters.client_max_window_bits = true;
    return parameters;
  }

  /**
   * Takes a client's offers or a server's response.
   *
   * @param {Parameters[]} configurations The parameters of each, values as lists
   * @return {Parameters} The one that was accepted, changed to what is agreed on
   * @throws {Error | TypeError} If none can be accepted, or one is invalid
   */
  accept(configurations) {
    const options = toNegotiationOptions(this._options, this._isServer);
    const texts = configurations.map(toTexts);
    const result = this._isServer
      ? native.acceptDeflateOffer(texts, options)
      : native.acceptDeflateResponse(texts, options);
    if (result.error !== undefined) {
      throw new (result.isTypeError ? TypeError : Error)(result.error);
    }

    const agreed = configurations[result.index];
    const isAsked = Object.hasOwn(agreed, 'client_max_window_bits');
    for (const name of Object.keys(agreed)) delete agreed[name];
    const { names, values } = result;
    for (let i = 0; i < names.length; i++) agreed[names[i]] = values[i] || true;
    // As the user gave them, whatever the native part was given.
    const { clientMaxWindowBits, serverMaxWindowBits } = this._options;
    if (typeof clientMaxWindowBits === 'number' && (this._isServer || !isAsked)) {
      agreed.client_max_window_bits = clientMaxWindowBits;
    }
    if (typeof serverMaxWindowBits === 'number' && this._isServer) {
      agreed.server_max_window_bits = serverMaxWindowBits;
    }
    this.params = agreed;
    return agreed;
  }

  /**
   * Gives all memory back. What is being compressed fails; what is being decompressed is dropped.
   */
  cleanup() {
    if (this._inflate !== null) {
      this._inflate.close();
      this._inflate = null;
    }
    if (this._deflate !== null) {
      const operations = this._deflate.close();
      this._deflate = null;
      for (const operation of operations) {
        operation.conclude(
          new Error('The deflate stream was closed while data was being processed')
        );
      }
    }
  }

  /**
   * Compresses a fragment of a message.
   *
   * @param {any} data The fragment: a string or bytes
   * @param {boolean} fin Whether it is the last
   * @param {Callback} callback Takes the result, in a later turn of the event loop
   * @throws {TypeError | RangeError} If Node's zlib refuses the `zlibDeflateOptions`
   */
  compress(data, fin, callback) {
    // What the engine was given before is compressed before.
    this._connection?.flushAll();
    this._deflating().run(toBuffer(data), !!fin, callback);
  }

  /**
   * Decompresses a fragment of a message.
   *
   * @param {any} data The fragment
   * @param {boolean} fin Whether it is the last
   * @param {Callback} callback Takes the result, in a later turn of the event loop
   * @throws {TypeError | RangeError} If Node's zlib refuses the `zlibInflateOptions`
   */
  decompress(data, fin, callback) {
    const inflate = this._inflating();
    inflate.limit = toLimit(this._maxPayload);
    inflate.run(toBuffer(data), !!fin, (error, output) => {
      // After an error nothing can be said of what follows.
      if (error && this._inflate === inflate) {
        inflate.close();
        this._inflate = null;
      }
      callback(error, output);
    });
  }

  /**
   * Gives a direction on which something is under way.
   *
   * @return {DeflateContext | InflateContext | null} The state of one, if there is one
   * @throws {TypeError | RangeError} If Node's zlib refuses the options
   */
  _busyContext() {
    const deflate = this._deflating();
    if (!deflate.isIdle) return deflate;
    const inflate = this._inflating();
    return inflate.isIdle ? null : inflate;
  }

  /**
   * Gives both directions, on which nothing is under way, to a connection of the engine.
   *
   * @param {Compression} connection The connection
   * @return {boolean} Whether it has them now
   * @throws {TypeError | RangeError} If Node's zlib refuses the options
   */
  _giveTo(connection) {
    const deflater = /** @type {import('./transport').Deflater} */ (this._deflating().state);
    const inflater = /** @type {import('./transport').Inflater} */ (this._inflating().state);
    if (!connection.beginCompression(deflater, inflater)) return false;
    this._connection = connection;
    this._deflate = this._inflate = null;
    // What came from a header is a dictionary to V8, which takes 186 bytes where this takes 56.
    this.params = { ...this.params };
    return true;
  }

  /**
   * Takes both directions back, or shares them with the connection of the engine while that is not
   * through with a message.
   */
  _takeBack() {
    this._deflating();
    this._inflating();
  }

  /**
   * @return {DeflateContext} The state of the compressing direction
   * @private
   */
  _deflating() {
    this._deflate ??= this._createContext(
      DeflateContext,
      this._isServer ? 'server' : 'client',
      this._options.zlibDeflateOptions,
      this._connection?.shareDeflater() ?? null
    );
    return this._deflate;
  }

  /**
   * @return {InflateContext} The state of the decompressing direction
   * @private
   */
  _inflating() {
    this._inflate ??= this._createContext(
      InflateContext,
      this._isServer ? 'client' : 'server',
      this._options.zlibInflateOptions,
      this._connection?.shareInflater() ?? null
    );
    return this._inflate;
  }

  /**
   * Makes the state of one direction.
   *
   * @template {DeflateContext | InflateContext} Context
   * @param {new (options: any, bits: number, reset: boolean, limiter: Limiter, state: any) =>
   *   Context} ContextClass Its class
   * @param {string} endpoint The side that compresses
   * @param {object | undefined} zlibOptions The user's options
   * @param {any} state The native state, if there is one already
   * @return {Context} The state
   * @private
   */
  _createContext(ContextClass, endpoint, zlibOptions, state) {
    const windowBits = this.params[`${endpoint}_max_window_bits`];
    return new ContextClass(
      zlibOptions,
      typeof windowBits === 'number' ? windowBits : MAX_WINDOW_BITS,
      !!this.params[`${endpoint}_no_context_takeover`],
      /** @type {Limiter} */ (limiter),
      state
    );
  }
}

/**
 * Limits the memory that is kept between messages, unless that was done before.
 *
 * @param {number} memoryLimit The option
 */
function limitMemory(memoryLimit) {
  if (!hasMemoryLimit) native.setContextMemoryLimit(memoryLimit);
  hasMemoryLimit = true;
}

/**
 * Gives an option for a context to the native part.
 *
 * @param {any} value The option: of what is falsy, only `false` refuses
 * @return {boolean | undefined} What the native part understands
 */
function toSwitch(value) {
  return value === false ? false : value ? true : undefined;
}

/**
 * Gives an option for a window to the native part.
 *
 * @param {any} value The option: a number, `false` to refuse, or anything else to leave it open
 * @param {boolean} isServer The role
 * @return {number | undefined} What the native part understands
 */
function toWindowBits(value, isServer) {
  if (typeof value !== 'number') return value === false ? 0 : undefined;
  // Of a number that isn't one of RFC 7692 it counts which of those a server finds too small for
  // it, and a client too large: none for NaN.
  const bits = isServer ? Math.ceil(value) : Math.floor(value);
  if (Number.isNaN(bits)) return isServer ? MIN_BITS : MAX_BITS;
  return Math.max(MIN_BITS, Math.min(bits, MAX_BITS));
}

/**
 * Gives the options to the native part.
 *
 * @param {PerMessageDeflate['_options']} options The options
 * @param {boolean} isServer The role
 * @return {import('../binding.js').NegotiationOptions} What the native part understands
 */
function toNegotiationOptions(options, isServer) {
  return {
    clientMaxWindowBits: toWindowBits(options.clientMaxWindowBits, isServer),
    clientNoContextTakeover: toSwitch(options.clientNoContextTakeover),
    serverMaxWindowBits: toWindowBits(options.serverMaxWindowBits, isServer),
    serverNoContextTakeover: toSwitch(options.serverNoContextTakeover)
  };
}

/**
 * Gives the parameters of one offer or response to the native part, as many as decide what becomes
 * of it: a peer may send thousands.
 *
 * @param {Parameters} parameters The parameters, values as lists
 * @return {import('../binding.js').ParameterText[]} One for each value
 */
function toTexts(parameters) {
  const texts = [];
  for (const name of Object.keys(parameters).slice(0, TOO_MANY_NAMES)) {
    const given = parameters[name];
    // A second value is refused whatever it is.
    for (const value of Array.isArray(given) ? given.slice(0, 2) : [given]) {
      texts.push({ name, value: value === true ? undefined : String(value) });
    }
  }
  return texts;
}

module.exports = PerMessageDeflate;

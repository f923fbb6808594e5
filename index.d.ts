// The types of oxws for CommonJS, written by hand; `index.d.mts` gives the same declarations their
// ECMAScript module face. Names and shapes follow `@types/ws`, so that a program written against
// that package compiles against this one.

// biome-ignore-all lint/suspicious/noExplicitAny: the same places as in `@types/ws`

/// <reference types="node" />

import { EventEmitter } from 'node:events';
import {
  Agent,
  ClientRequest,
  ClientRequestArgs,
  Server as HTTPServer,
  IncomingMessage,
  OutgoingHttpHeaders
} from 'node:http';
import {
  ClientHttp2Session,
  Http2SecureServer,
  Http2Server,
  Http2ServerRequest,
  IncomingHttpHeaders,
  ServerHttp2Stream
} from 'node:http2';
import { RequestOptions as HTTPSRequestOptions, Server as HTTPSServer } from 'node:https';
import { createConnection } from 'node:net';
import { Duplex, DuplexOptions, Writable } from 'node:stream';
import { PeerCertificate, ConnectionOptions as TLSConnectionOptions } from 'node:tls';
import { URL } from 'node:url';
import { ZlibOptions } from 'node:zlib';

/**
 * What `send()`, `ping()` and `pong()` take: text, bytes, and what `Buffer.from()` turns into
 * bytes.
 */
type BufferLike =
  | string
  | number
  | Buffer
  | Uint8Array
  | DataView
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | Blob
  | readonly any[]
  | readonly number[]
  | { valueOf(): ArrayBuffer }
  | { valueOf(): SharedArrayBuffer }
  | { valueOf(): Uint8Array }
  | { valueOf(): readonly number[] }
  | { valueOf(): string }
  | { [Symbol.toPrimitive](hint: string): string };

/**
 * One endpoint of a WebSocket connection: a client when constructed with an address, the server's
 * side of a connection when it comes out of a `WebSocketServer`.
 *
 * It is an `EventEmitter`, and for the four events of the browser's `WebSocket` an `EventTarget`
 * too.
 */
declare class WebSocket extends EventEmitter {
  /** Ready state 0: the opening handshake is under way. */
  static readonly CONNECTING: 0;
  /** Ready state 1: messages can be sent and received. */
  static readonly OPEN: 1;
  /** Ready state 2: the closing handshake is under way, or the connection has failed. */
  static readonly CLOSING: 2;
  /** Ready state 3: the connection is gone, or never came to be. */
  static readonly CLOSED: 3;

  /**
   * What the native part is: the addon, or the same protocol as WebAssembly where the addon can't
   * be loaded or isn't wanted (`OXWS_BINDING`). Not part of ws.
   */
  static readonly binding: 'native' | 'wasm';

  /** Ready state 0: the opening handshake is under way. */
  readonly CONNECTING: 0;
  /** Ready state 1: messages can be sent and received. */
  readonly OPEN: 1;
  /** Ready state 2: the closing handshake is under way, or the connection has failed. */
  readonly CLOSING: 2;
  /** Ready state 3: the connection is gone, or never came to be. */
  readonly CLOSED: 3;

  /**
   * What a binary message is handed to listeners as:
   *
   * - `'nodebuffer'`: a `Buffer`
   * - `'arraybuffer'`: an `ArrayBuffer`
   * - `'fragments'`: an array of `Buffer`s, one for each non-empty fragment
   * - `'blob'`: a `Blob`; `RawData` doesn't name it, so cast: `data as unknown as Blob`
   *
   * May change at any time and holds from the next message on. Any other value is ignored.
   *
   * `'blob'` can be set, but isn't among the types read, as in `@types/ws`: so a `WebSocket` of
   * ours may be passed where one of those types is expected.
   *
   * @default 'nodebuffer'
   */
  get binaryType(): 'nodebuffer' | 'arraybuffer' | 'fragments';
  set binaryType(type: 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob');

  /**
   * Bytes handed to `send()` that the operating system hasn't taken yet, framing included. After a
   * send on a closing or closed connection it grows by the size of what was offered and never
   * shrinks.
   */
  readonly bufferedAmount: number;

  /** The names of the extensions in use, separated by commas; empty when there are none. */
  readonly extensions: string;

  /** Whether `pause()` is in effect. */
  readonly isPaused: boolean;

  /** The agreed subprotocol; empty when there is none. */
  readonly protocol: string;

  /** One of `CONNECTING`, `OPEN`, `CLOSING` and `CLOSED`. */
  readonly readyState:
    | typeof WebSocket.CONNECTING
    | typeof WebSocket.OPEN
    | typeof WebSocket.CLOSING
    | typeof WebSocket.CLOSED;

  /** The normalised address that a client connects to. Not set on the server's side. */
  readonly url: string;

  /**
   * What carries the connection: `'engine'`, the Rust engine; or `'stream'`, a socket of Node.js or
   * any other `Duplex`. `null` before it's open. It may change while it's open: a compressed
   * connection goes to the engine after 20 ms, one whose bytes are looked at leaves it. Not part of
   * ws: optional here, so that a WebSocket of `@types/ws` goes where one of oxws is expected.
   */
  readonly transport?: 'engine' | 'stream' | null;

  /** What the option `upgrade` of its server has given for it. Not part of ws. */
  data?: any;
  /**
   * Why it's the stream transport that carries the connection; `null` where it isn't, and before
   * it's open. Not part of ws.
   */
  readonly transportReason?:
    | 'bytes'
    | 'compression'
    | 'early'
    | 'environment'
    | 'options'
    | 'program'
    | 'session'
    | 'socket'
    | 'state'
    | 'system'
    | null;

  /**
   * What has ended the connection, or is about to: `null` where nothing went wrong. Not part of ws,
   * and optional for that reason, like the three that follow.
   */
  readonly closeCause?: (Error & { code?: string }) | null;

  /**
   * Milliseconds that the peer has taken to answer the latest ping of the option `heartbeat`;
   * `null` before, and without that option.
   */
  readonly latency?: number | null;

  /**
   * Whether more than the option `highWaterMark` was buffered, and `'drain'` is still to come.
   * Always `false` without that option.
   */
  readonly writableNeedDrain?: boolean;

  /**
   * Waits until not more than `threshold` bytes of what was sent are buffered.
   *
   * @returns a promise, which is rejected when the connection is closed before
   *     (`ERR_OXWS_CLOSED`), the signal aborts, or an option isn't valid
   */
  waitForDrain?(options?: WebSocket.DrainOptions): Promise<void>;

  /**
   * Fulfilled when the connection is open; rejected if it's closed before, which needs nobody to
   * handle it. `undefined` without the option `promises`. Not part of ws, and optional for that
   * reason, like the three that follow.
   */
  readonly opened?: Promise<WebSocket.Opened> | undefined;

  /** Fulfilled when the connection is closed. `undefined` without the option `promises`. */
  readonly closed?: Promise<WebSocket.Closed> | undefined;

  /**
   * Sends a message.
   *
   * @returns a promise, fulfilled when it's written out; rejected where `send()` throws or calls
   *     back with an error, the connection is closed before, or the signal aborts
   */
  sendAsync?(
    data: BufferLike | WebSocket.PreparedMessage,
    options?: WebSocket.SendAsyncOptions
  ): Promise<void>;

  /**
   * The messages from now on. While the loop is busy the peer is held back. It ends with a closing
   * handshake, and throws `closeCause` where there is none.
   */
  [Symbol.asyncIterator]?(): AsyncIterableIterator<WebSocket.ReceivedMessage>;

  /**
   * Closes the connection with 1000, or gives up the handshake; fulfilled when it's closed. Emits
   * `'error'` to nobody. Not part of ws, and optional for that reason.
   */
  [Symbol.asyncDispose]?(): Promise<void>;

  /** Listener for `'open'`; independent of those added with `addEventListener()`. */
  onopen: ((event: WebSocket.Event) => void) | null;
  /** Listener for `'error'`; independent of those added with `addEventListener()`. */
  onerror: ((event: WebSocket.ErrorEvent) => void) | null;
  /** Listener for `'close'`; independent of those added with `addEventListener()`. */
  onclose: ((event: WebSocket.CloseEvent) => void) | null;
  /** Listener for `'message'`; independent of those added with `addEventListener()`. */
  onmessage: ((event: WebSocket.MessageEvent) => void) | null;

  /**
   * Makes the object of a server's side that isn't connected yet. `options` are those of a server;
   * it gets its socket by `setSocket()`. For code that completes an opening handshake of its own.
   */
  constructor(
    address: null,
    protocols?: undefined,
    options?: WebSocket.ClientOptions | WebSocket.ServerOptions
  );
  /**
   * Connects to `address`.
   *
   * @param address `ws:`, `wss:`, `http:`, `https:` or `ws+unix:<socket path>[:<request path>]`
   * @param options Options of the connection, and all those of `https.request()`
   * @throws {SyntaxError} when the address can't be used
   * @throws {RangeError} when `protocolVersion` is neither 8 nor 13
   */
  constructor(address: string | URL, options?: WebSocket.ClientOptions | ClientRequestArgs);
  /**
   * Connects to `address` and offers `protocols`.
   *
   * @param address `ws:`, `wss:`, `http:`, `https:` or `ws+unix:<socket path>[:<request path>]`
   * @param protocols The subprotocols to offer, in order of preference
   * @param options Options of the connection, and all those of `https.request()`
   * @throws {SyntaxError} when the address can't be used, or a subprotocol is malformed or given
   *     twice
   * @throws {RangeError} when `protocolVersion` is neither 8 nor 13
   */
  constructor(
    address: string | URL,
    protocols?: string | string[],
    options?: WebSocket.ClientOptions | ClientRequestArgs
  );

  /**
   * Starts the closing handshake. While connecting it gives up the connection: `'error'`, then
   * `'close'` with 1006.
   *
   * @param code Close code: 1000 to 1003, 1007 to 1014, or 3000 to 4999. Without it the peer sees
   *     1005
   * @param data Close reason, at most 123 bytes; not sent without a code
   * @throws {TypeError} when the code may not be sent, or the reason is neither text nor bytes
   * @throws {RangeError} when the reason is too long
   */
  close(code?: number, data?: string | Uint8Array): void;

  /**
   * Sends a ping.
   *
   * @param data Application data, at most 125 bytes
   * @param mask Whether to mask the frame; default: `true` on a client, `false` on a server. May be
   *     left out
   * @param cb Called once the frame is written, or with the error
   * @throws {Error} while connecting
   * @throws {RangeError} when `data` is too long
   */
  ping(data?: any, mask?: boolean | ((err: Error) => void), cb?: (err: Error) => void): void;

  /**
   * Sends a pong. Pings are answered by themselves unless `autoPong` is off; this is for
   * unsolicited pongs.
   *
   * @param data Application data, at most 125 bytes
   * @param mask Whether to mask the frame; default: `true` on a client, `false` on a server. May be
   *     left out
   * @param cb Called once the frame is written, or with the error
   * @throws {Error} while connecting
   * @throws {RangeError} when `data` is too long
   */
  pong(data?: any, mask?: boolean | ((err: Error) => void), cb?: (err: Error) => void): void;

  /**
   * Sends a message: a string or number as text, everything else as binary.
   *
   * @param cb Called once the message is written, or with the error; never before `send()` returns
   * @throws {Error} while connecting
   */
  send(data: BufferLike | WebSocket.PreparedMessage, cb?: (err?: Error) => void): void;
  /**
   * Sends a message, or with `fin: false` a fragment of one.
   *
   * @param cb Called once the message is written, or with the error; never before `send()` returns
   * @throws {Error} while connecting
   */
  send(data: BufferLike, options: WebSocket.SendOptions, cb?: (err?: Error) => void): void;

  /** Destroys the connection at once, without a closing handshake: `'close'` with 1006. */
  terminate(): void;

  /**
   * Stops reading from the socket. What was read already may still be emitted. Does nothing while
   * connecting and when closed.
   */
  pause(): void;
  /** Goes on reading after `pause()`. Does nothing while connecting and when closed. */
  resume(): void;

  /** Adds a listener in the manner of an `EventTarget`; the same listener isn't added twice. */
  addEventListener<K extends keyof WebSocket.WebSocketEventMap>(
    type: K,
    listener:
      | ((event: WebSocket.WebSocketEventMap[K]) => void)
      | { handleEvent(event: WebSocket.WebSocketEventMap[K]): void },
    options?: WebSocket.EventListenerOptions
  ): void;
  /** Removes a listener that `addEventListener()` added. */
  removeEventListener<K extends keyof WebSocket.WebSocketEventMap>(
    type: K,
    listener:
      | ((event: WebSocket.WebSocketEventMap[K]) => void)
      | { handleEvent(event: WebSocket.WebSocketEventMap[K]): void }
  ): void;

  on<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (this: WebSocket, ...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  on(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;

  once<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (this: WebSocket, ...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  once(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;

  off<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (this: WebSocket, ...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  off(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;

  addListener<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  addListener(event: string | symbol, listener: (...args: any[]) => void): this;

  removeListener<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  removeListener(event: string | symbol, listener: (...args: any[]) => void): this;

  prependListener<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  prependListener(event: string | symbol, listener: (...args: any[]) => void): this;

  prependOnceListener<E extends keyof WebSocket.WebSocketEvents>(
    event: E,
    listener: (...args: WebSocket.WebSocketEvents[E]) => void
  ): this;
  prependOnceListener(event: string | symbol, listener: (...args: any[]) => void): this;
}

declare const WebSocketAlias: typeof WebSocket;
interface WebSocketAlias extends WebSocket {}

declare namespace WebSocket {
  /** What a `'message'` listener gets; text comes as a `Buffer` too. */
  type RawData = Buffer | ArrayBuffer | Buffer[];

  /** What a `MessageEvent` carries: a string for a text message. */
  type Data = string | Buffer | ArrayBuffer | Buffer[];

  /** Certificates and keys as the TLS options take them. */
  type CertMeta = string | string[] | Buffer | Buffer[];

  /**
   * Decides on a handshake at once: whatever is truthy accepts. A function with other than two
   * parameters.
   */
  type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> = (info: {
    /** The `Origin` header, or `Sec-WebSocket-Origin` for protocol version 8. */
    origin: string;
    /** Whether the request came over TLS. */
    secure: boolean;
    req: Request;
  }) => boolean;

  /** Decides on a handshake later, by `callback`. A function with exactly two parameters. */
  type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> = (
    info: {
      /** The `Origin` header, or `Sec-WebSocket-Origin` for protocol version 8. */
      origin: string;
      /** Whether the request came over TLS. */
      secure: boolean;
      req: Request;
    },
    /**
     * @param res Whether to accept
     * @param code Status code of the refusal; default 401
     * @param message Body of the refusal; default: the status code's reason phrase
     * @param headers Headers to add to the refusal
     */
    callback: (res: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void
  ) => void;

  /** Completes the request of an opening handshake; it has to call `request.end()` itself. */
  type FinishRequestCallback = (request: ClientRequest, websocket: WebSocket) => void;

  /** Fills a 4-byte buffer with a masking key, before it returns. */
  type GenerateMaskCallback = (mask: Buffer) => void;

  /** Options of `send()`. */
  interface SendOptions {
    /** Whether the message is binary. @default `false` for strings and numbers, else `true` */
    binary?: boolean | undefined;
    /** Whether the message may be compressed, where permessage-deflate was agreed. @default true */
    compress?: boolean | undefined;
    /**
     * Whether it's dropped where it would exceed `maxBackpressure`, whatever `backpressurePolicy`
     * is. Not in ws.
     *
     * @default false
     */
    droppable?: boolean | undefined;
    /** Whether this is the last fragment of the message. @default true */
    fin?: boolean | undefined;
    /** Whether to mask the frame. @default `true` on a client, `false` on a server */
    mask?: boolean | undefined;
  }

  /** Options of `sendAsync()`. */
  interface SendAsyncOptions extends SendOptions {
    /** Ends the waiting; one that was aborted before keeps the message back. @default none */
    signal?: AbortSignal | null | undefined;
  }

  /** Options of `shutdown()`. */
  interface ShutdownOptions {
    /** Close code. @default 1001 */
    code?: number | undefined;
    /** Close reason, at most 123 bytes. @default none */
    reason?: string | undefined;
    /** Milliseconds over which the connections are closed. @default 0 */
    spread?: number | undefined;
    /** Milliseconds that the last ones have to close. @default `closeTimeout` of the server */
    timeout?: number | undefined;
    /** Terminates what is left. @default none */
    signal?: AbortSignal | undefined;
  }

  /** How the connections of a server have ended. */
  interface ShutdownResult {
    /** With a closing handshake. */
    closed: number;
    /** Without one. */
    terminated: number;
  }

  /** The times of a heartbeat. */
  interface HeartbeatOptions {
    /** Milliseconds without a received byte after which a ping goes out. */
    interval: number;
    /** Milliseconds after that ping. @default `interval` */
    timeout?: number | undefined;
  }

  /** What `opened` is fulfilled with. */
  interface Opened {
    /** Names of the extensions in use, with commas between them. */
    extensions: string;
    /** The subprotocol in use; empty without one. */
    protocol: string;
  }

  /** What `closed` is fulfilled with. */
  interface Closed {
    /** The close code, as of `'close'`. */
    code: number;
    /** The close reason, as text. */
    reason: string;
    /** Whether there was a closing handshake. */
    wasClean: boolean;
  }

  /** What a loop over a connection gives. */
  interface ReceivedMessage {
    /** As `'message'` gives it: `binaryType` decides. */
    data: RawData;
    /** Whether it's a binary message. */
    isBinary: boolean;
  }

  /** Options of `waitForDrain()`. */
  interface DrainOptions {
    /** Bytes that may still be buffered. @default 0 */
    threshold?: number | undefined;
    /** Ends the waiting. @default none */
    signal?: AbortSignal | undefined;
  }

  /** Options of `prepare()`. */
  interface PrepareOptions {
    /** Whether the message is binary. @default `false` for strings and numbers, else `true` */
    binary?: boolean | undefined;
    /** Whether it may be compressed, where permessage-deflate was agreed. @default true */
    compress?: boolean | undefined;
  }

  /** Options of `publish()`. Of a prepared message `binary` and `compress` are its own. */
  interface PublishOptions extends PrepareOptions {
    /**
     * Whether it's dropped where it would exceed `maxBackpressure` of a connection, whatever
     * `backpressurePolicy` is.
     *
     * @default false
     */
    droppable?: boolean | undefined;
    /** Who doesn't get it: one connection, or several. @default nobody */
    except?: WebSocket | Iterable<WebSocket> | null | undefined;
  }

  /** Options of `broadcast()`. */
  interface BroadcastOptions<T = WebSocket> extends PublishOptions {
    /** Who gets it: asked for each, before anything is sent. @default everybody */
    filter?: ((websocket: T) => unknown) | undefined;
  }

  /** What `prepare()` gives. */
  interface PreparedMessage {
    /** Bytes of the payload. */
    readonly length: number;
    /** Whether it's a binary message. */
    readonly isBinary: boolean;
    /** What it is sent as; not to be read. */
    readonly frame: Buffer;
  }

  /**
   * What the connections of a server have beyond those of ws. Apart from the class, so that a
   * connection of `@types/ws` goes where one of oxws is expected.
   */
  interface Subscriber {
    /**
     * Subscribes to a topic of the server.
     *
     * @returns whether that has changed anything: not where it's subscribed, or not open
     * @throws {TypeError} when the topic isn't a string
     * @throws {Error} `ERR_OXWS_NO_SERVER` when no server has made the connection
     */
    subscribe(topic: string): boolean;
    /** Ends a subscription; returns whether that has changed anything. */
    unsubscribe(topic: string): boolean;
    /** Whether it has subscribed to a topic. */
    isSubscribed(topic: string): boolean;
    /** What it has subscribed to, as it is now. */
    readonly topics: string[];
    /**
     * Sends a message to all others that have subscribed to a topic of the server. It need not have
     * subscribed itself, nor be open.
     *
     * @returns the number of connections that it is queued for
     * @throws {TypeError} when an argument isn't valid
     * @throws {Error} `ERR_OXWS_NO_SERVER` when no server has made the connection
     */
    publish(topic: string, data: BufferLike | PreparedMessage, options?: PublishOptions): number;
  }

  /** What the class has as optional, for the sake of `@types/ws`; in fact all is there. */
  interface Operated {
    readonly closeCause: (Error & { code?: string }) | null;
    readonly latency: number | null;
    readonly writableNeedDrain: boolean;
    readonly closed: Promise<Closed> | undefined;
    readonly opened: Promise<Opened> | undefined;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedMessage>;
    sendAsync(data: BufferLike | PreparedMessage, options?: SendAsyncOptions): Promise<void>;
    waitForDrain(options?: DrainOptions): Promise<void>;
  }

  /** A connection of a server. What a class of its own has under the same names is its own. */
  type Served<T extends ConnectionConstructor> = InstanceType<T> &
    Omit<Subscriber, keyof InstanceType<T>> &
    (InstanceType<T> extends Partial<Operated> ? Operated : unknown);

  /** Options that both ends of a connection take. */
  interface ConnectionOptions {
    /**
     * Whether several `'message'`, `'ping'` and `'pong'` events may come in one tick. With `false`
     * there is one per turn of the event loop (`setImmediate`), so that promises settle between
     * them as in a browser; slower.
     *
     * @default true
     */
    allowSynchronousEvents?: boolean | undefined;
    /** Whether pings are answered with a pong by themselves. @default true */
    autoPong?: boolean | undefined;
    /**
     * What a message leads to that would exceed `maxBackpressure`: `'close'` closes the connection
     * with 1013; `'drop'` drops the message, see the event `'dropped'`. Not in ws.
     *
     * @default 'close'
     */
    backpressurePolicy?: 'close' | 'drop' | null | undefined;
    /**
     * Milliseconds from the start of the closing handshake after which the socket is destroyed.
     *
     * @default 30000
     */
    closeTimeout?: number | undefined;
    /**
     * Ends the connection (1006) of a peer of which nothing is heard: after `interval` milliseconds
     * without a byte of it a ping goes out, after `timeout` more the connection is terminated. A
     * number stands for both. Not in ws.
     *
     * @default none
     */
    heartbeat?: number | HeartbeatOptions | false | null | undefined;
    /**
     * Milliseconds by which `maxLifetime` may be shorter, at random for each connection: 0 to
     * 2³¹ - 1. Not part of ws. @default 0
     */
    jitter?: number | null | undefined;
    /**
     * Milliseconds that a connection lasts at most: it's closed with 1001 then, 0 to 2³¹ - 1, 0 for
     * no limit. Not part of ws. @default 0
     */
    maxLifetime?: number | null | undefined;
    /**
     * Bytes of `bufferedAmount` beyond which `writableNeedDrain` is `true` and the event `'drain'`
     * comes. An integer; 0 for none. Not in ws.
     *
     * @default 0
     */
    highWaterMark?: number | undefined;
    /**
     * Bytes of `bufferedAmount` that a message may not exceed, unless nothing is buffered; see
     * `backpressurePolicy`. An integer; 0 for no limit. Not in ws.
     *
     * @default 0
     */
    maxBackpressure?: number | undefined;
    /**
     * Chunks of the socket that may wait for a frame to be complete. Coerced to a signed 32-bit
     * integer; 0 or less: unlimited. Beyond it the connection fails with close code 1008.
     *
     * @default 262144
     */
    maxBufferedChunks?: number | undefined;
    /**
     * Frames that a message may come in. Coerced to a signed 32-bit integer; 0 or less: unlimited.
     * Beyond it the connection fails with close code 1008.
     *
     * @default 16384
     */
    maxFragments?: number | undefined;
    /**
     * Bytes that a message may have, compressed and inflated. Coerced to a signed 32-bit integer (2
     * GiB and more wrap around); 0 or less: unlimited. Beyond it the connection fails with close
     * code 1009.
     *
     * @default 104857600
     */
    maxPayload?: number | undefined;
    /**
     * Automatic pongs that may wait to be written. Coerced to a signed 32-bit integer; 0 or less:
     * unlimited. Beyond it the connection is terminated.
     *
     * @default 60
     */
    maxPendingAutoPongs?: number | undefined;
    /** Whether connections have `opened` and `closed`. Not part of ws. @default false */
    promises?: boolean | null | undefined;
    /**
     * Whether to leave the UTF-8 of text messages and close reasons unchecked. Only for peers that
     * are trusted.
     *
     * @default false
     */
    skipUTF8Validation?: boolean | undefined;
  }

  /**
   * Options of a client. Besides those named here, all that `http.request()` and `https.request()`
   * take, except where the address decides: host, port, path, method and socket path.
   */
  interface ClientOptions
    extends ConnectionOptions,
      Omit<
        HTTPSRequestOptions,
        | 'agent'
        | 'checkServerIdentity'
        | 'createConnection'
        | 'headers'
        | 'host'
        | 'hostname'
        | 'method'
        | 'path'
        | 'port'
        | 'protocol'
        | 'socketPath'
        | 'timeout'
      >,
      Pick<
        TLSConnectionOptions,
        'ALPNProtocols' | 'enableTrace' | 'minDHSize' | 'pskCallback' | 'session'
      > {
    /**
     * Agent to make the connection with; without it a connection of its own, never the global
     * agent.
     */
    agent?: Agent | undefined;
    /** Whether to try all addresses of a name (`net.connect()`). @default Node's */
    autoSelectFamily?: boolean | undefined;
    /**
     * Checks the name in the server's certificate (`tls.connect()`). @default
     * `tls.checkServerIdentity`
     */
    checkServerIdentity?(
      servername: string,
      cert: CertMeta & PeerCertificate
    ): Error | boolean | undefined;
    /** Makes the socket. @default `net.connect` or `tls.connect` by the scheme of the address */
    createConnection?: typeof createConnection | undefined;
    /**
     * Called for each request of the opening handshake, those of redirects too, in place of
     * `request.end()`.
     */
    finishRequest?: FinishRequestCallback | undefined;
    /** Whether to follow redirects. @default false */
    followRedirects?: boolean | undefined;
    /** Makes the masking keys. @default cryptographically strong random bytes */
    generateMask?(mask: Buffer): void;
    /**
     * Milliseconds that the opening handshake may take, anew for each redirect. @default unlimited
     */
    handshakeTimeout?: number | undefined;
    /** Headers to add to the request. Arrays of values are possible: pass a `ClientRequestArgs`. */
    headers?: { [key: string]: string } | undefined;
    /** Without effect: the address decides. */
    host?: string | undefined;
    /**
     * Session of HTTP/2 on which the connection is a stream (RFC 8441), in place of a connection of
     * its own. The server has to support that. Not part of ws. @default none
     */
    http2?: ClientHttp2Session | undefined;
    /**
     * Gives up the handshake, or terminates the connection, when it is aborted. (`signal` is that
     * of `http.request()`: without effect once it's open.) Not part of ws. @default none
     */
    lifetimeSignal?: AbortSignal | null | undefined;
    /** Redirects to follow at most. @default 10 */
    maxRedirects?: number | undefined;
    /** Value of the `Origin` header, `Sec-WebSocket-Origin` for version 8. @default none */
    origin?: string | undefined;
    /** Whether, and how, to offer permessage-deflate. @default true */
    perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
    /** Without effect: the address decides. */
    protocol?: string | undefined;
    /** Subprotocols to offer; used when the argument `protocols` isn't given. @default none */
    protocols?: string | string[] | undefined;
    /** Value of the `Sec-WebSocket-Version` header: 8 or 13. @default 13 */
    protocolVersion?: number | undefined;
  }

  /** Options of the compressor. */
  interface DeflateOptions {
    /** Accepted as zlib takes it; without effect. */
    chunkSize?: number | undefined;
    /** Bytes that both sides are taken to have seen already. */
    dictionary?: Buffer | Buffer[] | DataView | undefined;
    /** Accepted as zlib takes it; without effect. */
    finishFlush?: number | undefined;
    /** Accepted as zlib takes it; without effect. */
    flush?: number | undefined;
    /** Accepted as zlib takes it; without effect. */
    info?: boolean | undefined;
    /** Effort, 0 to 9, or -1 for the default of zlib (6). @default -1 */
    level?: number | undefined;
    /** Size of the compressor's tables, 1 to 9. @default 8 */
    memLevel?: number | undefined;
    /** One of zlib's `Z_DEFAULT_STRATEGY` to `Z_FIXED`, 0 to 4. @default 0 */
    strategy?: number | undefined;
    /** Without effect: negotiation decides. */
    windowBits?: number | undefined;
  }

  /**
   * Options of permessage-deflate (RFC 7692). What is left out follows the peer's offer, or the
   * default.
   */
  interface PerMessageDeflateOptions {
    /**
     * Window of what the client sends: 8 to 15, the binary logarithm of its bytes. `false`: not
     * negotiated.
     */
    clientMaxWindowBits?: number | boolean | undefined;
    /** Whether the client compresses each message by itself. `false` on a client: refuse it. */
    clientNoContextTakeover?: boolean | undefined;
    /**
     * Compressions and decompressions under way at once on other threads, in the whole process; the
     * first value given holds. 0: unlimited.
     *
     * @default 10
     */
    concurrencyLimit?: number | undefined;
    /**
     * Bytes of the compressors that are kept from one message to the next where context takeover
     * was agreed, in the whole process; the first value given holds. Beyond it the connections that
     * were quiet longest give theirs back: the next message they send is compressed like a first
     * one. 0: after each message; `Infinity`: never. Of what is received the window is kept in any
     * case, at most 32 KiB a connection. Not in ws.
     *
     * @default 268435456
     */
    memoryLimit?: number | undefined;
    /**
     * Window of what the server sends: 8 to 15, the binary logarithm of its bytes. `false`: not
     * negotiated.
     */
    serverMaxWindowBits?: number | false | undefined;
    /** Whether the server compresses each message by itself. `false` on a server: refuse it. */
    serverNoContextTakeover?: boolean | undefined;
    /**
     * Bytes below which messages stay uncompressed when the sender's context takeover is off.
     * @default 1024
     */
    threshold?: number | undefined;
    /** Options of the compressor. */
    zlibDeflateOptions?: DeflateOptions | undefined;
    /** Options of the decompressor. */
    zlibInflateOptions?: ZlibOptions | undefined;
  }

  /** What the listeners of `addEventListener('open', ..)` and `onopen` get. */
  interface Event {
    type: string;
    target: WebSocket;
  }

  /** What the listeners of `addEventListener('error', ..)` and `onerror` get. */
  interface ErrorEvent {
    error: any;
    message: string;
    type: string;
    target: WebSocket;
  }

  /** What the listeners of `addEventListener('close', ..)` and `onclose` get. */
  interface CloseEvent {
    /** Whether a close frame was both sent and received. */
    wasClean: boolean;
    /** What went wrong, if something did. Not part of ws. */
    cause?: (Error & { code?: string }) | null;
    code: number;
    reason: string;
    type: string;
    target: WebSocket;
  }

  /** What the listeners of `addEventListener('message', ..)` and `onmessage` get. */
  interface MessageEvent {
    data: Data;
    type: string;
    target: WebSocket;
  }

  /** The events of the `EventTarget` side. */
  interface WebSocketEventMap {
    open: Event;
    error: ErrorEvent;
    close: CloseEvent;
    message: MessageEvent;
  }

  /** Options of `addEventListener()`. */
  interface EventListenerOptions {
    /** Whether the listener is removed when it is called. @default false */
    once?: boolean | undefined;
  }

  /** The events of a `WebSocket` and the arguments of their listeners. */
  interface WebSocketEvents {
    /**
     * The connection is gone. 1005: the peer gave no code. 1006: there was no closing handshake.
     */
    close: [code: number, reason: Buffer];
    /**
     * More than `highWaterMark` was buffered, and now nothing is. Only with that option, which ws
     * doesn't have.
     */
    drain: [];
    /**
     * A message was dropped: it would have exceeded `maxBackpressure`. `data` is what was to be
     * sent. Not in ws.
     */
    dropped: [data: BufferLike, isBinary: boolean];
    /** The handshake or the connection failed; `'close'` follows. */
    error: [error: Error];
    /** A message came in whole. */
    message: [data: RawData, isBinary: boolean];
    /** The connection is open. On the server's side it is before anybody can listen. */
    open: [];
    /** A ping came in. */
    ping: [data: Buffer];
    /** A pong came in. */
    pong: [data: Buffer];
    /** A redirect is about to be followed; the request can still be changed. */
    redirect: [url: string, request: ClientRequest];
    /** The server didn't switch protocols. Who listens has to end the request. */
    'unexpected-response': [request: ClientRequest, response: IncomingMessage];
    /** The server's answer to the handshake is here, not yet checked. */
    upgrade: [request: IncomingMessage];
  }

  /**
   * What a server needs of the class of its connections: `WebSocket`, or a class derived from it.
   */
  interface ConnectionConstructor {
    new (address: null, protocols?: any, options?: any): WebSocket;
  }

  /** What a broker reports to. */
  interface BrokerHandlers {
    /** A payload that was published to a topic, by whomever. */
    message(topic: string, payload: Uint8Array): void;
    /** Something went wrong that concerns no single call, as a connection that was lost. */
    error(error: Error): void;
  }

  /**
   * What carries messages between servers. Its methods may return promises; what they throw, or are
   * rejected with, is reported by `'brokerError'`.
   */
  interface Broker {
    /** Called before all others: with the first server that uses it, and again after `close()`. */
    listen(handlers: BrokerHandlers): void;
    /**
     * Carries a payload, unchanged, to all who have subscribed to the topic.
     *
     * @param payload A header of the package, and the message
     * @param isBinary Whether that is a binary message
     */
    publish(topic: string, payload: Buffer, isBinary: boolean): unknown;
    /** Called when the topic has its first subscriber here; a promise is awaited. */
    subscribe(topic: string): unknown;
    /** Called when it has lost its last one. */
    unsubscribe(topic: string): unknown;
    /** Called when the last server that uses it is closed and has no subscriber any more. */
    close?(): unknown;
  }

  /** Options of a server. Exactly one of `port`, `server` and `noServer` has to be given. */
  interface ServerOptions<
    U extends ConnectionConstructor = typeof WebSocket.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage
  > extends ConnectionOptions {
    /**
     * Says where a request comes from, for `maxConnectionsPerAddress`: behind a proxy by a header
     * of it. Not part of ws, like the next one. @default the address of the peer
     */
    addressOf?: ((request: InstanceType<V>) => string) | null | undefined;
    /**
     * Whose pages may open connections: a list of origins, which lets requests without `Origin`
     * pass, as no browser sends them; or a function. Others are answered 403. @default all
     */
    allowedOrigins?: string[] | ((origin: string | undefined) => boolean) | null | undefined;
    /** Connections that may wait to be accepted; with `port`. @default Node's, 511 */
    backlog?: number | undefined;
    /**
     * What carries messages that are published to other threads, processes and hosts, as those of
     * `oxws/redis` and `oxws/nats`. Not in ws.
     *
     * @default none: topics are those of this server
     */
    broker?: Broker | undefined;
    /** Whether `clients` is kept. @default true */
    clientTracking?: boolean | undefined;
    /**
     * Chooses the subprotocol, at once; `false` for none. Called only when the client offers some.
     *
     * @default the first that the client offers
     */
    handleProtocols?: (protocols: Set<string>, request: InstanceType<V>) => string | false;
    /** Address to listen on; with `port`. @default all */
    host?: string | undefined;
    /**
     * Connections, and handshakes in progress, at a time: 1 or more. Others are answered 503. Not
     * part of ws, like the two that follow. @default no limit
     */
    maxConnections?: number | null | undefined;
    /** The same of one address, see `addressOf`. Others are answered 429. @default no limit */
    maxConnectionsPerAddress?: number | null | undefined;
    /**
     * Handshakes that may wait for `verifyClient` at a time: 1 or more. Others are answered 503.
     * @default no limit
     */
    maxHandshakes?: number | null | undefined;
    /** Whether there is no HTTP server: `handleUpgrade()` is called by the user. @default false */
    noServer?: boolean | undefined;
    /** Accept only requests to this path, query not counted. @default any */
    path?: string | undefined;
    /** Whether, and how, to accept permessage-deflate. @default false */
    perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
    /** Port to listen on with an HTTP server of its own, 0 to 65535; 0: any free port. */
    port?: number | undefined;
    /** HTTP server to serve the upgrade requests of; it is started and closed by the user. */
    server?: HTTPServer<V> | HTTPSServer<V> | undefined;
    /**
     * Says who is let in and what is agreed, in place of `verifyClient` and `handleProtocols`. Not
     * part of ws. @default everybody
     */
    upgrade?:
      | ((
          request: InstanceType<V> & { readonly signal: AbortSignal }
        ) => UpgradeResult | Promise<UpgradeResult>)
      | null
      | undefined;
    /**
     * Decides who may connect. Better done in the `'upgrade'` event of the HTTP server. @default
     * everybody
     */
    verifyClient?:
      | VerifyClientCallbackAsync<InstanceType<V>>
      | VerifyClientCallbackSync<InstanceType<V>>
      | undefined;
    /** Class of the connections. @default `WebSocket` */
    WebSocket?: U | undefined;
  }

  /** What is agreed with a client that is let in. */
  interface UpgradeAgreement {
    /** What the connection has for `data`. @default undefined */
    data?: unknown;
    /** The subprotocol, one of those that are offered; `null` for none. @default the first */
    protocol?: string | null | undefined;
    /** Headers to add to the response. @default none */
    headers?: UpgradeHeaders | undefined;
    status?: undefined;
  }

  /** What a client is answered that isn't let in. */
  interface UpgradeRefusal {
    /** Its HTTP status, 200 to 599. */
    status: number;
    /** Headers to add to the response. @default none */
    headers?: UpgradeHeaders | undefined;
    /** Its body. @default what the status means */
    body?: string | undefined;
  }

  /** Headers: an object, pairs, or `Headers`. */
  type UpgradeHeaders = Record<string, string | string[]> | Iterable<[string, string]>;

  /** What the option `upgrade` gives. Nothing lets the client in. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing gives it
  type UpgradeResult = UpgradeAgreement | UpgradeRefusal | Response | null | undefined | void;

  /** Options of a `WebSocketServer` on a server of HTTP/2. Not part of ws. */
  interface Http2ServerOptions<
    U extends ConnectionConstructor = typeof WebSocket.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage
  > extends Omit<ServerOptions<U, V>, 'server'> {
    /**
     * Server of HTTP/2 whose streams, and upgrade requests with `allowHTTP1`, to serve; it is
     * started and closed by the user. It has to announce it by
     * `settings: { enableConnectProtocol: true }`.
     */
    server: Http2Server | Http2SecureServer;
  }

  /**
   * The options of a server as they are read from it. The sizes of windows are numbers only, as in
   * `@types/ws`: so a server of ours may be passed where one of those types is expected.
   */
  type CurrentServerOptions<
    U extends ConnectionConstructor = typeof WebSocket.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage
  > = Omit<ServerOptions<U, V>, 'perMessageDeflate'> & {
    perMessageDeflate?:
      | boolean
      | (Omit<PerMessageDeflateOptions, 'clientMaxWindowBits' | 'serverMaxWindowBits'> & {
          clientMaxWindowBits?: number | undefined;
          serverMaxWindowBits?: number | undefined;
        })
      | undefined;
  };

  /** Where a server listens. */
  interface AddressInfo {
    address: string;
    family: string;
    port: number;
  }

  /** The events of a `WebSocketServer` and the arguments of their listeners. */
  interface ServerEvents<T extends ConnectionConstructor, U extends typeof IncomingMessage> {
    /** The server is closed and, unless `clientTracking` is off, its connections are gone. */
    close: [];
    /** A connection is open. In noServer mode the user emits it. */
    connection: [websocket: Served<T>, request: InstanceType<U>];
    /** The HTTP server has an error. */
    error: [error: Error];
    /** The response is about to be written; its lines may be changed and added to. */
    headers: [headers: string[], request: InstanceType<U>];
    /** The HTTP server listens. */
    listening: [];
    /**
     * A connection has subscribed to a topic, or does so no longer: it has unsubscribed, or has
     * ended. `count` is how many there are now, `before` how many there were. Not part of ws.
     */
    subscription: [websocket: Served<T>, topic: string, count: number, before: number];
    brokerError: [error: Error & { lost?: number }];
    /** The function `upgrade` has failed. Not part of ws. */
    upgradeError: [error: any, request: InstanceType<U>];
    /** A handshake is malformed. Who listens answers and closes the socket. */
    wsClientError: [error: Error, socket: Duplex, request: InstanceType<U>];
  }

  /** A server of WebSocket connections: the class is also exported as `WebSocketServer`. */
  class Server<
    T extends ConnectionConstructor = typeof WebSocket.WebSocket,
    U extends typeof IncomingMessage = typeof IncomingMessage
  > extends EventEmitter {
    /** The options, defaults filled in. Those of a connection are read again at each upgrade. */
    options: CurrentServerOptions<T, U>;
    /**
     * Never set by oxws: for code that keeps a path of its own here. The option is `options.path`.
     */
    path: string;
    /** The open connections. Absent when `clientTracking` is off. */
    clients: Set<Served<T>>;

    /**
     * @param callback Called once the server listens; with `port` only
     * @throws {TypeError} unless exactly one of `port`, `server` and `noServer` is given
     */
    constructor(options?: ServerOptions<T, U> | Http2ServerOptions<T, U>, callback?: () => void);

    /**
     * Where the server listens: a string for a pipe or Unix socket, `null` once closed.
     *
     * @throws {Error} in noServer mode
     */
    address(): AddressInfo | string | null;

    /**
     * Takes no more connections. Those that are open stay; with `port` the HTTP server is closed,
     * too.
     *
     * @param cb Called at `'close'`; with an error when the server was closed already
     */
    close(cb?: (err?: Error) => void): void;

    /**
     * Ends the server and its connections: no more are taken (503), those that exist are closed in
     * random order, and terminated where that takes too long. Not part of ws, like the next two.
     *
     * @returns a promise of how they have ended, fulfilled when the server is closed; rejected when
     *     an option isn't valid, or without `clientTracking`
     */
    shutdown(options?: ShutdownOptions): Promise<ShutdownResult>;

    /**
     * Terminates all connections. The server goes on.
     *
     * @throws {Error} without `clientTracking`
     */
    closeAllConnections(): void;

    /** `shutdown()` without options. */
    [Symbol.asyncDispose](): Promise<void>;

    /**
     * Completes an opening handshake. `callback` is called before this returns, unless
     * `verifyClient` takes a callback.
     *
     * @param upgradeHead What was read from the socket after the request
     */
    handleUpgrade(
      request: InstanceType<U>,
      socket: Duplex,
      upgradeHead: Buffer,
      callback: (client: Served<T>, request: InstanceType<U>) => void
    ): void;

    /**
     * Answers a request of a client over HTTP/2 that opens a stream for a WebSocket, an extended
     * `CONNECT` (RFC 8441). Only needed with `noServer`. Not part of ws.
     *
     * @throws {Error} when the stream belongs to a WebSocket already
     */
    handleConnect(
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      callback: (client: Served<T>, request: Http2ServerRequest) => void
    ): void;

    /**
     * Sends a message to all connections that have subscribed to a topic. Not part of ws, like the
     * three methods that follow.
     *
     * @returns the number of connections that it is queued for
     * @throws {TypeError} when an argument isn't valid
     */
    publish(topic: string, data: BufferLike | PreparedMessage, options?: PublishOptions): number;

    /** How many connections have subscribed to a topic. */
    subscriberCount(topic: string): number;

    /**
     * Sends a message to all of `clients`.
     *
     * @returns the number of connections that it is queued for
     * @throws {TypeError} when an argument isn't valid
     * @throws {Error} without `clientTracking`
     */
    broadcast(data: BufferLike | PreparedMessage, options?: BroadcastOptions<Served<T>>): number;

    /**
     * Makes a message of its own memory that any WebSocket can send, any number of times; framed
     * once.
     *
     * @throws {TypeError} when an argument isn't valid; a `Blob` isn't
     */
    prepare(data: BufferLike, options?: PrepareOptions): PreparedMessage;

    /**
     * Whether a request is for this server: by its path, unless overridden. The answer is taken as
     * it is; a promise is truthy, so an `async` override accepts all.
     */
    shouldHandle(request: InstanceType<U>): boolean | Promise<boolean>;

    on<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (this: Server<T>, ...args: ServerEvents<T, U>[E]) => void
    ): this;
    on(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;

    once<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (this: Server<T>, ...args: ServerEvents<T, U>[E]) => void
    ): this;
    once(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;

    off<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (this: Server<T>, ...args: ServerEvents<T, U>[E]) => void
    ): this;
    off(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;

    addListener<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (...args: ServerEvents<T, U>[E]) => void
    ): this;
    addListener(event: string | symbol, listener: (...args: any[]) => void): this;

    removeListener<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (...args: ServerEvents<T, U>[E]) => void
    ): this;
    removeListener(event: string | symbol, listener: (...args: any[]) => void): this;

    prependListener<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (...args: ServerEvents<T, U>[E]) => void
    ): this;
    prependListener(event: string | symbol, listener: (...args: any[]) => void): this;

    prependOnceListener<E extends keyof ServerEvents<T, U>>(
      event: E,
      listener: (...args: ServerEvents<T, U>[E]) => void
    ): this;
    prependOnceListener(event: string | symbol, listener: (...args: any[]) => void): this;
  }

  const WebSocketServer: typeof Server;
  interface WebSocketServer extends Server {}
  const WebSocket: typeof WebSocketAlias;
  interface WebSocket extends WebSocketAlias {}

  /**
   * Wraps a connection in a `Duplex`: what is written is sent, one message a chunk; what is
   * received can be read.
   *
   * @param options Options of the `Duplex`; `autoDestroy`, `emitClose`, `objectMode` and
   *     `writableObjectMode` are always `false`. With `readableObjectMode` text comes as strings,
   *     one chunk a message
   */
  function createWebSocketStream(websocket: WebSocket, options?: DuplexOptions): Duplex;

  /** The values of one offer or answer: a flag is `true`. */
  interface ExtensionParameters {
    [name: string]: Array<string | true>;
  }

  /** Reads and writes the `Sec-WebSocket-Extensions` header. */
  const extension: {
    /**
     * Gives the offers or answers by the name of the extension.
     *
     * @throws {SyntaxError} when the header is malformed
     */
    parse(header: string): { [name: string]: ExtensionParameters[] };
    /** Builds the header. A single value needs no array. */
    format(extensions: { [name: string]: FormatParameters | readonly FormatParameters[] }): string;
  };

  /** Parameters as `extension.format()` takes them. */
  interface FormatParameters {
    [name: string]: FormatValue | readonly FormatValue[];
  }
  type FormatValue = string | number | true;

  /** Reads the `Sec-WebSocket-Protocol` header. */
  const subprotocol: {
    /**
     * Gives the names in the order of the header.
     *
     * @throws {SyntaxError} when the header is malformed, or a name comes twice
     */
    parse(header: string): Set<string>;
  };

  /** Parameters that both sides agreed upon (RFC 7692, section 7.1). */
  type AgreedParameters = {
    client_max_window_bits?: number | true;
    client_no_context_takeover?: true;
    server_max_window_bits?: number;
    server_no_context_takeover?: true;
  };

  /** The permessage-deflate extension of one connection (RFC 7692). */
  class PerMessageDeflate {
    /** Its name in the handshake. */
    static readonly extensionName: 'permessage-deflate';

    constructor(
      options?: PerMessageDeflateOptions & {
        /** @default false */
        isServer?: boolean | undefined;
        /** Bytes that a message may inflate to; 0: unlimited. @default 0 */
        maxPayload?: number | undefined;
      }
    );

    /** What was agreed; `null` before `accept()`. */
    params: AgreedParameters | null;

    /** The parameters that a client offers. */
    offer(): AgreedParameters;

    /**
     * Takes the offers (as a server) or the answer (as a client), as `extension.parse()` gives
     * them.
     *
     * @throws {Error} when there is nothing to agree upon
     */
    accept(configurations: ExtensionParameters[]): AgreedParameters;

    /** Compresses a fragment, without the four bytes that end a message. */
    compress(
      data: Buffer | string,
      fin: boolean | undefined,
      callback: (err: Error | null, result?: Buffer) => void
    ): void;

    /** Inflates a fragment. */
    decompress(
      data: Buffer,
      fin: boolean | undefined,
      callback: (err: Error | null, result?: Buffer) => void
    ): void;

    /** Frees both directions. A compression under way calls back with an error. */
    cleanup(): void;
  }

  /** Options of a `Receiver`. Its limits are off by default. */
  interface ReceiverOptions {
    /** @default true */
    allowSynchronousEvents?: boolean | undefined;
    /** @default 'nodebuffer' */
    binaryType?: 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob' | undefined;
    /** The extensions agreed upon, by name. @default none */
    extensions?: { [name: string]: PerMessageDeflate } | undefined;
    /** Whether frames have to be masked. @default false */
    isServer?: boolean | undefined;
    /** @default 0 */
    maxBufferedChunks?: number | undefined;
    /** @default 0 */
    maxFragments?: number | undefined;
    /** @default 0 */
    maxPayload?: number | undefined;
    /** @default false */
    skipUTF8Validation?: boolean | undefined;
  }

  /** The events of a `Receiver` and the arguments of their listeners. */
  interface ReceiverEvents {
    close: [];
    /** A close frame came in: code 1005 when it is empty. */
    conclude: [code: number, reason: Buffer];
    drain: [];
    /** The peer broke the protocol, or a limit: `code` is one of `ErrorCode`, or zlib's. */
    error: [error: Error & { code?: string }];
    finish: [];
    message: [data: RawData, isBinary: boolean];
    ping: [data: Buffer];
    pong: [data: Buffer];
  }

  /**
   * Turns the bytes of a connection, written to it, into events. An error carries one of
   * `ErrorCode`.
   */
  class Receiver extends Writable {
    constructor(options?: ReceiverOptions);

    on<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    on(event: string | symbol, listener: (...args: any[]) => void): this;

    once<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    once(event: string | symbol, listener: (...args: any[]) => void): this;

    off<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    off(event: string | symbol, listener: (...args: any[]) => void): this;

    addListener<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    addListener(event: string | symbol, listener: (...args: any[]) => void): this;

    removeListener<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    removeListener(event: string | symbol, listener: (...args: any[]) => void): this;

    prependListener<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    prependListener(event: string | symbol, listener: (...args: any[]) => void): this;

    prependOnceListener<E extends keyof ReceiverEvents>(
      event: E,
      listener: (...args: ReceiverEvents[E]) => void
    ): this;
    prependOnceListener(event: string | symbol, listener: (...args: any[]) => void): this;
  }

  /** Options of `Sender.frame()`. */
  interface FrameOptions {
    /** Whether to set the FIN bit. @default false */
    fin?: boolean | undefined;
    /** Fills `maskBuffer` with a masking key. @default cryptographically strong random bytes */
    generateMask?: GenerateMaskCallback | undefined;
    /** Whether to mask the payload. @default false */
    mask?: boolean | undefined;
    /** Four bytes to put the masking key into. @default shared */
    maskBuffer?: Buffer | undefined;
    /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
    opcode: number;
    /** Whether the payload must stay as it is, so that masking copies it. @default false */
    readOnly?: boolean | undefined;
    /** Whether to set the RSV1 bit. @default false */
    rsv1?: boolean | undefined;
  }

  /** Turns messages into frames and writes them to a stream, in order. */
  class Sender {
    /**
     * @param socket Where to write
     * @param extensions The extensions agreed upon, by name
     * @param generateMask Makes the masking keys
     */
    constructor(
      socket: Duplex,
      extensions?: { [name: string]: PerMessageDeflate },
      generateMask?: GenerateMaskCallback
    );

    /**
     * Builds a frame: the header, then the payload unless it is empty or was merged with the
     * header. Parts of an unmasked frame are never changed, so they may be written to many sockets.
     */
    static frame(data: Buffer, options: FrameOptions): Buffer[];
    static frame(data: Buffer | string, options: FrameOptions): Array<Buffer | string>;

    /** Called when a `Blob` can't be read. */
    onerror: (err: Error) => void;

    close(
      code?: number,
      data?: string | Uint8Array,
      mask?: boolean,
      cb?: (err?: Error) => void
    ): void;
    ping(data: any, mask?: boolean, cb?: (err?: Error) => void): void;
    pong(data: any, mask?: boolean, cb?: (err?: Error) => void): void;
    /** Unlike `WebSocket.send()`, without defaults: `fin` and the others are off unless given. */
    send(data: BufferLike, options: SendOptions, cb?: (err?: Error) => void): void;
    /** Writes the parts of a frame as they are. */
    sendFrame(list: Array<Buffer | string>, cb?: (err?: Error) => void): void;
  }

  /** The values of `error.code` for what a peer does against the protocol, or beyond a limit. */
  type ErrorCode =
    /** A control frame without FIN. Close code 1002. */
    | 'WS_ERR_EXPECTED_FIN'
    /** A client's frame without a mask. Close code 1002. */
    | 'WS_ERR_EXPECTED_MASK'
    /** A close code that may not be sent. Close code 1002. */
    | 'WS_ERR_INVALID_CLOSE_CODE'
    /** A control frame of more than 125 bytes, or a close frame of one byte. Close code 1002. */
    | 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH'
    /** An opcode that is reserved, or has no place between the fragments. Close code 1002. */
    | 'WS_ERR_INVALID_OPCODE'
    /** Text or a close reason that isn't UTF-8. Close code 1007. */
    | 'WS_ERR_INVALID_UTF8'
    /** More than `maxBufferedChunks` or `maxFragments`. Close code 1008. */
    | 'WS_ERR_TOO_MANY_BUFFERED_PARTS'
    /** A server's frame with a mask. Close code 1002. */
    | 'WS_ERR_UNEXPECTED_MASK'
    /** RSV1 where no compressed message starts. Close code 1002. */
    | 'WS_ERR_UNEXPECTED_RSV_1'
    /** RSV2 or RSV3. Close code 1002. */
    | 'WS_ERR_UNEXPECTED_RSV_2_3'
    /** A frame of more than 2^53 - 1 bytes. Close code 1009. */
    | 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH'
    /** More than `maxPayload`. Close code 1009. */
    | 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
}

export = WebSocket;

// @ts-check
'use strict';

// What the parts of a WebSocket ask of its transport. There are types only here: a transport is a
// `StreamTransport` (`stream-transport.js`) or an `EngineTransport` (`engine/transport.js`), and a
// WebSocket has it in `kTransport` from `setSocket()` on.

// A name in a type.
const { kWebSocket: _kWebSocket } = require('./constants');

/** @typedef {import('./engine/reason').Reason} Reason */
/** @typedef {import('./receiver')} Receiver */
/** @typedef {import('./sender')} Sender */
/** @typedef {import('./websocket')} WebSocket */

/**
 * What this package reads of a stream below its API.
 *
 * @typedef {{bufferProcessing: boolean, corked: number, destroyed: boolean, ending: boolean,
 *   errored: Error | null, errorEmitted: boolean, finished: boolean, highWaterMark: number,
 *   length: number, needDrain: boolean, pendingcb: number}} WritableState
 * @typedef {{encoding: string | null, ended: boolean, endEmitted: boolean,
 *   flowing: boolean | null, length: number, objectMode: boolean}} ReadableState
 */

/**
 * The socket of a WebSocket: one of Node.js, or any other `Duplex`, which has no timeout and no
 * delay.
 *
 * @typedef {import('node:stream').Duplex & {
 *   _readableState: ReadableState,
 *   _writableState: WritableState,
 *   setNoDelay?: (noDelay?: boolean) => unknown,
 *   setTimeout?: (milliseconds: number) => unknown,
 *   [_kWebSocket]?: WebSocket
 * }} Socket
 */

/**
 * A socket that the engine has, or may take over.
 *
 * @typedef {import('node:net').Socket & Socket & {
 *   _handle: import('./engine/connection') | null,
 *   _unrefTimer: () => void,
 *   encrypted?: boolean
 * }} NetSocket
 */

/**
 * What such a socket has as its handle before: one of libuv's.
 *
 * @typedef {{bytesRead: number, bytesWritten: number, close: (callback: () => void) => void,
 *   fd: number, hasRef?: () => boolean, readStop: () => void, reset?: () => void}} UvHandle
 */

/**
 * The options of a receiver.
 *
 * @typedef {NonNullable<ConstructorParameters<typeof import('./receiver')>[0]>} ReceiverOptions
 */

/**
 * What is asked to look again when a party comes to a rest: now, or in the next turn.
 *
 * @typedef {{ask: () => void, askSoon: () => void}} Rest
 */

/**
 * Fills a masking key.
 *
 * @typedef {(key: Buffer) => void} GenerateMask
 */

/**
 * Called when a frame is written, or can't be.
 *
 * @typedef {((error?: Error | null) => void) | undefined} WriteCallback
 */

/**
 * What a WebSocket and the listeners of its socket ask of the transport.
 *
 * @typedef {object} Transport
 * @property {'engine' | 'stream'} name What carries the connection
 * @property {Reason | null} reason Why it isn't the engine
 * @property {() => Receiver} exposeReceiver Gives a program the receiver: one that gets the bytes
 *   of the socket, from the end of the current message on
 * @property {(receiver: Receiver) => void} replaceReceiver Takes a receiver of the program's
 * @property {Sender | null} sender The sender, if there is one already; a program may replace it
 * @property {() => Sender} needSender Gives the sender, which is made when it's first needed
 * @property {string} binaryType What binary messages are given as
 * @property {boolean} needsDrain Whether the socket is not read until the receiver has room
 * @property {boolean} hasFailed Whether the receiver has reported an error
 * @property {boolean} hasEnded Whether the receiver has nothing more to report
 * @property {() => void} flush Writes the frames of this tick at once
 * @property {() => void} flushToCount Does so to tell what waits; not where that's few bytes
 * @property {() => void} updateAnswering Has pings answered early, or no longer, after something
 *   changed that decides about it
 * @property {(chunk: Buffer) => boolean} write Takes bytes of the socket; `false` where it's not to
 *   be read until the receiver has room
 * @property {() => void} receiveLeftovers Receives what had arrived when the socket was closed
 * @property {() => void} end Ends the receiver: no bytes follow
 * @property {(listener: () => void) => void} onEnd Sets what is called when the receiver has
 *   nothing more to report
 * @property {(error: Error) => void} fail Fails the connection
 * @property {() => void} release Drops the listeners of the receiver
 */

/**
 * What a sender asks of a transport: a queue for the frames of a tick.
 *
 * @typedef {object} Frames
 * @property {(length: number) => boolean} fits Whether `append` takes a payload of this many bytes
 * @property {(length: number) => boolean} compresses Whether `appendCompressed` takes a payload of
 *   this many bytes
 * @property {(data: Buffer | string, length: number, first: number, isMasked: boolean,
 *   callback: WriteCallback) => void} append Adds a frame: its payload, which is copied, and the
 *   first byte of its header
 * @property {(sender: Sender, data: Buffer | string, length: number, first: number,
 *   isMasked: boolean, callback: WriteCallback) => void} appendCompressed Adds a frame whose
 *   payload is compressed on its way
 * @property {(list: (Buffer | string)[], callback: WriteCallback) => void} write Adds a finished
 *   frame
 * @property {(data: unknown, first: number, isMasked: boolean) => boolean} sendDirectly Sends a
 *   message at once if nothing is in its way; `false` where nothing has happened
 * @property {(message: import('./beyond/message').Message) => boolean} sendShared Sends a message
 *   that others get as well; `false` where nothing has happened
 * @property {(frame: Buffer) => void} sendBytes Adds a finished frame that others get as well
 * @property {() => void} setApart From now on what is published comes by way of the sender, until
 *   nothing is in the way any more
 * @property {() => void} flush Writes what waits
 */

/**
 * What a connection of the engine gives its events to.
 *
 * @typedef {object} Handlers
 * @property {string} binaryType What binary messages are given as
 * @property {(data: unknown, isBinary: boolean) => void} message Takes a message
 * @property {(data: Buffer, isAnswered: boolean) => void} ping Takes a ping, which the engine may
 *   have answered
 * @property {(data: Buffer) => void} pong Takes a pong
 * @property {(code: number, reason: Buffer) => void} conclude Takes a close frame
 * @property {(error: Error) => void} fail Takes the reason why the connection has to fail
 * @property {() => void} showBytes Makes the engine give bytes, which a program looks for
 */

/**
 * What permessage-deflate asks of the connection that has its states.
 *
 * @typedef {object} Compression
 * @property {(deflater: Deflater, inflater: Inflater) => boolean} beginCompression Takes the states
 *   of both directions; `false` where it can't now
 * @property {() => Deflater | null} shareDeflater Gives the state of the sending direction
 * @property {() => Inflater | null} shareInflater Gives the state of the receiving direction
 * @property {() => void} flushAll Compresses and writes what waits
 */
/** @typedef {InstanceType<typeof import('./native').Deflater>} Deflater */
/** @typedef {InstanceType<typeof import('./native').Inflater>} Inflater */

module.exports = {};

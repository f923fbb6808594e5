// @ts-check
'use strict';

// The other end of a connection: a socket of Node.js that speaks WebSocket by hand, or what looks
// like it.

const { createHash } = require('node:crypto');
const { encode, FrameReader } = require('./frames');
const { anonymous } = require('./trace');

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Answers a key (RFC 6455, section 4.2.2).
 *
 * @param {string} key The key of the client
 * @return {string} What the server answers
 */
function acceptKey(key) {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

/** Makes lines of HTTP of headers; `null` takes one away. */
function head(first, headers) {
  const lines = Object.entries(headers)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${first}\r\n${lines.join('')}\r\n`, 'latin1');
}

/** A raw peer of either role. */
class RawPeer {
  /** @type {Buffer[]} */
  #pieces = [];
  #isToEnd = false;
  #isHolding = false;

  /**
   * @param {any} run The run it belongs to
   * @param {any} connection The connection of the program
   * @param {string} name The name of the endpoint
   */
  constructor(run, connection, name) {
    this.run = run;
    this.name = name;
    this.isRaw = true;
    this.isClient = connection.kind === 'rawClient';
    this.isOpen = false;
    this.isPaused = false;
    this.isClosed = false;
    this.hasSentClose = false;
    this.connection = connection;
    this.reader = new FrameReader();
    this.socket = null;
    this.text = '';
  }

  /**
   * Takes the socket.
   *
   * @param {import('node:net').Socket} socket The socket
   */
  attach(socket) {
    this.socket = socket;
    socket.setNoDelay?.(true);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('end', () => {
      this.flush();
      this.note('end');
      if (this.connection.polite) socket.end();
    });
    socket.on('error', (error) => this.note(`error ${/** @type {any} */ (error).code}`));
    socket.on('close', () => {
      this.flush();
      if (this.reader.rest > 0) this.note('and part of a frame');
      this.isClosed = true;
      this.note('close');
      this.run.settled(this.connection);
    });
  }

  /** Sends the opening handshake of a client. */
  request() {
    const { headers = {}, path, method = 'GET' } = this.connection.request ?? {};
    const url = path ?? `/?n=${this.connection.number}`;
    const bytes = head(`${method} ${url} HTTP/1.1`, {
      Host: 'localhost',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': KEY,
      'Sec-WebSocket-Version': 13,
      ...headers
    });
    this.#sendHead(bytes, this.connection.request?.behind);
  }

  #sendHead(bytes, behind = []) {
    const frames = behind.map((frame) => encode(frame, this.isClient));
    this.socket?.write(Buffer.concat([bytes, ...frames]));
  }

  #take(chunk) {
    this.run.activity++;
    if (this.isOpen) {
      this.reader.write(chunk);
      if (this.connection.polite) this.flush();
      return;
    }
    this.text += chunk.toString('latin1');
    const end = this.text.indexOf('\r\n\r\n');
    if (end === -1) return;
    const rest = Buffer.from(this.text.slice(end + 4), 'latin1');
    const text = this.text.slice(0, end);
    this.isOpen = true;
    if (this.isClient) this.#noteResponse(text);
    else this.#respond(text);
    if (rest.length > 0) this.#take(rest);
    this.run.settled(this.connection);
  }

  #noteResponse(text) {
    const lines = text.split('\r\n').filter((line) => !/^(date|keep-alive):/i.test(line));
    this.note(`response ${lines.join(' | ')}`);
  }

  #respond(text) {
    const lines = text.split('\r\n').map((line) => {
      return line.replace(/^(sec-websocket-key: ).*/i, '$1KEY');
    });
    this.note(`request ${anonymous(lines.join(' | '))}`);
    const key = /^sec-websocket-key: (.*)$/im.exec(text)?.[1] ?? '';
    const {
      status = '101 Switching Protocols',
      headers = {},
      behind
    } = this.connection.response ?? {};
    const isUpgrade = status.startsWith('101');
    const bytes = head(`HTTP/1.1 ${status}`, {
      ...(isUpgrade
        ? {
            Upgrade: 'websocket',
            Connection: 'Upgrade',
            'Sec-WebSocket-Accept': acceptKey(key.trim())
          }
        : { Connection: 'close' }),
      ...headers
    });
    this.#sendHead(bytes, behind);
    if (!isUpgrade) this.socket?.end();
  }

  /** Notes down the frames that are complete; a polite peer answers them. */
  flush() {
    if (!this.isOpen) return;
    for (const { opcode, payload, line } of this.reader.read()) {
      this.note(line);
      if (opcode !== 8 || !this.connection.polite || this.hasSentClose) continue;
      this.hasSentClose = true;
      const close = encode({ opcode: 8, hex: payload.toString('hex') }, this.isClient);
      if (this.socket?.writable) this.socket.write(close);
      if (!this.isClient && this.socket?.writable) this.socket.end();
    }
  }

  /**
   * Writes pieces, each in a turn of the event loop of its own, after what was to be written
   * before.
   *
   * @param {Buffer[]} pieces The pieces
   */
  write(pieces) {
    const isIdle = this.#pieces.length === 0;
    this.#pieces.push(...pieces);
    if (!isIdle) return;
    this.run.begin();
    this.#writeNext();
  }

  /** Writes the first piece of those that wait. */
  #writeNext() {
    const { socket } = this;
    const isOver = !socket || socket.destroyed || socket.writableEnded;
    if (isOver) this.#pieces.length = 0;
    else if (this.#pieces[0].length > 0) {
      this.#hold();
      socket.write(this.#pieces[0]);
    }
    this.#pieces.shift();
    this.run.activity++;
    if (this.#pieces.length > 0) {
      setImmediate(() => this.#writeNext());
      return;
    }
    if (this.#isToEnd && !isOver) socket.end();
    this.run.done();
  }

  /**
   * Has what is written in a tick leave together: nobody is to read part of it, not even on another
   * thread.
   */
  #hold() {
    if (this.#isHolding) return;
    this.#isHolding = true;
    this.socket?.cork();
    process.nextTick(() => this.release());
  }

  /** Ends that. */
  release() {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.socket?.uncork();
  }

  /** Sends no more, after what was to be written before. */
  end() {
    this.release();
    if (this.#pieces.length > 0) this.#isToEnd = true;
    else this.socket?.end();
  }

  /**
   * Notes something down.
   *
   * @param {string} line What there is to say
   */
  note(line) {
    this.run.note(this.name, line);
  }
}

module.exports = { RawPeer };

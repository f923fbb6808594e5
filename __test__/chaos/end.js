// @ts-check
'use strict';

// One end of a connection: counts what it sends and checks what it gets.

const { make, read } = require('./message');

/** What a receiver is asked to do, inside of its listener. */
const FLAGS = { answer: 1, terminate: 2, pause: 4 };

/** An end. */
class End {
  /**
   * @param {any} link The connection
   * @param {number} id Its number, of all ends
   */
  constructor(link, id) {
    this.link = link;
    this.id = id;
    this.ws = null;
    this.sent = 0;
    this.received = 0;
    this.called = 0;
    this.expectedCalls = 0;
    this.isClosed = false;
    this.wasPaused = false;
    this.closeCode = 0;
  }

  /** The other end. */
  get other() {
    return this.link.client === this ? this.link.server : this.link.client;
  }

  /** Whether it can send. */
  get isOpen() {
    return this.ws !== null && this.ws.readyState === 1;
  }

  /**
   * Takes the WebSocket.
   *
   * @param {any} ws The WebSocket
   */
  attach(ws) {
    this.ws = ws;
    ws.on('message', (data) => this.#check(data));
    ws.on('error', (error) => {
      if (!this.link.isCut) this.link.fail(`end ${this.id}: ${error.code ?? ''} ${error.message}`);
    });
    ws.on('close', (code) => {
      this.isClosed = true;
      this.closeCode = code;
    });
  }

  /** Pauses it, until somebody resumes it. */
  pause() {
    this.wasPaused = true;
    this.ws.pause();
    this.link.paused.add(this);
  }

  /** Checks a message, and does what it says. */
  #check(data) {
    const { sender, number, flags, isWhole } = read(data);
    const { link } = this;
    if (!isWhole) link.fail(`end ${this.id}: message ${this.received} is altered`);
    else if (sender !== this.other.id) {
      link.fail(`end ${this.id}: a message of ${sender}, not of ${this.other.id}`);
    } else if (number !== this.received) {
      link.fail(`end ${this.id}: message ${number} where ${this.received} was due`);
    }
    this.received = number + 1;
    // ws delivers what a socket that was paused has read, and what is being inflated.
    if (link.isCutHere === this && !this.wasPaused && link.kind !== 'deflate') {
      link.fail(`end ${this.id}: a message after terminate()`);
    }
    if (flags & FLAGS.answer && this.isOpen) this.send(20);
    if (flags & FLAGS.pause && this.isOpen) {
      this.pause();
    }
    if (flags & FLAGS.terminate && !this.link.isCut) {
      link.isCut = true;
      this.ws.terminate();
    }
  }

  /**
   * Sends a message.
   *
   * @param {number} size The length of its payload
   * @param {{flags?: number, parts?: number, isCalled?: boolean}} [how] What the receiver is to do;
   *   in how many fragments; with a callback
   */
  send(size, { flags = 0, parts = 1, isCalled = false } = {}) {
    const message = make(this.id, this.sent++, flags, size);
    const step = Math.ceil(message.length / parts);
    for (let start = 0; start < message.length; start += step) {
      const part = message.subarray(start, start + step);
      const fin = start + step >= message.length;
      this.ws.send(part, { fin, binary: true }, isCalled && fin ? this.#callback() : undefined);
    }
  }

  /** Makes a callback that knows when it is due. */
  #callback() {
    const number = this.expectedCalls++;
    return (error) => {
      // TLS calls back what it was writing after what waited behind it, if it's destroyed.
      if (number !== this.called && !this.link.isCut)
        this.link.fail(`end ${this.id}: callback ${number}, not ${this.called}`);
      this.called++;
      if (error && !this.link.isCut) this.link.fail(`end ${this.id}: callback: ${error.message}`);
    };
  }
}

module.exports = { End, FLAGS };

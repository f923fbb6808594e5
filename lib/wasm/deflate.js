// @ts-check
'use strict';

// permessage-deflate by the WebAssembly build. What the addon leaves to other threads is done here
// in slices, so that a large message doesn't hold the event loop.

const { EMPTY_BUFFER } = require('../constants');
const { Handle, instance } = require('./instance');
const { SLICE_LENGTH, workInSlices } = require('./slices');

/** What the module says of an operation. */
const DONE = 0;
const PAUSED = 1;

/** @typedef {(number: number, bytes: any, lengths: any, isFinished: boolean) => void} Take */

/**
 * Takes the results of work that is done in slices.
 */
class WorkResults {
  /**
   * @param {Take} callback Called with the number of each piece of work that ends
   */
  constructor(callback) {
    this.callback = callback;
  }

  /**
   * Does nothing: what is waited for is the event loop's own.
   */
  setReferenced() {}

  /**
   * Does work.
   *
   * @param {number} number Its number
   * @param {() => number} step Does a slice, as `workInSlices` wants it
   * @param {() => [any, any]} conclude Gives bytes and lengths when there is nothing left to do
   */
  expect(number, step, conclude) {
    workInSlices(() => {
      let length;
      try {
        length = step();
        if (length > 0) return length;
      } catch {
        this.callback(number, null, null, false);
        return 0;
      }
      const [bytes, lengths] = conclude();
      this.callback(number, bytes, lengths, true);
      return 0;
    });
  }
}

/**
 * The compressing side of one connection.
 */
class Deflater extends Handle {
  /**
   * @param {any} options How to compress, checked by `lib/deflate/options.js`
   */
  constructor({ dictionary, level, memLevel, noContextTakeover, strategy, usesZlib, windowBits }) {
    const owner = instance();
    owner.write(dictionary ?? EMPTY_BUFFER);
    const number = owner.exports.create_deflater(
      dictionary?.length ?? 0,
      level,
      memLevel,
      strategy,
      windowBits,
      noContextTakeover,
      usesZlib
    );
    if (number < 0) throw new Error('an option of the compressor is out of range');
    super(owner, 'free_deflater', number);
  }

  /**
   * @param {Buffer} data A fragment of a message
   * @param {boolean} fin Whether it's the last
   * @return {Buffer} What it's compressed to
   */
  deflate(data, fin) {
    return this.use((number, exports) => {
      this.owner.write(data);
      exports.deflate(number, data.length, fin);
      return this.owner.read();
    });
  }

  /**
   * Does as `deflate` in slices.
   *
   * @param {WorkResults} results Gets the result
   * @param {number} number By this number
   * @param {Buffer} data A fragment of a message
   * @param {boolean} fin Whether it's the last
   */
  deflateApart(results, number, data, fin) {
    const work = new Deflation(this, Buffer.from(data), fin);
    results.expect(
      number,
      () => work.step(),
      () => [work.output(), null]
    );
  }
}

/**
 * A compression in slices.
 */
class Deflation {
  /**
   * @param {Deflater} deflater What compresses
   * @param {Buffer} data The data, which is not changed meanwhile
   * @param {boolean} fin Whether the message ends with it
   */
  constructor(deflater, data, fin) {
    this._deflater = deflater;
    this._data = data;
    this._fin = fin;
    this._position = 0;
    this._isDone = false;
    /** @type {Buffer[]} */
    this._parts = [];
  }

  /**
   * @return {number} The bytes that a slice of it had, 0 when all of it is done
   */
  step() {
    if (this._isDone || this._deflater.isFreed) return 0;
    const end = Math.min(this._position + SLICE_LENGTH, this._data.length);
    const slice = this._data.subarray(this._position, end);
    this._isDone = end === this._data.length;
    this._position = end;
    this._parts.push(this._deflater.deflate(slice, this._fin && this._isDone));
    return Math.max(slice.length, 1);
  }

  /**
   * @return {Buffer} What it's compressed to
   */
  output() {
    return this._parts.length === 1 ? this._parts[0] : Buffer.concat(this._parts);
  }
}

/**
 * Compressions that wait for a run.
 */
class DeflationQueue {
  constructor() {
    /** @type {Deflation[]} */
    this._waiting = [];
  }

  /**
   * @param {Deflater} deflater What compresses
   * @param {Buffer} data A fragment of a message, which is copied
   * @param {boolean} fin Whether it's the last
   */
  push(deflater, data, fin) {
    this._waiting.push(new Deflation(deflater, Buffer.from(data), fin));
  }

  /**
   * Compresses all that waits.
   *
   * @return {{ bytes: Buffer, lengths: number[] }} The outputs, one after the other
   */
  run() {
    const waiting = this._waiting;
    this._waiting = [];
    for (const work of waiting) while (work.step() > 0);
    return join(waiting);
  }

  /**
   * Does as `run` in slices.
   *
   * @param {WorkResults} results Gets the outputs
   * @param {number} number By this number
   */
  runApart(results, number) {
    const waiting = this._waiting;
    this._waiting = [];
    let index = 0;
    const step = () => {
      while (index < waiting.length) {
        const length = waiting[index].step();
        if (length > 0) return length;
        index++;
      }
      return 0;
    };
    results.expect(number, step, () => {
      const { bytes, lengths } = join(waiting);
      return [bytes, lengths];
    });
  }
}

/**
 * @param {Deflation[]} works Compressions that are done
 * @return {{ bytes: Buffer, lengths: number[] }} Their outputs
 */
function join(works) {
  const outputs = works.map((work) => work.output());
  const bytes = outputs.length === 1 ? outputs[0] : Buffer.concat(outputs);
  return { bytes, lengths: outputs.map((output) => output.length) };
}

/**
 * The decompressing side of one connection.
 */
class Inflater extends Handle {
  /**
   * @param {any} options How to decompress, checked by `lib/deflate/options.js`
   */
  constructor({ chunkSize, dictionary, noContextTakeover, windowBits }) {
    const owner = instance();
    owner.write(dictionary ?? EMPTY_BUFFER);
    const length = dictionary?.length ?? 0;
    const number = owner.exports.create_inflater(length, windowBits, noContextTakeover, chunkSize);
    super(owner, 'free_inflater', number);
  }

  /**
   * @param {Buffer} data A fragment of a message
   * @param {boolean} fin Whether it's the last
   * @param {number} limit Bytes that the output may have; 0 for any number
   * @param {number} budget Bytes after which it pauses
   * @return {Buffer | null} The output; nothing where it has failed, or paused
   */
  inflate(data, fin, limit, budget) {
    return this.use((number, exports) => {
      this.owner.write(data);
      const status = exports.inflate(number, data.length, fin, limit, budget);
      return status === DONE ? this.owner.read() : null;
    });
  }

  /**
   * Does as `inflate`, in slices.
   *
   * @param {WorkResults} results Gets the result
   * @param {number} number By this number
   * @param {Buffer} data A fragment of a message
   * @param {boolean} fin Whether it's the last
   * @param {number} limit Bytes that the output may have; 0 for any number
   */
  inflateApart(results, number, data, fin, limit) {
    const input = Buffer.from(data);
    this._goOn(results, number, (inflater, exports) => {
      this.owner.write(input);
      return exports.inflate(inflater, input.length, fin, limit, SLICE_LENGTH);
    });
  }

  /**
   * Goes on, in slices, with an `inflate` that has paused.
   *
   * @param {WorkResults} results Gets the result
   * @param {number} number By this number
   */
  resumeApart(results, number) {
    this._goOn(results, number, resume);
  }

  /**
   * @param {WorkResults} results Gets the result
   * @param {number} number By this number
   * @param {(number: number, exports: any) => number} begin Does the first slice
   * @private
   */
  _goOn(results, number, begin) {
    let next = begin;
    let isDone = false;
    /** @type {Buffer | null} */
    let output = null;
    const step = () => {
      if (isDone || this.isFreed) return 0;
      const status = this.use(next);
      next = resume;
      isDone = status !== PAUSED;
      if (status === DONE) output = this.owner.read();
      return SLICE_LENGTH;
    };
    results.expect(number, step, () => [output, null]);
  }

  /**
   * @return {any} Why the latest operation gave nothing, if it failed
   */
  failure() {
    if (!this.use((number, exports) => exports.inflate_failure(number))) return null;
    const [message, code, errno, closeCode] = this.owner.readTexts();
    const number = errno === undefined ? undefined : Number(errno);
    return { message, code, errno: number, closeCode: Number(closeCode) };
  }
}

/**
 * Does another slice of an `inflate` that has paused.
 *
 * @param {number} number The inflater
 * @param {any} exports The functions of its instance
 * @return {number} What the module says of it
 */
function resume(number, exports) {
  return exports.resume_inflate(number, SLICE_LENGTH);
}

/**
 * @param {number} bytes What all compressors may keep between messages
 */
function setContextMemoryLimit(bytes) {
  instance().exports.set_context_memory_limit(bytes);
}

/**
 * Does nothing: there is one thread.
 */
function setConcurrencyLimit() {}

module.exports = {
  DeflationQueue,
  Deflater,
  Inflater,
  setConcurrencyLimit,
  setContextMemoryLimit,
  WorkResults
};

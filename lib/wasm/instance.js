// @ts-check
'use strict';

// An instance of the WebAssembly module, and how values get in and out of its memory.
// See `src/wasm/mod.rs`.

const { inflateRawSync } = require('node:zlib');

/** Bytes up to this many are copied faster by a loop than by `TypedArray#set`. */
const MAX_LOOP_LENGTH = 64;
/** The module keeps no more room for input than this, in bytes; see `src/wasm/memory.rs`. */
const MAX_KEPT_LENGTH = 2 ** 20;
/** The length of a text that isn't there. */
const ABSENT = 0xffff_ffff;
/** Bytes of the length before a text. */
const LENGTH_BYTES = 4;

/** @type {WebAssembly.Module | null} */
let compiled = null;

/**
 * Compiles the module, once.
 *
 * @return {WebAssembly.Module} The module
 * @throws {Error} If this runtime has no WebAssembly, or the package no module
 */
function compile() {
  if (compiled !== null) return compiled;
  if (typeof WebAssembly === 'undefined') {
    throw new Error('this runtime has no WebAssembly (--jitless switches it off)');
  }
  // Text in a JavaScript file, so that bundlers carry it like any other.
  const text = require('../../binding.wasm.js');
  compiled = new WebAssembly.Module(inflateRawSync(Buffer.from(text, 'base64')));
  return compiled;
}

/**
 * One instance. A function that traps leaves it unusable.
 */
class Instance {
  constructor() {
    const module = compile();
    /** @type {any} */
    this.exports = new WebAssembly.Instance(module, {}).exports;
    /** Where `encode_header` writes. */
    this.headerAt = this.exports.header();
    /** Whether a function has trapped. */
    this.isBroken = false;
    this._bytes = Buffer.alloc(0);
    this._view = new DataView(this._bytes.buffer);
    /** Where the room for input is, and its bytes. */
    this._input = 0;
    this._inputLength = 0;
    /**
     * What the input is a copy of, from some byte on; nothing where that isn't known. @type {any}
     */
    this.resident = null;
  }

  /** All of the memory. It's another object once the memory has grown. */
  get bytes() {
    if (this._bytes.byteLength === 0) this._bytes = Buffer.from(this.exports.memory.buffer);
    return this._bytes;
  }

  /** The same as integers of any place. */
  get view() {
    if (this._view.buffer !== this.bytes.buffer) this._view = new DataView(this.bytes.buffer);
    return this._view;
  }

  /**
   * Makes room for input. What was there is lost.
   *
   * @param {number} length Bytes
   * @return {number} Where the room is in the memory
   */
  reserve(length) {
    this.resident = null;
    if (length > this._inputLength || this._inputLength > MAX_KEPT_LENGTH) {
      this._input = this.exports.input(length);
      this._inputLength = length;
    }
    return this._input;
  }

  /**
   * Makes bytes the input.
   *
   * @param {Uint8Array} data The bytes
   * @return {number} Where they are in the memory
   */
  write(data) {
    const at = this.reserve(data.length);
    copy(data, 0, this.bytes, at, data.length);
    return at;
  }

  /**
   * Makes a text the input.
   *
   * @param {string} text The text
   * @return {number} Its bytes
   */
  writeText(text) {
    const data = Buffer.from(text);
    this.write(data);
    return data.length;
  }

  /**
   * Makes a list of texts the input.
   *
   * @param {(string | undefined)[]} texts The texts; `undefined` for one that isn't there
   * @return {number} Its bytes
   */
  writeTexts(texts) {
    const parts = texts.flatMap((text) => {
      const data = Buffer.from(text ?? '');
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32LE(text === undefined ? ABSENT : data.length);
      return [length, data];
    });
    const data = Buffer.concat(parts);
    this.write(data);
    return data.length;
  }

  /**
   * Copies the output.
   *
   * @return {Buffer} Memory of its own
   */
  read() {
    const at = this.exports.output();
    const length = this.exports.output_length();
    const data = Buffer.allocUnsafeSlow(length);
    data.set(this.bytes.subarray(at, at + length));
    return data;
  }

  /**
   * Gives the output as a text.
   *
   * @return {string} The text
   */
  readText() {
    const at = this.exports.output();
    return this.bytes.toString('utf8', at, at + this.exports.output_length());
  }

  /**
   * Gives the output as a list of texts.
   *
   * @return {(string | undefined)[]} The texts; `undefined` for one that isn't there
   */
  readTexts() {
    const { bytes } = this;
    let at = this.exports.output();
    const end = at + this.exports.output_length();
    const texts = [];
    while (at < end) {
      const length = bytes.readUInt32LE(at);
      at += LENGTH_BYTES;
      if (length === ABSENT) {
        texts.push(undefined);
      } else {
        texts.push(bytes.toString('utf8', at, at + length));
        at += length;
      }
    }
    return texts;
  }

  /**
   * Calls a function that works on what a peer has sent.
   *
   * @template T
   * @param {() => T} work Calls it
   * @return {T} What it returns
   * @throws {Error} If it traps, which only a mistake of ours or a lack of memory has it do
   */
  guard(work) {
    try {
      return work();
    } catch (error) {
      throw this.note(error);
    }
  }

  /**
   * Notes whether a function has trapped.
   *
   * @param {unknown} error What was thrown
   * @return {unknown} The same
   */
  note(error) {
    if (error instanceof WebAssembly.RuntimeError) this.isBroken = true;
    return error;
  }
}

/**
 * Copies bytes.
 *
 * @param {Uint8Array} source Where from
 * @param {number} from The first of them
 * @param {Uint8Array} target Where to
 * @param {number} to Where the first goes
 * @param {number} length How many
 */
function copy(source, from, target, to, length) {
  if (length <= MAX_LOOP_LENGTH) {
    for (let i = 0; i < length; i++) target[to + i] = source[from + i];
  } else if (from === 0 && length === source.length) {
    target.set(source, to);
  } else {
    target.set(source.subarray(from, from + length), to);
  }
}

/** @type {Instance | null} */
let current = null;

/**
 * Gives the instance for what is new.
 *
 * @return {Instance} The instance
 */
function instance() {
  if (current === null || current.isBroken) current = new Instance();
  return current;
}

/**
 * Something in the memory of an instance, which goes when it isn't referred to any more.
 *
 * @abstract
 */
class Handle {
  /**
   * @param {Instance} owner The instance
   * @param {string} free The function that frees it
   * @param {number} number Its number
   */
  constructor(owner, free, number) {
    this.owner = owner;
    this.number = number;
    /** @type {{ owner: Instance, free: string, number: number } | null} */
    this._held = { owner, free, number };
    handles.register(this, this._held, this);
  }

  /** Whether it may not be used any more. */
  get isFreed() {
    return this._held === null;
  }

  /**
   * Frees it, once. Work on it that is under way comes to nothing.
   */
  free() {
    if (this._held === null) return;
    handles.unregister(this);
    release(this._held);
    this._held = null;
  }

  /**
   * Calls a function that works on it.
   *
   * @template T
   * @param {(number: number, exports: any) => T} work Calls it
   * @return {T} What it returns
   * @throws {Error} If it was freed; as `guard` of its instance does
   */
  use(work) {
    if (this._held === null) throw new Error('used after it was freed');
    return this.owner.guard(() => work(this.number, this.owner.exports));
  }
}

/**
 * @param {{ owner: Instance, free: string, number: number }} handle What is freed
 */
function release({ owner, free, number }) {
  if (!owner.isBroken) owner.exports[free](number);
}

const handles = new FinalizationRegistry(release);

module.exports = { copy, Handle, instance };

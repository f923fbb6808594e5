// @ts-check
'use strict';

// What the person sees and types: lines above a prompt that can be edited, with a history. Where
// the output is no terminal, messages are printed as they are, errors go to stderr, and notices
// nowhere; where the input is none, its lines are taken one by one.

const { EventEmitter, once } = require('node:events');
const readline = require('node:readline');
const { Writable } = require('node:stream');
const { inspect } = require('node:util');

const PROMPT = '> ';

/** Bytes of a line of a hexadecimal dump. */
const DUMP_WIDTH = 16;

/** @typedef {{ prefix: string, color: string }} Kind How a line is told from others */

/** @type {Kind} What the peer sent. */
const MESSAGE = { prefix: '< ', color: 'blue' };
/** @type {Kind} What happened. */
const NOTICE = { prefix: '', color: 'green' };
/** @type {Kind} What went wrong. */
const ERROR = { prefix: 'error: ', color: 'yellow' };

/**
 * Takes away the power that control characters have over a terminal: what a peer sends is only
 * shown.
 *
 * @param {string} text The text
 * @return {string} The text, tabs and line feeds as they were
 */
function withoutControls(text) {
  return text.replace(/\p{Cc}/gu, (character) => {
    if (character === '\n' || character === '\t') return character;
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/**
 * Shows bytes to a person: a few on one line, more as a dump with offsets and ASCII.
 *
 * @param {Buffer} bytes The bytes
 * @return {string} One or more lines
 */
function dump(bytes) {
  const size = `[binary, ${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'}]`;
  if (bytes.length <= DUMP_WIDTH) return `${size} ${pairs(bytes)}`.trimEnd();

  const lines = [size];
  for (let at = 0; at < bytes.length; at += DUMP_WIDTH) {
    const line = bytes.subarray(at, at + DUMP_WIDTH);
    const ascii = line.toString('latin1').replace(/[^ -~]/g, '.');
    const offset = at.toString(16).padStart(8, '0');
    lines.push(`  ${offset}  ${pairs(line).padEnd(3 * DUMP_WIDTH - 1)}  |${ascii}|`);
  }
  return lines.join('\n');
}

/**
 * Writes bytes as pairs of hexadecimal digits.
 *
 * @param {Buffer} bytes The bytes
 * @return {string} The pairs, with spaces between them
 */
function pairs(bytes) {
  return bytes.toString('hex').replace(/..(?!$)/g, '$& ');
}

/**
 * Colors a text.
 *
 * @param {string} color A color that `util.inspect` knows
 * @param {string} text The text
 * @return {string} The text between escape sequences
 */
function paint(color, text) {
  const [start, end] = /** @type {[number, number]} */ (inspect.colors[color]);
  return `\u001b[${start}m${text}\u001b[${end}m`;
}

/**
 * Tells whether the output is to be colored.
 *
 * @param {Record<string, any>} values The values of the options
 * @return {boolean} Not without a terminal, nor where `--no-color` or NO_COLOR say so
 */
function wantsColor(values) {
  return Boolean(process.stdout.isTTY) && !values['no-color'] && process.stdout.hasColors();
}

/**
 * The terminal. Emits `'line'` for each line that is typed, and `'close'` at Ctrl+C or Ctrl+D.
 */
class Terminal extends EventEmitter {
  /**
   * @param {object} options How it is used
   * @param {boolean} options.color Whether lines are colored
   * @param {boolean} [options.plain] Whether to print what comes in without anything around it
   * @param {boolean} [options.timestamps] Whether each line begins with the time
   */
  constructor({ color, plain = false, timestamps = false }) {
    super();
    this._timestamps = timestamps;
    this._color = color && !plain;
    this._plain = plain;
    this._hasScreen = Boolean(process.stdout.isTTY);
    /** Whether a person types, who can be prompted. */
    this.isInteractive = this._hasScreen && Boolean(process.stdin.isTTY) && !plain;
    /** @type {NodeJS.ReadStream | undefined} What `lines()` reads. */
    this._input = undefined;
    this._editor = this.isInteractive ? this._openEditor() : undefined;
  }

  /** @private */
  _openEditor() {
    return readline
      .createInterface({ input: process.stdin, output: process.stdout, prompt: PROMPT })
      .on('line', (line) => this.emit('line', line))
      .on('close', () => {
        // A prompt that is shown from now on would start to read again.
        this._erasePrompt();
        this._editor = undefined;
        this.emit('close');
      });
  }

  /**
   * Gives the lines of an input that nobody types.
   *
   * @return {AsyncIterable<string>} The lines
   */
  lines() {
    this._input = process.stdin;
    return readline.createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  }

  /**
   * Shows the prompt, and what has been typed behind it.
   */
  prompt() {
    this._editor?.prompt(true);
  }

  /**
   * Shows a message of the peer.
   *
   * @param {Buffer} data The message
   * @param {boolean} isBinary Whether it is binary
   */
  showMessage(data, isBinary) {
    if (!isBinary) this.print(MESSAGE, data.toString());
    else this.print(MESSAGE, this._hasScreen ? dump(data) : data.toString('hex'));
  }

  /**
   * Prints a line above the prompt.
   *
   * @param {Kind} kind What it is
   * @param {string} text The text
   */
  print(kind, text) {
    const time = this._timestamps ? `${new Date().toISOString()} ` : '';
    if (!this._hasScreen) {
      if (kind === MESSAGE) process.stdout.write(`${time}${text}\n`);
      else if (kind === ERROR) process.stderr.write(`${time}${kind.prefix}${text}\n`);
      return;
    }
    const prefix = this._plain && kind === MESSAGE ? '' : kind.prefix;
    const line = time + prefix + withoutControls(text);
    this._erasePrompt();
    process.stdout.write(`${this._color ? paint(kind.color, line) : line}\n`);
    this.prompt();
  }

  /**
   * Takes the prompt and what is typed off the screen, however many rows they take.
   *
   * @private
   */
  _erasePrompt() {
    if (this._editor === undefined) return;
    readline.moveCursor(process.stdout, 0, -this._editor.getCursorPos().rows);
    readline.cursorTo(process.stdout, 0);
    readline.clearScreenDown(process.stdout);
  }

  /** Stops reading, so that the process can end. */
  close() {
    this._input?.destroy();
    this._erasePrompt();
    this._editor?.removeAllListeners('close').close();
    this._editor = undefined;
  }
}

/**
 * Asks for something that isn't to be seen.
 *
 * @param {string} question What to ask
 * @return {Promise<string>} The answer; what Ctrl+C ends is the process
 */
async function askSecret(question) {
  const nowhere = new Writable({ write: (_chunk, _encoding, callback) => callback() });
  const editor = readline.createInterface({
    input: process.stdin,
    output: nowhere,
    terminal: Boolean(process.stdin.isTTY)
  });
  process.stderr.write(question);
  editor.on('SIGINT', () => process.exit(130));
  const [answer] = await once(editor, 'line');
  process.stderr.write('\n');
  editor.close();
  return answer;
}

module.exports = { askSecret, ERROR, MESSAGE, NOTICE, paint, Terminal, wantsColor };

// @ts-check
'use strict';

// Reads arguments by a table of options, and writes the table for `--help`.
//
// The words are taken apart by `util.parseArgs`. Its own checks are off: they refuse a value that
// begins with a dash, as in `--wait -1`, and know no option whose value may be left out.

const { parseArgs } = require('node:util');

/**
 * @typedef {object} Option
 * @property {string} help What `--help` says
 * @property {string} [short] The short form, without the dash
 * @property {string} [value] How `--help` names the value: `<value>`, or `[value]` where it may be
 *   left out; none: the option takes no value
 * @property {boolean} [multiple] Whether the option may be given several times
 */

/** @typedef {Record<string, Option>} Options By long form, without the dashes */

/** Columns of the help text. */
const WIDTH = 80;

/** A mistake in the arguments. The message is for the user, no stack trace is wanted. */
class UsageError extends Error {
  /**
   * @param {string} message What is wrong
   * @param {number} [exitCode] How the process is to end
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Writes an option as the help text has it.
 *
 * @param {string} name The long form
 * @param {Option} option The option
 * @return {string} Such as `-c, --connect <url>`
 */
function formatOption(name, { short, value }) {
  return `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`;
}

/**
 * Breaks a text into lines.
 *
 * @param {string} text The text
 * @param {number} width The most characters of a line
 * @return {string[]} The lines
 */
function wrap(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1];
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

/**
 * Writes the options for a help text.
 *
 * @param {Options} options The options
 * @return {string} The lines
 */
function formatOptions(options) {
  const rows = Object.entries(options).map(([name, option]) => ({
    left: formatOption(name, option),
    help: option.help
  }));
  const indent = Math.max(...rows.map(({ left }) => left.length)) + 4;
  return rows
    .map(({ left, help }) => {
      const lines = wrap(help, WIDTH - indent);
      return `  ${left.padEnd(indent - 2)}${lines.join(`\n${' '.repeat(indent)}`)}`;
    })
    .join('\n');
}

/**
 * Reads the value of an option.
 *
 * @param {string} name The long form
 * @param {Option} option The option
 * @param {any} token What `parseArgs` found
 * @param {any} next The token behind it
 * @return {{ value: string | true, takesNext: boolean }} The value, and whether it is the next word
 * @throws {UsageError} If there is one too many or none where it is needed
 */
function readValue(name, option, token, next) {
  if (option.value === undefined) {
    if (token.value === undefined) return { value: true, takesNext: false };
    throw new UsageError(`option '${formatOption(name, option)}' takes no value`);
  }
  if (token.value !== undefined) return { value: token.value, takesNext: false };
  if (option.value.startsWith('<')) {
    throw new UsageError(`option '${formatOption(name, option)}' argument missing`);
  }
  return next?.kind === 'positional'
    ? { value: next.value, takesNext: true }
    : { value: true, takesNext: false };
}

/**
 * Reads arguments.
 *
 * @param {string[]} args The arguments
 * @param {Options} options The options that there are
 * @return {{ values: Record<string, any>, positionals: string[] }} By long form: a string, `true`
 *   where no value was given, or an array of what was given several times; and the other words
 * @throws {UsageError} If they aren't as they should
 */
function parse(args, options) {
  const { tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { short, value }]) => [
        name,
        { type: value?.startsWith('<') ? 'string' : 'boolean', ...(short && { short }) }
      ])
    )
  });
  /** @type {Record<string, any>} */
  const values = {};
  const positionals = [];

  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;

    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw new UsageError(`unknown option '${token.rawName}'`);
    const { value, takesNext } = readValue(token.name, option, token, tokens[i + 1]);
    if (takesNext) i++;
    if (option.multiple) values[token.name] = [...(values[token.name] ?? []), value];
    else values[token.name] = value;
  }
  return { values, positionals };
}

/**
 * Reads a number.
 *
 * @param {string} name What it is, for the message
 * @param {string} text How it was given
 * @param {{ least?: number, most?: number, whole?: boolean }} [bounds] What it may be
 * @return {number} The number
 * @throws {UsageError} If it is none, or out of bounds
 */
function parseNumber(name, text, { least = -Infinity, most = Infinity, whole = false } = {}) {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!(number >= least && number <= most) || (whole && !Number.isInteger(number))) {
    throw new UsageError(`${name}: '${text}' is not possible`);
  }
  return number;
}

module.exports = { formatOptions, parse, parseNumber, UsageError };

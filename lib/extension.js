// @ts-check
'use strict';

// The `Sec-WebSocket-Extensions` header. Its grammar is the native part's.

const native = require('./native');

/** @typedef {Record<string, (string | true)[]>} Parameters Values by name; `true`: none. */

/**
 * Adds a value to the list that a map has under a name.
 *
 * @template T
 * @param {Record<string, T[]>} map The map
 * @param {string} name The name
 * @param {T} value The value
 */
function append(map, name, value) {
  if (map[name] === undefined) map[name] = [value];
  else map[name].push(value);
}

/**
 * The header that was parsed last: most clients of a server send the same.
 *
 * @type {{text: string, elements: string, error?: string} | null}
 */
let latest = null;

/**
 * Parses the header.
 *
 * @param {string} header The field value
 * @return {Record<string, Parameters[]>} By the name of the extension, the parameters of each
 *   element that has this name
 * @throws {SyntaxError} If it is empty or invalid
 */
function parse(header) {
  // What has no characters is as an empty header.
  const text = header.length > 0 ? String(header) : '';
  if (latest === null || latest.text !== text) latest = { text, ...native.parseExtensions(text) };
  if (latest.error !== undefined) throw new SyntaxError(latest.error);

  // Written plainly: no token has any of these characters.
  const extensions = Object.create(null);
  for (const element of latest.elements.split(', ')) {
    const [name, ...parameters] = element.split('; ');
    const map = Object.create(null);
    for (const parameter of parameters) {
      const end = parameter.indexOf('=');
      if (end === -1) append(map, parameter, true);
      else append(map, parameter.slice(0, end), parameter.slice(end + 1));
    }
    append(extensions, name, map);
  }
  return extensions;
}

/**
 * Gives a value that may come alone as a list.
 *
 * @param {any} value A value, or a list of values
 * @return {any[]} The list
 */
function toList(value) {
  return Array.isArray(value) ? value : [value];
}

/**
 * Writes one element of the header.
 *
 * @param {string} name The name of the extension
 * @param {Record<string, any>} parameters A value or a list of values by name; `true`: none
 * @return {string} The element
 */
function formatElement(name, parameters) {
  let element = name;
  for (const key of Object.keys(parameters)) {
    for (const value of toList(parameters[key])) {
      element += value === true ? `; ${key}` : `; ${key}=${value}`;
    }
  }
  return element;
}

/**
 * Writes the header.
 *
 * @param {Record<string, any>} extensions Parameters, or a list of them, by the name of the
 *   extension
 * @return {string} The field value
 */
function format(extensions) {
  let header = '';
  for (const name of Object.keys(extensions)) {
    for (const parameters of toList(extensions[name])) {
      const element = formatElement(name, parameters);
      header = header === '' ? element : `${header}, ${element}`;
    }
  }
  return header;
}

module.exports = { format, parse };

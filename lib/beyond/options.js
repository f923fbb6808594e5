// @ts-check
'use strict';

// Checks of options that ws doesn't have. One that isn't given, or is `null`, is off.

/** The longest time of a timer, in milliseconds. */
const MAX_TIME = 2 ** 31 - 1;

/**
 * The numbers among them: least and greatest. All are integers.
 *
 * @type {Record<string, number[]>}
 */
const NUMBERS = {
  highWaterMark: [0, Number.MAX_SAFE_INTEGER],
  jitter: [0, MAX_TIME],
  maxBackpressure: [0, Number.MAX_SAFE_INTEGER],
  maxLifetime: [0, MAX_TIME]
};

/** What a message does that would exceed `maxBackpressure`. */
const POLICIES = ['close', 'drop'];

/**
 * @param {unknown} value An option
 * @return {boolean} Whether it is given
 */
function isSet(value) {
  return value !== undefined && value !== null;
}

/**
 * Checks a number among options.
 *
 * @param {string} name Its name
 * @param {unknown} value Its value
 * @param {number} least The least that it may be
 * @param {number} most The greatest
 * @throws {TypeError} If it's no number
 * @throws {RangeError} If it's no integer in between
 */
function checkNumber(name, value, least, most) {
  if (typeof value !== 'number') throw new TypeError(`The option "${name}" must be a number`);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(
    `The option "${name}" must be an integer from ${least} to ${most}, but is ${value}`
  );
}

/**
 * Checks a signal among options.
 *
 * @param {string} name Its name
 * @param {unknown} value Its value
 * @throws {TypeError} If it's none
 */
function checkSignal(name, value) {
  if (!isSet(value) || value instanceof AbortSignal) return;
  throw new TypeError(`The option "${name}" must be an AbortSignal`);
}

/**
 * Checks the options that both ends of a connection have.
 *
 * @param {any} options All options
 * @throws {TypeError} If one has the wrong type
 * @throws {RangeError} If one is out of its range
 */
function checkConnectionOptions(options) {
  for (const [name, [least, most]] of Object.entries(NUMBERS)) {
    const value = options[name];
    if (isSet(value)) checkNumber(name, value, least, most);
  }
  checkHeartbeat(options.heartbeat);
  checkSignal('lifetimeSignal', options.lifetimeSignal);
  const { promises } = options;
  if (isSet(promises) && typeof promises !== 'boolean') {
    throw new TypeError('The option "promises" must be a boolean');
  }
  const { backpressurePolicy } = options;
  if (isSet(backpressurePolicy) && !POLICIES.includes(backpressurePolicy)) {
    throw new TypeError('The option "backpressurePolicy" must be "close" or "drop"');
  }
}

/**
 * Checks the option `heartbeat`.
 *
 * @param {any} value The option
 * @throws {TypeError} If it has the wrong type
 * @throws {RangeError} If a time is out of its range
 */
function checkHeartbeat(value) {
  if (!isSet(value) || value === false) return;
  if (typeof value === 'number') checkNumber('heartbeat', value, 1, MAX_TIME);
  else if (typeof value !== 'object') {
    throw new TypeError('The option "heartbeat" must be a number or an object');
  } else {
    checkNumber('heartbeat.interval', value.interval, 1, MAX_TIME);
    if (value.timeout !== undefined) checkNumber('heartbeat.timeout', value.timeout, 1, MAX_TIME);
  }
}

module.exports = { checkConnectionOptions, checkNumber, checkSignal, isSet, MAX_TIME };

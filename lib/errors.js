// @ts-check
'use strict';

// Makes JavaScript errors of what the native part says about what a peer did.

const { getSystemErrorMap, getSystemErrorName } = require('node:util');

const { kStatusCode } = require('./constants');
const native = require('./native');

/**
 * Builds the error with which a connection fails.
 *
 * @param {{isRangeError: boolean, message: string, code: string, closeCode: number}} description
 *   What went wrong, as the native part says it
 * @param {Function} [caller] The function that the stack trace begins above
 * @return {Error} Its `code` is public, the close code is under `kStatusCode`
 */
function createProtocolError(description, caller = createProtocolError) {
  const ErrorClass = description.isRangeError ? RangeError : Error;
  const error = /** @type {any} */ (new ErrorClass(description.message));
  Error.captureStackTrace(error, caller);
  error.code = description.code;
  error[kStatusCode] = description.closeCode;
  return error;
}

/** RFC 6455, section 7.4.1: something unexpected, on this side. */
const INTERNAL_ERROR = 1011;

/**
 * Builds the error with which a connection fails by a mistake of ours.
 *
 * @param {string} message What went wrong
 * @return {Error} As those of the protocol
 */
function createInternalError(message) {
  return createProtocolError(
    {
      isRangeError: false,
      message: `Internal error: ${message}`,
      code: 'ERR_OXWS_INTERNAL',
      closeCode: INTERNAL_ERROR
    },
    createInternalError
  );
}

/**
 * Builds the error with which a connection fails whose peer sent what can't be inflated.
 *
 * @param {import('../binding.js').InflateFailure} failure What the native part says
 * @return {Error} An error as Node's zlib gives it, or that of ws for the limit
 */
function createInflateError({ errno, message, code, closeCode }) {
  if (errno === undefined) {
    return createProtocolError(native.messageLengthError(), createInflateError);
  }
  return Object.assign(new Error(message), { errno, code, [kStatusCode]: closeCode });
}

/** What a system call says of a peer that is gone. Not from `node:os`, which tests replace. */
const EPIPE = -([...getSystemErrorMap()].find(([, [name]]) => name === 'EPIPE')?.[0] ?? -32);

/** What is said of a mistake of ours. Where it is, the native part has printed. */
const PANIC = 'the engine has panicked';

/**
 * Builds the error with which a socket of the engine fails.
 *
 * @param {import('../binding.js').SocketFailure} failure What the native part says
 * @return {Error} The error as Node makes it
 */
function createSocketError({ number, writing, message, library, reason }) {
  if (message !== undefined) return createOpensslError(message, library, reason);
  if (number === 0) return createInternalError(PANIC);
  const code = getSystemErrorName(-number);
  const syscall = writing ? 'write' : 'read';
  const error = new Error(`${syscall} ${code}`);
  Error.captureStackTrace(error, createSocketError);
  return Object.assign(error, { errno: -number, code, syscall });
}

/**
 * @param {string} message What OpenSSL says
 * @param {string | undefined} library The part of OpenSSL that says so
 * @param {string | undefined} reason What went wrong, in its words
 * @return {Error} The error as Node makes it
 */
function createOpensslError(message, library, reason = '') {
  const code = `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
  const { stackTraceLimit } = Error;
  // Node makes it where no JavaScript runs.
  Error.stackTraceLimit = 0;
  const error = new Error(message);
  Error.stackTraceLimit = stackTraceLimit;
  return Object.assign(error, { library, reason, code });
}

module.exports = {
  createInflateError,
  createInternalError,
  createProtocolError,
  createSocketError,
  EPIPE,
  PANIC
};

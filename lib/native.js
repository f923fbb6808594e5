// @ts-check
'use strict';

// Loads the native part. The only place that requires `binding.js`, the loader that napi generates.

const { version } = require('../package.json');

/**
 * Describes the running platform as the binaries are named: system, processor, C library.
 *
 * @return {string} For example `linux-x64-gnu`
 * @private
 */
function platformName() {
  const parts = [process.platform, process.arch];
  if (process.platform === 'linux') {
    const report = /** @type {any} */ (process.report?.getReport());
    parts.push(report?.header?.glibcVersionRuntime ? 'gnu' : 'musl');
  } else if (process.platform === 'win32') {
    parts.push('msvc');
  }
  return parts.join('-');
}

/**
 * Builds the one error that a user sees when no binary can be loaded.
 *
 * @param {Error} cause What the generated loader threw
 * @return {Error} The error to throw
 * @private
 */
function loadError(cause) {
  const platform = platformName();
  const reasons = new Set();
  for (let error = /** @type {any} */ (cause); error; error = error.cause) {
    reasons.add(String(error.message).split('\n')[0]);
  }
  const error = new Error(
    `oxws ${version} could not load its native part for ${platform} (Node.js ${process.version}).\n` +
      `Tried: binding.${platform}.node beside the package, then the package ` +
      `@oxws/binding-${platform}.\n` +
      [...reasons].map((reason) => `  - ${reason}`).join('\n') +
      '\nWhat to do: reinstall with optional dependencies enabled ' +
      `(npm install oxws @oxws/binding-${platform}@${version}), or build from a checkout ` +
      'with Rust installed: npm run build.'
  );
  /** @type {any} */ (error).code = 'ERR_OXWS_NATIVE';
  error.cause = cause;
  return error;
}

/**
 * Loads the native part and checks that it belongs to this package.
 *
 * @return {typeof import('../binding.js')} The native functions
 * @private
 */
function load() {
  let native;
  try {
    native = require('../binding.js');
  } catch (error) {
    throw loadError(/** @type {Error} */ (error));
  }
  if (native.version() !== version) {
    throw loadError(
      new Error(`the binary is of version ${native.version()}, the package of version ${version}`)
    );
  }
  return native;
}

module.exports = load();

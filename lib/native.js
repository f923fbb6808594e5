// @ts-check
'use strict';

// Loads the native part. The only place that requires `binding.js`, the loader that napi generates.

const { optionalDependencies = {}, version } = /** @type {any} */ (require('../package.json'));
const { platformName } = require('./platform');

/**
 * Says how to get the native part where it is missing.
 *
 * @param {string} platform The name of the platform
 * @return {string} Lines of advice
 * @private
 */
function advice(platform) {
  const prebuilt = `@oxws/binding-${platform}`;
  const install =
    prebuilt in optionalDependencies
      ? 'install with optional dependencies enabled. npm may have left the package out ' +
        `(https://github.com/npm/cli/issues/4828): npm install ${prebuilt}@${version}`
      : `this package comes without a prebuilt binary for ${platform}`;
  return (
    `What to do:\n  - ${install}\n` +
    '  - with Rust installed, build it: node scripts/install.mjs in the folder of the package, ' +
    'npm run build in a checkout'
  );
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
  // All that was tried, but for the summary that napi puts in front and its attempts at WebAssembly,
  // which there is none of.
  const reasons = new Set();
  for (let error = /** @type {any} */ (cause); error; error = error.cause) {
    const [reason] = String(error.message).split('\n');
    if (!/native binding|wasi/.test(reason)) reasons.add(reason);
  }
  const error = new Error(
    `oxws ${version} could not load its native part for ${platform} (Node.js ${process.version}).\n` +
      `Tried: binding.${platform}.node beside the package, then the package ` +
      `@oxws/binding-${platform}.\n` +
      [...reasons].map((reason) => `  - ${reason}`).join('\n') +
      `\n${advice(platform)}`
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

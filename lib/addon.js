// @ts-check
'use strict';

// Finds the addon: a binary beside the package, which a build leaves there, or the package for this
// platform. It's loaded before anything else, perhaps where a test has replaced modules of Node.js:
// it needs as few as it can.

const { createRequire } = require('node:module');

const { platformNames } = require('./platform');
const { nativeVersion, version } = require('./version');

/** Thrown where there is no binary beside the package, which is no fault. */
const ABSENT = Symbol('absent');

/**
 * Requires the package with the binary of a platform. Each name stands here as a whole, within
 * `try`: bundlers see which packages there are, and let those fail that aren't installed.
 *
 * @param {string} platform The name of the platform
 * @return {any} The addon
 * @throws {Error} If it isn't installed, or can't be loaded
 */
function requirePackage(platform) {
  try {
    switch (platform) {
      case 'darwin-arm64':
        return require('@oxws/binding-darwin-arm64');
      case 'darwin-x64':
        return require('@oxws/binding-darwin-x64');
      case 'linux-arm-gnueabihf':
        return require('@oxws/binding-linux-arm-gnueabihf');
      case 'linux-arm64-gnu':
        return require('@oxws/binding-linux-arm64-gnu');
      case 'linux-arm64-musl':
        return require('@oxws/binding-linux-arm64-musl');
      case 'linux-x64-gnu':
        return require('@oxws/binding-linux-x64-gnu');
      case 'linux-x64-musl':
        return require('@oxws/binding-linux-x64-musl');
      case 'win32-arm64-msvc':
        return require('@oxws/binding-win32-arm64-msvc');
      case 'win32-x64-msvc':
        return require('@oxws/binding-win32-x64-msvc');
    }
  } catch (error) {
    // Node lists the files that wanted it.
    throw isMissing(error, platform)
      ? new Error(`@oxws/binding-${platform} is not installed`)
      : error;
  }
  const error = new Error(`there is no package with a binary for ${platform}`);
  throw Object.assign(error, { isOffered: false });
}

/**
 * @param {any} error What `require()` has thrown
 * @param {string} platform The name of the platform
 * @return {boolean} Whether it didn't find the package
 */
function isMissing(error, platform) {
  const text = String(error?.message);
  return /MODULE_NOT_FOUND/.test(error?.code) && text.includes(`@oxws/binding-${platform}`);
}

/**
 * Loads the addon.
 *
 * @param {string} [file] The path of the only one to try
 * @return {any} Its functions
 * @throws {Error} `ERR_OXWS_NATIVE`, with what was tried and what to do
 */
function loadAddon(file) {
  /** @type {any[]} */
  const failures = [];
  for (const load of file === undefined ? candidates() : [() => requireFile(file)]) {
    try {
      return checked(load());
    } catch (error) {
      if (error !== ABSENT) failures.push(error);
    }
  }
  throw loadError(failures);
}

/**
 * Lists what may be the addon, the likeliest first.
 *
 * @return {(() => any)[]} What loads it
 */
function candidates() {
  return platformNames().flatMap((platform) => [
    () => requireIfThere(`../binding.${platform}.node`),
    () => requirePackage(platform),
    // Where the links of pnpm were copied as what they lead to, nothing else leads there.
    () => requireIfThere(`../../.pnpm/node_modules/@oxws/binding-${platform}`)
  ]);
}

/**
 * @param {string} file Where a binary may be, from here
 * @return {any} The addon
 * @throws {unknown} `ABSENT` if there is none
 */
function requireIfThere(file) {
  try {
    return requireFile(file);
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    throw code === 'MODULE_NOT_FOUND' && message.includes(file) ? ABSENT : error;
  }
}

/**
 * @param {string} file The path of a binary
 * @return {any} The addon
 */
function requireFile(file) {
  // Not seen by bundlers, which would warn of a name that isn't written out.
  return createRequire(__filename)(file);
}

/**
 * @param {any} addon An addon
 * @return {any} The same
 * @throws {Error} If it isn't of the version that the package needs: the native part has versions
 *   of its own, as those of the package follow ws
 */
function checked(addon) {
  const found = addon.version?.();
  if (found !== nativeVersion) {
    throw new Error(`the binary is of version ${found}, the package needs ${nativeVersion}`);
  }
  return addon;
}

/**
 * Builds the one error of all that was tried.
 *
 * @param {any[]} failures Why each attempt failed
 * @return {Error} The error to throw
 */
function loadError(failures) {
  const [platform] = platformNames();
  const reasons = [...new Set(failures.map((failure) => String(failure.message).split('\n')[0]))];
  const error = new Error(
    `oxws ${version} could not load its addon for ${platform} (Node.js ${process.version}).\n` +
      [...reasons.map((reason) => `  - ${reason}`), `What to do: ${advice(failures)}`].join('\n')
  );
  /** @type {any} */ (error).code = 'ERR_OXWS_NATIVE';
  // What is wrong with a binary that is there says more than which ones aren't.
  error.cause = failures.find((failure) => failure.code !== undefined) ?? failures[0];
  return error;
}

/**
 * Says how to get the addon.
 *
 * @param {any[]} failures Why each attempt failed
 * @return {string} A sentence
 */
function advice(failures) {
  const [platform] = platformNames();
  const prebuilt = `@oxws/binding-${platform}`;
  if (failures.some(({ code }) => code === 'ERR_DLOPEN_DISABLED')) {
    const { permission } = /** @type {any} */ (process);
    return permission === undefined
      ? 'start Node.js without --no-addons.'
      : 'start Node.js with --allow-addons beside --permission.';
  }
  const isOffered = failures.every((failure) => failure.isOffered !== false);
  const build = 'with Rust installed, npx oxws build builds one.';
  if (failures.some(({ code }) => code === 'ERR_DLOPEN_FAILED')) {
    return `the binary is damaged, or of another system; install it again, or ${build}`;
  }
  if (!isOffered) return `there is no prebuilt binary for ${platform}; ${build}`;
  return (
    `install with optional dependencies, on this platform: npm install ${prebuilt}@${version} ` +
    `(https://github.com/npm/cli/issues/4828); or, ${build}`
  );
}

module.exports = { loadAddon };

// @ts-check
'use strict';

// Loads the native part: the addon, or where that can't be loaded, or isn't wanted, the same
// protocol as WebAssembly.
//
//   OXWS_BINDING=auto|native|wasm|PATH   which one, or the path of an addon; `auto` by default
//   OXWS_FALLBACK=warn|silent|error      what happens where `auto` can't load the addon

const { loadAddon } = require('./addon');
const { checkEnvironment } = require('./environment');

/**
 * The functions of the addon; those of an engine are missing in the WebAssembly build, see
 * `binding.d.ts`.
 *
 * @typedef {typeof import('../binding')} Native
 */

/** What Node.js says where it was started without addons. */
const DISABLED = 'ERR_DLOPEN_DISABLED';

/**
 * @return {{ native: Native, kind: 'native' | 'wasm' }} The functions, and what they are
 * @throws {Error} `ERR_OXWS_NATIVE` if what is wanted can't be loaded
 */
function load() {
  const wanted = process.env.OXWS_BINDING || 'auto';
  if (wanted === 'wasm') return { native: /** @type {any} */ (require('./wasm')), kind: 'wasm' };
  if (wanted === 'native') return { native: loadAddon(), kind: 'native' };
  if (wanted !== 'auto') return { native: loadAddon(wanted), kind: 'native' };
  try {
    return { native: loadAddon(), kind: 'native' };
  } catch (error) {
    return fallBack(/** @type {any} */ (error));
  }
}

/**
 * @param {any} error Why the addon can't be loaded
 * @return {{ native: Native, kind: 'wasm' }} The WebAssembly build
 * @throws {Error} That error, if so wanted or if there is no WebAssembly either
 */
function fallBack(error) {
  const { OXWS_FALLBACK: fallback } = process.env;
  if (fallback === 'error') throw error;
  let native;
  try {
    native = require('./wasm');
  } catch (reason) {
    error.message += `\nNor can its WebAssembly build: ${/** @type {Error} */ (reason).message}`;
    throw error;
  }
  // A program that is started without addons expects that.
  if (fallback !== 'silent' && error.cause?.code !== DISABLED) {
    const text = `${error.message}\noxws runs as WebAssembly, which is slower (OXWS_FALLBACK=silent).`;
    process.emitWarning(text, { type: 'OxwsWarning', code: 'OXWS_FALLBACK' });
  }
  return { native: /** @type {Native} */ (/** @type {unknown} */ (native)), kind: 'wasm' };
}

checkEnvironment();

const { kind, native } = load();

module.exports = /** @type {Native & { kind: typeof kind }} */ (
  Object.assign(Object.create(native), { kind })
);

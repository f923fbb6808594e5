// @ts-check
'use strict';

// Names the running platform as the binaries are named.

/**
 * Describes the running platform: system, processor, C library or ABI.
 *
 * @return {string} For example `linux-x64-gnu`
 */
function platformName() {
  const parts = [process.platform, process.arch];
  if (process.platform === 'linux') {
    const report = /** @type {any} */ (process.report?.getReport());
    const abi = process.arch === 'arm' ? 'eabihf' : '';
    parts.push((report?.header?.glibcVersionRuntime ? 'gnu' : 'musl') + abi);
  } else if (process.platform === 'win32') {
    parts.push('msvc');
  }
  return parts.join('-');
}

module.exports = { platformName };

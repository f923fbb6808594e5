// @ts-check
'use strict';

// The versions that package.json has: bundlers and hooks that load modules may have none for JSON.

module.exports = {
  /** The version of the native part. */
  nativeVersion: '0.1.0',
  /** The version of the package, which follows that of ws. */
  version: '8.23.0'
};

// @ts-check
'use strict';

// The versions that package.json has: hooks that load modules may have no way to load JSON.

module.exports = {
  /** The oldest major version of Node.js. */
  nodeVersion: 20,
  /** The version of the native part. */
  nativeVersion: '0.1.0',
  /** The version of the package, which follows that of ws. */
  version: '8.23.0'
};

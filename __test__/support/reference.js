'use strict';

// The real ws, to compare with: the same version whose API this package has.

const path = require('node:path');

const root = path.dirname(require.resolve('ws/package.json'));

/** ws itself. */
const ws = require('ws');

/** Gives one of ws's files in `lib/`, which its export map hides. */
function internal(name) {
  return require(path.join(root, 'lib', `${name}.js`));
}

module.exports = { internal, version: require('ws/package.json').version, ws };

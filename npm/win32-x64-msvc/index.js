'use strict';

// Bundlers that know no native files don't see this one, and those that trace files do.
const { createRequire } = require('node:module');
const { join } = require('node:path');

module.exports = createRequire(__filename)(join(__dirname, 'binding.win32-x64-msvc.node'));

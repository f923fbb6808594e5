// @ts-check
'use strict';

// The package for `require()` without addons: the condition `node-addons` isn't met.

require('./lib/binding-choice').wanted = 'wasm';

module.exports = require('./index.js');

// @ts-check
'use strict';

// Which native part the entry point of the package wants: `wasm.js` says `wasm` here.

module.exports = { wanted: 'auto' };

// @ts-check
'use strict';

// Leads every require of a file of a ws checkout's package to the file of the same name elsewhere.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

// What ws publishes. The rest of a checkout, its tests and what they bring along, stays its own.
const PUBLISHED = /^(?:browser\.js|index\.js|wrapper\.mjs|lib[\\/].*)$/;

/**
 * Installs the redirection for this process.
 *
 * @param {string} checkout The folder of the checkout
 * @param {string} target The folder of the package to load in its place
 * @return {Set<string>} The names of the files that were asked for so far; grows with each require
 */
function redirect(checkout, target) {
  const seen = new Set();
  const loader = /** @type {any} */ (Module);
  const resolve = loader._resolveFilename;

  loader._resolveFilename = function (/** @type {any[]} */ ...args) {
    const file = resolve.apply(this, args);
    const name = path.relative(checkout, file);
    if (!PUBLISHED.test(name)) return file;
    const replacement = path.join(target, name);
    if (!fs.existsSync(replacement)) {
      throw new Error(`the tests require ${name}, which ${target} does not have`);
    }
    seen.add(name);
    return replacement;
  };
  return seen;
}

module.exports = redirect;

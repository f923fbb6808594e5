// @ts-check
'use strict';

// Refuses a Node.js that is too old, before anything else is loaded: what would be missing there
// says nothing of the version. Written so that old ones can read it.

const { nodeVersion: least } = require('./version');

/**
 * Says what is wrong with a version of Node.js, if anything is.
 *
 * @param {string | undefined} version The version
 * @return {string | undefined} A sentence
 */
function findVersionMistake(version) {
  if (version === undefined || Number.parseInt(version, 10) >= least) return undefined;
  return `oxws needs Node.js ${least} or newer; this is ${version}.`;
}

const mistake = findVersionMistake(process.versions.node);

if (mistake !== undefined) {
  throw Object.assign(new Error(mistake), { code: 'ERR_OXWS_NODE_VERSION' });
}

module.exports = { findVersionMistake };

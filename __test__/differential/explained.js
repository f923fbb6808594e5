// @ts-check
'use strict';

// Differences that are meant, each with its reason: `applies` names the programs in which it can be seen,
// `normalise` takes it out of a trace of either implementation. As narrow as possible: what a rule takes
// away is not compared.

/**
 * @typedef {object} Explanation
 * @property {string} name A name for reports
 * @property {string} reason Where the README's list of differences says so, or why nobody can rely on it
 * @property {(program: any) => boolean} applies Whether it can be seen in a program
 * @property {(trace: Record<string, string[]>, program: any) => Record<string, string[]>} normalise Gives
 *   a trace without it
 */

/** @type {Explanation[]} */
const explanations = [];

module.exports = explanations;

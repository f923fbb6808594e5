// @ts-check
'use strict';

// The environment variables of oxws: which there are, and what they may be. One that is misspelt
// would have no effect, unnoticed.

const { getEnvironmentData, setEnvironmentData } = require('node:worker_threads');

/** How many letters may be wrong in what was meant. */
const MAX_TYPOS = 2;

/** @typedef {{ values: string[], accepts?: (value: string) => boolean }} Variable */

/**
 * The variables by name: the words that each may be, and what else.
 *
 * @type {Record<string, Variable>}
 */
const VARIABLES = {
  // Anything else is a path, and an error where there is no addon.
  OXWS_BINDING: { values: ['auto', 'native', 'wasm'], accepts: () => true },
  OXWS_DRIVER: { values: ['loop', 'tokio', 'auto'] },
  OXWS_ENCODER: { values: ['zlib'] },
  OXWS_FALLBACK: { values: ['warn', 'silent', 'error'] },
  OXWS_THREADS: { values: ['a number from 1'], accepts: (value) => /^\+?0*[1-9]\d*$/.test(value) },
  OXWS_TLS: { values: ['openssl', 'node'] },
  OXWS_TRANSPORT: { values: ['stream'] }
};

/** What the scripts of the repository read. */
const OF_SCRIPTS = [
  'OXWS_AUTOBAHN',
  'OXWS_CI_MINUTES',
  'OXWS_TEST_CACHE',
  'OXWS_TEST_TLS',
  'OXWS_WS_CHECKOUT'
];

/** Where it's noted that the variables were looked at, for this thread and those that it starts. */
const CHECKED = 'oxws: environment';

/**
 * Counts the letters to insert, leave out, replace or swap with the next, to get from one text to
 * another.
 *
 * @param {string} from A text
 * @param {string} to Another
 * @return {number} How many
 */
function distance(from, to) {
  /** @type {number[]} */
  let beforeLast = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      let least = Math.min(
        last[column] + 1,
        current[column - 1] + 1,
        last[column - 1] + (isSame ? 0 : 1)
      );
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (isSwapped && row > 1) least = Math.min(least, beforeLast[column - 2] + 1);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return last[to.length];
}

/**
 * Finds what was meant.
 *
 * @param {string} given What somebody has written
 * @param {string[]} known What there is
 * @return {string} A question that names it; empty where nothing is like it
 */
function suggestion(given, known) {
  const text = given.toLowerCase();
  const found = known
    .map((name) => ({ name, typos: distance(text, name.toLowerCase()) }))
    .filter(({ name, typos }) => typos <= MAX_TYPOS && typos < name.length / 2)
    .sort((a, b) => a.typos - b.typos);
  return found.length > 0 ? ` (did you mean ${found[0].name}?)` : '';
}

/**
 * Tells whether a variable is, or was meant to be, one of oxws.
 *
 * @param {string} name Its name
 * @return {boolean} Whether it begins with the letters of oxws, in whatever order
 */
function isOurs(name) {
  const letters = [...name.slice(0, 4).toUpperCase()].sort().join('');
  return letters === 'OSWX' && /^[a-z]{4}_?[a-z_]+$/i.test(name);
}

/**
 * Finds the variables that have no effect.
 *
 * @param {Record<string, string | undefined>} env The environment
 * @return {string[]} A sentence for each
 */
function findMistakes(env) {
  const mistakes = [];
  for (const given of Object.keys(env)) {
    if (!isOurs(given) || OF_SCRIPTS.includes(given)) continue;
    // Windows doesn't tell small letters from capital ones.
    const name = process.platform === 'win32' ? given.toUpperCase() : given;
    const value = env[given];
    if (!Object.hasOwn(VARIABLES, name)) {
      mistakes.push(`${given} isn't known${suggestion(given, Object.keys(VARIABLES))}.`);
      continue;
    }
    const { values, accepts } = VARIABLES[name];
    if (!value || values.includes(value) || accepts?.(value)) continue;
    const expected = values.length === 1 ? values[0] : `one of ${values.join(', ')}`;
    mistakes.push(`${name} is "${value}", not ${expected}${suggestion(value, values)}.`);
  }
  return mistakes;
}

/**
 * Warns of environment variables that have no effect: once, not again in each worker thread.
 */
function checkEnvironment() {
  if (getEnvironmentData(CHECKED)) return;
  setEnvironmentData(CHECKED, true);
  const mistakes = findMistakes(process.env);
  if (mistakes.length === 0) return;
  const text = ['Environment variables of oxws without effect:', ...mistakes].join('\n  ');
  process.emitWarning(text, { code: 'OXWS_ENVIRONMENT', type: 'OxwsWarning' });
}

module.exports = { checkEnvironment, findMistakes, VARIABLES };

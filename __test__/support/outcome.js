'use strict';

/**
 * Calls a function and says what came of it, in a form that can be compared.
 *
 * @param {() => any} act The function
 * @return {{value: any} | {error: string}} What it returned, or class, code and message of what it
 *   threw
 */
function outcome(act) {
  try {
    return { value: act() };
  } catch (error) {
    return { error: `${error.constructor.name} ${error.code}: ${error.message}` };
  }
}

module.exports = { outcome };

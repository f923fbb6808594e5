// @ts-check
'use strict';

/**
 * @param {string} name What the broker is
 * @return {Error} The error of a message that is published while there is no connection to it
 */
function disconnected(name) {
  return Object.assign(new Error(`There is no connection to ${name}`), { code: 'ERR_OXWS_BROKER' });
}

module.exports = { disconnected };

// @ts-check
'use strict';

const fs = require('node:fs');
const path = require('node:path');

/**
 * Finds a program of the system.
 *
 * @param {...string} names Its name, or several, the first that is there
 * @return {string | undefined} Its path
 */
function findProgram(...names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).concat('/usr/bin', '/usr/sbin');
  return names
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => fs.existsSync(file));
}

module.exports = findProgram;

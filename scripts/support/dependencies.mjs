// Installs node_modules when they are missing or differ from package-lock.json.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstLine, npmCommand, root, run, Stop } from './command.mjs';

/**
 * Reads the packages of a lock file.
 *
 * @param {string} file The file
 * @return {Record<string, { version: string, optional?: boolean }>} By folder
 */
function lockedPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/**
 * Tells whether node_modules hold what package-lock.json names. npm records there what it
 * installed, so neither dates nor a stamp of our own are needed.
 *
 * @return {boolean} Whether nothing is missing, of another version or left over
 */
function dependenciesAreFresh() {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const { '': _project, ...wanted } = lockedPackages(join(root, 'package-lock.json'));
  const installed = lockedPackages(record);
  return (
    Object.keys(installed).every((folder) => folder in wanted) &&
    Object.keys(wanted).every(
      (folder) =>
        installed[folder]
          ? installed[folder].version === wanted[folder].version
          : wanted[folder].optional // for another platform
    )
  );
}

/** Makes sure that node_modules are what package-lock.json says. */
export async function requireDependencies() {
  if (dependenciesAreFresh()) return;
  const [program, ...first] = npmCommand();
  if (firstLine(program, [...first, '--version']) === undefined) {
    throw new Stop(
      'npm is missing.\n  It comes with Node.js (on Debian or Ubuntu as a package of its own: ' +
        'apt-get install npm).'
    );
  }
  console.log('Installing the development packages (npm ci) ...');
  const code = await run(program, [...first, 'ci', '--loglevel=error']);
  if (code !== 0) {
    throw new Stop(
      `npm ci failed with exit code ${code}.\n` +
        '  It needs the npm registry. Its own message above says more; then run the command again.'
    );
  }
}

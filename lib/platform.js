// @ts-check
'use strict';

// Names the running platform as the binaries are named.

/**
 * Describes the running platform: system, processor, C library or ABI.
 *
 * @return {string[]} The likeliest name first, for example `linux-x64-gnu`; another one where the C
 *   library isn't known for sure
 */
function platformNames() {
  const { arch, platform } = process;
  const name = `${platform}-${arch}`;
  if (platform === 'win32') return [`${name}-msvc`];
  if (platform !== 'linux') return [name];
  const abi = arch === 'arm' ? 'eabihf' : '';
  const isGlibc = glibcVersion() !== undefined;
  const names = [`${name}-gnu${abi}`, `${name}-musl${abi}`];
  return isGlibc ? names.slice(0, 1) : names.reverse();
}

/**
 * @return {string | undefined} The version of glibc that runs, if Node.js says so
 */
function glibcVersion() {
  const report = /** @type {any} */ (process.report);
  if (report === undefined) return undefined;
  const { excludeNetwork } = report;
  // Else it asks for the names of all hosts that the process is connected to.
  report.excludeNetwork = true;
  try {
    return report.getReport()?.header?.glibcVersionRuntime;
  } catch {
    return undefined;
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/**
 * @return {string} The name of the running platform
 */
function platformName() {
  return platformNames()[0];
}

module.exports = { platformName, platformNames };

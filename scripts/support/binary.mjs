// Looks into a built binary: what it is for, and what it asks of the system.

/** The oldest glibc that binaries run on, 2.17: older than what any supported Node runs on. */
export const GLIBC = 17;

/** The processors, by the number that each format has for them. */
const ELF_MACHINES = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64' };
const MACHO_TYPES = { 16777223: 'x64', 16777228: 'arm64' };
const PE_MACHINES = { 34404: 'x64', 43620: 'arm64' };

/**
 * Reads the header of an ELF, Mach-O or PE file.
 *
 * @param {Buffer} file The file
 * @return {{ platform: string, arch: string | undefined }} As `process.platform`, `process.arch`
 */
function readHeader(file) {
  if (file.toString('latin1', 0, 4) === '\x7fELF') {
    return { platform: 'linux', arch: ELF_MACHINES[file.readUInt16LE(18)] };
  }
  if (file.readUInt32LE(0) === 0xfeedfacf) {
    return { platform: 'darwin', arch: MACHO_TYPES[file.readUInt32LE(4)] };
  }
  if (file.toString('latin1', 0, 2) === 'MZ') {
    return { platform: 'win32', arch: PE_MACHINES[file.readUInt16LE(file.readUInt32LE(60) + 4)] };
  }
  return { platform: 'unknown', arch: undefined };
}

/**
 * Finds the newest glibc that a binary names: the names of versions are in its string table.
 *
 * @param {Buffer} file The file
 * @return {number | undefined} The minor version, 17 for glibc 2.17; nothing without glibc
 */
function newestGlibc(file) {
  const versions = [...file.toString('latin1').matchAll(/\0GLIBC_2\.(\d+)/g)];
  return versions.length > 0 ? Math.max(...versions.map(([, minor]) => Number(minor))) : undefined;
}

/**
 * Checks that a binary is one for a target.
 *
 * @param {Buffer} file The file
 * @param {import('./targets.mjs').Target} target The target
 * @return {string[]} What is wrong
 */
export function faultsOf(file, target) {
  const faults = [];
  const { platform, arch } = readHeader(file);
  if (platform !== target.platform || arch !== target.arch) {
    faults.push(`it is for ${platform} ${arch}`);
  }
  const newest = newestGlibc(file);
  if (target.abi?.startsWith('gnu') && platform === 'linux') {
    if (newest === undefined) faults.push('it names no version of glibc');
    else if (newest > GLIBC) faults.push(`it asks for glibc 2.${newest}, newer than 2.${GLIBC}`);
  } else if (newest !== undefined) {
    faults.push('it asks for glibc');
  }
  if (!file.includes('napi_register_module_v1')) faults.push('it exports no Node-API module');
  return faults;
}

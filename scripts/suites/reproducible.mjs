// `npm test -- reproducible`: builds the committed sources in two folders, as they are built to be
// published, and compares the binaries byte by byte. Also looks for paths of this machine in them.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture, root, run, Stop } from '../support/command.mjs';
import { encodeFlags, pathFlags } from '../support/paths.mjs';
import { libraryName, requireRust } from '../support/toolchain.mjs';
import { WASM_ARGUMENTS, WASM_FLAGS, WASM_MODULE } from '../support/wasm.mjs';

/** Of different lengths: what depends on the path would be found by its place, too. */
const FOLDERS = ['one', 'another-folder'];

/** @return {import('../support/steps.mjs').Steps} The steps of the suite */
export default function reproducible() {
  requireRust();
  return { 'two builds of one commit': compareBuilds };
}

/**
 * @return {Promise<number>} 0 where both builds are the same
 */
async function compareBuilds() {
  const temporary = mkdtempSync(join(tmpdir(), 'oxws-builds-'));
  try {
    const builds = [];
    for (const name of FOLDERS) builds.push(await build(join(temporary, name)));
    const paths = [temporary, root, homedir()];
    const faults = Object.keys(builds[0]).flatMap((name) => {
      const [first, second] = builds.map((each) => each[name]);
      const hash = createHash('sha256').update(first).digest('hex');
      console.log(`${name}: ${first.length} bytes, SHA-256 ${hash}`);
      return faultsOf(name, first, second, paths);
    });
    for (const fault of faults) console.log(fault);
    return faults.length > 0 ? 1 : 0;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/**
 * @param {string} name What was built
 * @param {Buffer} first How it was built once
 * @param {Buffer} second The same, built again
 * @param {string[]} paths What must not be in it
 * @return {string[]} What is wrong
 */
function faultsOf(name, first, second, paths) {
  const faults = paths.filter((path) => first.includes(path)).map((path) => `${name} has ${path}`);
  if (first.equals(second)) return faults;
  const at = first.findIndex((byte, index) => byte !== second[index]);
  return [...faults, `the second ${name} has another byte at ${at}`];
}

/**
 * Builds the sources of the latest commit.
 *
 * @param {string} folder Where
 * @return {Promise<Record<string, Buffer>>} The addon and the WebAssembly module
 */
async function build(folder) {
  mkdirSync(folder);
  const archive = join(folder, 'sources.tar');
  capture('git', ['archive', '--output', archive, 'HEAD']);
  capture('tar', ['-xf', archive, '-C', folder]);
  const target = join(folder, 'target');
  const addon = ['build', '--release', '--locked', '--lib'];
  await compile(folder, target, addon, []);
  await compile(folder, target, WASM_ARGUMENTS, WASM_FLAGS);
  return {
    addon: readFileSync(join(target, 'release', libraryName())),
    'WebAssembly module': readFileSync(join(target, WASM_MODULE))
  };
}

/**
 * @param {string} folder Where the sources are
 * @param {string} target The folder for what is compiled
 * @param {string[]} args Arguments of cargo
 * @param {string[]} flags Arguments of the compiler, besides those for paths
 */
async function compile(folder, target, args, flags) {
  const env = {
    ...process.env,
    CARGO_ENCODED_RUSTFLAGS: encodeFlags([...flags, ...pathFlags(folder)]),
    CARGO_TARGET_DIR: target
  };
  if ((await run('cargo', [...args, '--quiet'], { cwd: folder, env })) !== 0) {
    throw new Stop('a build failed; the compiler says why above');
  }
}

// `npm test -- reproducible`: builds the committed sources in two folders, as they are built to be
// published, and compares the binaries byte by byte. Also looks for paths of this machine in them.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture, root, run, Stop } from '../support/command.mjs';
import { encodeFlags, pathFlags } from '../support/paths.mjs';
import { libraryName, requireRust } from '../support/toolchain.mjs';

/** Of different lengths: what depends on the path would be found by its place, too. */
const FOLDERS = ['one', 'another-folder'];

/** @return {import('../support/steps.mjs').Steps} The steps of the suite */
export default function reproducible() {
  requireRust();
  return { 'two builds of one commit': compare };
}

/**
 * @return {Promise<number>} 0 where both builds are the same
 */
async function compare() {
  const temporary = mkdtempSync(join(tmpdir(), 'oxws-builds-'));
  try {
    const binaries = [];
    for (const name of FOLDERS) binaries.push(await build(join(temporary, name)));
    const [first, second] = binaries;
    for (const [index, binary] of binaries.entries()) {
      const hash = createHash('sha256').update(binary).digest('hex');
      console.log(`${FOLDERS[index]}: ${binary.length} bytes, SHA-256 ${hash}`);
    }
    const traces = [temporary, root, homedir()].filter((path) => first.includes(path));
    if (traces.length > 0) console.log(`paths of this machine: ${traces.join(', ')}`);
    if (first.equals(second)) return traces.length > 0 ? 1 : 0;
    const at = first.findIndex((byte, index) => byte !== second[index]);
    console.log(`They differ from byte ${at} on.`);
    return 1;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/**
 * Builds the sources of the latest commit.
 *
 * @param {string} folder Where
 * @return {Promise<Buffer>} The binary
 */
async function build(folder) {
  mkdirSync(folder);
  const archive = join(folder, 'sources.tar');
  capture('git', ['archive', '--output', archive, 'HEAD']);
  capture('tar', ['-xf', archive, '-C', folder]);
  const env = { ...process.env, CARGO_ENCODED_RUSTFLAGS: encodeFlags(pathFlags(folder)) };
  // Each with a folder of its own for what is compiled.
  env.CARGO_TARGET_DIR = join(folder, 'target');
  const args = ['build', '--release', '--locked', '--lib', '--quiet'];
  if ((await run('cargo', args, { cwd: folder, env })) !== 0) {
    throw new Stop('a build failed; the compiler says why above');
  }
  return readFileSync(join(folder, 'target', 'release', libraryName()));
}

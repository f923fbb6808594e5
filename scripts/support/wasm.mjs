// Builds the WebAssembly module when its sources have changed, into a JavaScript file that any
// bundler carries: `binding.wasm.js` exports the module, deflated, as base64.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { capture, root, run, Stop } from './command.mjs';
import { encodeFlags, pathFlags } from './paths.mjs';
import { requireRust } from './toolchain.mjs';

const TARGET = 'wasm32-unknown-unknown';
const FOLDERS = ['crates', 'src/javascript', 'src/protocol', 'src/wasm'];
const FILES = ['Cargo.lock', 'Cargo.toml', 'build.rs', 'scripts/support/paths.mjs', 'src/lib.rs'];
const OUTPUT = 'binding.wasm.js';
const TARGET_FOLDER = join('target', 'wasm');
/** Of the WebAssembly proposals the one that every supported Node has, for UTF-8 and masking. */
export const WASM_FLAGS = ['-C', 'target-feature=+simd128'];
/** How cargo builds the module. */
export const WASM_ARGUMENTS = [
  ...['rustc', '--release', '--locked', '--lib', '--crate-type', 'cdylib'],
  ...['--target', TARGET, '--no-default-features', '--features', 'wasm']
];
/** Where the module is then, in the folder for what is compiled. */
export const WASM_MODULE = join(TARGET, 'release', 'oxws.wasm');

/**
 * Hashes what the module is made of.
 *
 * @return {string} The hash
 */
function hashSources() {
  const below = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((name) => /\.(rs|toml)$/.test(name))
  );
  const hash = createHash('sha256').update(WASM_FLAGS.join(' '));
  for (const name of [...FILES, ...below.sort()]) {
    hash.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  }
  return hash.digest('hex');
}

/**
 * The first line of the file, which says what it was built from.
 *
 * @return {string} The line
 */
function firstLine() {
  return `// Built by npm run build from sources ${hashSources()}\n`;
}

/** Makes sure that the standard library for the target is there. */
async function requireTarget() {
  const sysroot = capture('rustc', ['--print', 'sysroot']).trim();
  if (existsSync(join(sysroot, 'lib', 'rustlib', TARGET))) return;
  const code = await run('rustup', ['target', 'add', TARGET]).catch(() => 1);
  if (code !== 0) {
    throw new Stop(
      `Rust can't compile for WebAssembly yet. With rustup: rustup target add ${TARGET}`
    );
  }
}

/**
 * Makes sure that the module is built from the sources as they are.
 *
 * @param {object} [options] How to build
 * @param {boolean} [options.force=false] Build also when nothing changed
 */
export async function requireWasm({ force = false } = {}) {
  const first = firstLine();
  const output = join(root, OUTPUT);
  if (!force && existsSync(output) && readFileSync(output, 'utf8').startsWith(first)) return;
  requireRust();
  await requireTarget();
  console.log('Building the WebAssembly module ...');
  const flags = encodeFlags([...WASM_FLAGS, ...pathFlags(root)]);
  const env = {
    ...process.env,
    CARGO_TARGET_DIR: TARGET_FOLDER,
    CARGO_ENCODED_RUSTFLAGS: flags
  };
  if ((await run('cargo', WASM_ARGUMENTS, { env })) !== 0) {
    throw new Stop('the WebAssembly module did not build; the compiler says why above.');
  }
  const module = readFileSync(join(root, TARGET_FOLDER, WASM_MODULE));
  const text = deflateRawSync(module, { level: 9 }).toString('base64');
  writeFileSync(output, `${first}'use strict';\n\nmodule.exports = '${text}';\n`);
  console.log(`${OUTPUT}: ${(text.length / 1024).toFixed(0)} KiB`);
}

// `npm run build:targets [-- TRIPLE ...]`: builds the binaries that are published, all or some, and
// puts them into `prebuilt/`. `checked` stands for the targets that are only checked.
//
// On any system Linux and macOS are built by cargo-zigbuild, but macOS by its own tools on a Mac.
// Windows is built on Windows; elsewhere the code for it is only checked. `x86_64-pc-windows-gnu`,
// which isn't published, can be built everywhere, to run the same code.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultsOf, GLIBC } from './support/binary.mjs';
import { firstLine, main, root, run, Stop } from './support/command.mjs';
import { requireDependencies } from './support/dependencies.mjs';
import { encodeFlags, pathFlags } from './support/paths.mjs';
import { libraryName, requireNode, requireRust } from './support/toolchain.mjs';

/** The oldest macOS, by processor: that of Node 20, and the first for the processor. */
const MACOS = { x64: '10.15', arm64: '11.0' };

/**
 * Targets that are compiled for, to see that they could be: there is no package for them, and where
 * nobody builds one, WebAssembly runs.
 */
const CHECKED = [
  'x86_64-unknown-freebsd',
  'riscv64gc-unknown-linux-gnu',
  'powerpc64le-unknown-linux-gnu',
  's390x-unknown-linux-gnu'
];

const PREBUILT = join(root, 'prebuilt');

/** Stops when the tools to link for other systems are missing. */
function requireZig() {
  if (firstLine('cargo', ['zigbuild', '--help']) !== undefined) {
    const found = [
      ['zig', ['version']],
      ['python3', ['-m', 'ziglang', 'version']],
      ['python', ['-m', 'ziglang', 'version']]
    ].some(([program, args]) => firstLine(program, args) !== undefined);
    if (found) return;
  }
  throw new Stop(
    'to build for other systems, cargo-zigbuild and zig are needed:\n' +
      '  cargo install --locked cargo-zigbuild\n  pip install ziglang'
  );
}

/**
 * Says how a target is built on this system.
 *
 * @param {import('./support/targets.mjs').Target} target The target
 * @return {{ command: string, triple: string, flags: string }} The command of cargo, what it
 *   is to build for, and flags for the compiler
 */
function methodOf({ triple, platform, abi }) {
  if (CHECKED.includes(triple)) return { command: 'check', triple, flags: '' };
  if (abi === 'msvc') {
    // Without the runtime library of Visual C++ inside, users would have to install it.
    const flags = '-C target-feature=+crt-static';
    return { command: process.platform === 'win32' ? 'build' : 'check', triple, flags };
  }
  if (platform === 'darwin' && process.platform === 'darwin') {
    return { command: 'build', triple, flags: '' };
  }
  if (platform === 'darwin') {
    // By default the name is the path of the file on the machine that it is built on.
    return {
      command: 'zigbuild',
      triple,
      flags: '-C link-arg=-Wl,-install_name,@rpath/binding.node'
    };
  }
  const isGlibc = platform === 'linux' && abi.startsWith('gnu');
  return {
    command: 'zigbuild',
    triple: isGlibc ? `${triple}.2.${GLIBC}` : triple,
    flags: abi === 'musl' ? '-C target-feature=-crt-static' : ''
  };
}

/**
 * Makes a folder with an empty `libnode`: napi links one for the GNU ABI of Windows, though it
 * looks up what it needs of Node at run time.
 *
 * @return {string} The folder
 */
function emptyLibnode() {
  const folder = mkdtempSync(join(tmpdir(), 'oxws-libnode-'));
  writeFileSync(join(folder, 'libnode.dll'), '');
  writeFileSync(join(folder, 'libnode.dll.a'), '!<arch>\n');
  return folder;
}

/**
 * Builds, or checks, one target.
 *
 * @param {import('./support/targets.mjs').Target} target The target
 * @return {Promise<string>} What became of it
 */
async function build(target) {
  const { command, triple, flags } = methodOf(target);
  if (command === 'zigbuild') requireZig();
  if ((await run('rustup', ['target', 'add', target.triple])) !== 0) {
    throw new Stop(`rustup has no standard library for ${target.triple}`);
  }

  const words = `${process.env.RUSTFLAGS || ''} ${flags}`.split(' ').filter(Boolean);
  const env = {
    ...process.env,
    CARGO_ENCODED_RUSTFLAGS: encodeFlags([...words, ...pathFlags(root)])
  };
  if (target.platform === 'darwin') env.MACOSX_DEPLOYMENT_TARGET = MACOS[target.arch];
  const libnode = target.triple.endsWith('windows-gnu') ? emptyLibnode() : undefined;
  if (libnode !== undefined) env.LIBNODE_PATH = libnode;
  const args = [command, '--release', '--locked', '--lib', '--target', triple];
  const code = await run('cargo', args, { env }).finally(() => {
    if (libnode !== undefined) rmSync(libnode, { recursive: true });
  });
  if (code !== 0) throw new Stop(`${target.triple} did not build; the compiler says why above`);
  if (command === 'check') {
    return target.abi === 'msvc' ? 'checked only, it is built on Windows' : 'checked only';
  }

  const library = libraryName(target.platform);
  const built = join(root, 'target', target.triple, 'release', library);
  const file = readFileSync(built);
  const faults = faultsOf(file, target);
  if (faults.length > 0) throw new Stop(`${built} is not as it should be: ${faults.join('; ')}`);
  mkdirSync(PREBUILT, { recursive: true });
  copyFileSync(built, join(PREBUILT, `binding.${target.name}.node`));
  return `built, ${Math.round(file.length / 1024)} KiB`;
}

main(async (args) => {
  requireNode();
  requireRust();
  await requireDependencies();
  const { publishedTargets, targetOf } = await import('./support/targets.mjs');
  const named = args.flatMap((arg) => (arg === 'checked' ? CHECKED : [arg]));
  const targets = named.length > 0 ? named.map(targetOf) : publishedTargets();
  setPriority(constants.priority.PRIORITY_LOW);

  const results = [];
  for (const target of targets) {
    console.log(`\n--- ${target.triple}`);
    results.push(`${target.triple}: ${await build(target)}`);
  }
  console.log(`\n${results.join('\n')}`);
});

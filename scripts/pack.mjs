// `npm run pack:packages [-- --partial] [--binaries prebuilt] [--out packed]`: makes the tarballs
// that are published: the package, and one for each binary, which `npm/` has the rest of.
// `--update` writes `npm/` anew instead, after a change of the version or of the targets.
//
// Everything is put together in the folder `--out`; the tarballs are there, too. What it had before
// is deleted. `package.json` of the repository names no package of a binary: those of a version
// exist only once it is published, so that `npm ci` could never be run before. The copy that is
// packed names them all. `--partial` packs what binaries there are, also those that ask for the
// glibc of this machine.

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { faultsOf } from './support/binary.mjs';
import { capture, main, npmCommand, root, Stop } from './support/command.mjs';
import { prepare } from './support/prepare.mjs';

/**
 * Reads a `package.json`.
 *
 * @param {string} folder Where it is
 * @return {any} What it says
 */
function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/**
 * Writes a `package.json`.
 *
 * @param {string} folder Where to
 * @param {any} manifest What it says
 */
function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Says where the sources are, where a workflow of GitHub packs: npm compares that with the
 * provenance. In the repository OWNER stands for who has it.
 *
 * @param {any} manifest The `package.json` of a package
 * @return {any} The same with the addresses of this repository
 */
function withAddresses(manifest) {
  const { GITHUB_REPOSITORY: name, GITHUB_SERVER_URL: server } = process.env;
  if (!name || !server) return manifest;
  const text = JSON.stringify(manifest);
  return JSON.parse(text.replaceAll('https://github.com/OWNER/oxws', `${server}/${name}`));
}

/**
 * Runs `npm pack` and gives what it did.
 *
 * @param {string} folder The folder of the package
 * @param {string[]} args Further arguments
 * @return {{ filename: string, files: { path: string }[] }} The tarball
 */
function npmPack(folder, args) {
  const [program, ...first] = npmCommand();
  const output = capture(
    program,
    [...first, 'pack', '--json', '--ignore-scripts', '--loglevel=error', ...args],
    { cwd: folder }
  );
  return Object.values(JSON.parse(output))[0];
}

/**
 * Collects the files that a value of `package.json` leads to.
 *
 * @param {unknown} value A path, or an object or list of such
 * @return {string[]} The paths
 */
function pathsIn(value) {
  if (typeof value === 'string') return [value.replace(/^\.\//, '')];
  return Object.values(value ?? {}).flatMap(pathsIn);
}

/**
 * Checks that a package has all the files that its `package.json` speaks of.
 *
 * @param {any} manifest The `package.json`
 * @param {string[]} packed The files in the package
 */
function checkFiles(manifest, packed) {
  const { bin, browser, exports, files, main: entry, name, types } = manifest;
  for (const path of pathsIn([bin, browser, exports, entry, types])) {
    if (!packed.includes(path)) throw new Stop(`${name} lacks ${path}, which it leads to`);
  }
  for (const pattern of files.filter((each) => !each.startsWith('!'))) {
    const [fixed] = pattern.split('*');
    const there = packed.some((path) =>
      fixed === pattern ? path === fixed || path.startsWith(`${fixed}/`) : path.startsWith(fixed)
    );
    if (!there) throw new Stop(`${name} has nothing for "${pattern}" of its files`);
  }
}

/**
 * Writes the packages of the binaries, complete but for those that are missing.
 *
 * @param {string} out Where to
 * @param {string} binaries The folder with the binaries
 * @param {boolean} partial Whether it's not for others: a binary may be for this machine only
 * @return {Promise<{ folder: string, manifest: any, packed: boolean }[]>} The packages
 */
async function writeBinaryPackages(out, binaries, partial) {
  const { binaryName, folder: sources } = await import('./support/binary-packages.mjs');
  const whole = readManifest(root);
  const { publishedTargets } = await import('./support/targets.mjs');
  return publishedTargets().map((target) => {
    const folder = join(out, target.name);
    cpSync(join(sources, target.name), folder, { recursive: true });
    const manifest = readManifest(folder);
    const name = binaryName(target, whole);
    const binary = join(binaries, name);
    if (existsSync(binary)) {
      const faults = faultsOf(readFileSync(binary), target);
      if (faults.length > 0 && !partial) throw new Stop(`${binary}: ${faults.join('; ')}`);
      copyFileSync(binary, join(folder, name));
    }
    copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
    writeManifest(folder, withAddresses(manifest));
    return { folder, manifest, packed: existsSync(binary) };
  });
}

/** Writes `npm/` anew. */
async function updateBinaryPackages() {
  const { expectedFiles, folder } = await import('./support/binary-packages.mjs');
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of Object.entries(expectedFiles())) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/**
 * Has the links of a document lead to the repository: the package has none of what they lead to.
 *
 * @param {string} text The document, which is in the root
 * @param {any} manifest The `package.json` of the package
 * @return {string} The same with absolute links
 */
function withAbsoluteLinks(text, { repository, version }) {
  const base = repository.url.replace(/^git\+|\.git$/g, '');
  return text.replace(/\]\((?![a-z]+:|#)/g, `](${base}/blob/v${version}/`);
}

/**
 * Copies the package as `npm pack` would pack it, and names the packages of the binaries in it.
 *
 * @param {string} folder Where to
 * @param {any[]} binaryManifests The `package.json` of each binary
 */
function writeMainPackage(folder, binaryManifests) {
  for (const { path } of npmPack(root, ['--dry-run']).files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  const { devDependencies: _, scripts: __, ...manifest } = readManifest(root);
  const optionalDependencies = Object.fromEntries(
    binaryManifests.map(({ name, version }) => [name, version])
  );
  const complete = withAddresses({ ...manifest, optionalDependencies });
  writeManifest(folder, complete);
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  writeFileSync(join(folder, 'README.md'), withAbsoluteLinks(readme, complete));
}

main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      binaries: { type: 'string', default: 'prebuilt' },
      out: { type: 'string', default: 'packed' },
      partial: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false }
    }
  });
  await prepare({ addon: false });
  if (values.update) {
    await updateBinaryPackages();
    return;
  }
  const out = resolve(root, values.out);
  const folder = join(out, 'oxws');
  if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(folder)) {
    throw new Stop(
      `${values.out} has something else in it: --out names a folder that is written anew`
    );
  }
  rmSync(out, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });

  const packages = await writeBinaryPackages(out, resolve(root, values.binaries), values.partial);
  const missing = packages.filter(({ packed }) => !packed).map(({ manifest }) => manifest.name);
  if (missing.length > 0 && !values.partial) {
    throw new Stop(`no binary for: ${missing.join(', ')}\n  npm run build:targets builds them.`);
  }

  writeMainPackage(
    folder,
    packages.map(({ manifest }) => manifest)
  );
  for (const each of [...packages.filter(({ packed }) => packed), { folder }]) {
    const { filename, files } = npmPack(each.folder, ['--pack-destination', out]);
    checkFiles(
      readManifest(each.folder),
      files.map(({ path }) => path)
    );
    console.log(relative(root, join(out, filename)));
  }
});

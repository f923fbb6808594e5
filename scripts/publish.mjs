// `npm run publish:packages [-- --dry-run] [--from packed]`: publishes the tarballs that `npm run
// pack:packages` has made, those of the binaries first: who installs the package then finds its
// binary. What is published already is left alone, so that a run that failed half-way can be
// repeated.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { capture, firstLine, main, npmCommand, root, run, Stop } from './support/command.mjs';
import { prepare } from './support/prepare.mjs';

/**
 * Lists what a version consists of, in the order in which it's published.
 *
 * @param {string} folder Where the tarballs are
 * @return {Promise<{ name: string, version: string, tarball: string }[]>} The packages
 */
async function listPackages(folder) {
  const { publishedTargets } = await import('./support/targets.mjs');
  const { name, napi, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const names = publishedTargets().map((target) => `${napi.packageName}-${target.name}`);
  return [...names, name].map((each) => {
    const file = `${each.replace('@', '').replace('/', '-')}-${version}.tgz`;
    return { name: each, version, tarball: join(folder, file) };
  });
}

main(async (args) => {
  const { values } = parseArgs({
    args,
    options: { 'dry-run': { type: 'boolean' }, from: { type: 'string', default: 'packed' } }
  });
  await prepare({ addon: false });
  const packages = await listPackages(resolve(root, values.from));
  const missing = packages.filter(({ tarball }) => !existsSync(tarball));
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    throw new Stop(`not packed: ${names}\n  npm run pack:packages packs them.`);
  }
  const [{ version }] = packages;
  const { GITHUB_REF_NAME: tag } = process.env;
  if (!values['dry-run'] && tag !== `v${version}`) {
    throw new Stop(`the tag is ${tag ?? 'not given (GITHUB_REF_NAME)'}, the version is ${version}`);
  }
  const manifests = packages.map(({ tarball }) =>
    capture('tar', ['-xzOf', tarball, 'package/package.json'])
  );
  if (!values['dry-run'] && manifests.some((text) => text.includes('/OWNER/'))) {
    throw new Stop(
      'the addresses still name OWNER: pack with GITHUB_SERVER_URL and GITHUB_REPOSITORY set'
    );
  }

  const [program, ...first] = npmCommand();
  for (const { name, tarball } of packages) {
    const view = [...first, 'view', `${name}@${version}`, 'version'];
    if (!values['dry-run'] && firstLine(program, view)) {
      console.log(`${name}@${version} is published already`);
      continue;
    }
    const options = values['dry-run'] ? ['--dry-run'] : ['--provenance'];
    const command = [...first, 'publish', tarball, '--access', 'public', ...options];
    if ((await run(program, command)) !== 0) throw new Stop(`${name} was not published`);
  }
});

// Large tools, and those that make one file of a program and Node.js: see `__test__/bundlers/`.

import { execFile, spawn } from 'node:child_process';
import { chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** @typedef {import('../bundlers/tools.mjs').Bundle} Bundle */

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const MAJOR = Number.parseInt(process.versions.node, 10);
const isGlibc =
  process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime;
/** The mark in the program of Node.js where a single executable differs. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** @return {Promise<number>} A port that nobody listens on */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * @param {string} path The route
 * @return {NonNullable<Bundle['run']>} Starts the server and gets what the route says
 */
function serve(path) {
  return async (file, cwd) => {
    const port = await freePort();
    const { NODE_PATH: _, ...rest } = process.env;
    const env = { ...rest, HOST: '127.0.0.1', HOSTNAME: '127.0.0.1', PORT: String(port) };
    const child = spawn(process.execPath, [file], { cwd, env, stdio: 'ignore' });
    try {
      for (let attempt = 0; attempt < 100; attempt++) {
        const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
        if (response?.ok) return await response.text();
        if (response !== undefined) throw new Error(`the route answers ${response.status}`);
        await sleep(100);
      }
      throw new Error('the server does not listen');
    } finally {
      child.kill();
    }
  };
}

/**
 * @param {string} external What `serverExternalPackages` is, as code
 * @return {Bundle['build']} Builds with Next.js
 */
function next(external) {
  return async (here, out) => {
    const folder = join(here, 'next');
    const route = join(folder, 'app', 'echo');
    await rm(folder, { force: true, recursive: true });
    await mkdir(route, { recursive: true });
    await writeFile(
      join(folder, 'next.config.mjs'),
      `export default { output: 'standalone', outputFileTracingRoot: ${JSON.stringify(here)},
        turbopack: { root: ${JSON.stringify(here)} }, serverExternalPackages: ${external} };`
    );
    await writeFile(
      join(folder, 'app', 'layout.js'),
      'export default ({ children }) => <html><body>{children}</body></html>;'
    );
    await writeFile(
      join(route, 'route.js'),
      `import { converse } from '../../../converse.mjs';
      export const dynamic = 'force-dynamic';
      export const GET = async () => Response.json(await converse());`
    );
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
    await run(process.execPath, [require.resolve('next/dist/bin/next'), 'build'], {
      cwd: folder,
      env
    });
    const options = { recursive: true, verbatimSymlinks: true };
    await cp(join(folder, '.next', 'standalone'), out, options);
    await rm(folder, { recursive: true });
    return join(out, 'next', 'server.js');
  };
}

/** @type {Bundle['build']} Builds with Nitro, for Node.js. */
async function nitro(here, out) {
  const rootDir = join(here, 'nitro');
  await mkdir(join(rootDir, 'routes'), { recursive: true });
  await writeFile(
    join(rootDir, 'routes', 'echo.get.mjs'),
    `import { eventHandler } from 'h3';
    import { converse } from '../../converse.mjs';
    export default eventHandler(() => converse());`
  );
  const { build, copyPublicAssets, createNitro, prepare } = await import('nitropack');
  const output = { dir: out };
  const options = { dev: false, logLevel: 1, output, preset: 'node-server', rootDir };
  const made = await createNitro(options, { compatibilityDate: '2025-01-01' });
  await prepare(made);
  await copyPublicAssets(made);
  await build(made);
  await made.close();
  await rm(rootDir, { recursive: true });
  return join(out, 'server', 'index.mjs');
}

/** Takes the addon out of the executable, before the package is loaded. */
const WITH_ADDON = `
  const { getRawAsset } = require('node:sea');
  const { mkdtempSync, writeFileSync } = require('node:fs');
  const { join } = require('node:path');
  const file = join(mkdtempSync(join(require('node:os').tmpdir(), 'app-')), 'oxws.node');
  writeFileSync(file, new Uint8Array(getRawAsset('oxws.node')));
  process.env.OXWS_BINDING = file;`;

/**
 * @param {string} before Code that is run first
 * @return {Bundle['build']} Makes a single executable by what Node.js has for that
 */
function sea(before) {
  return async (here, out) => {
    const work = join(here, 'sea');
    await mkdir(work, { recursive: true });
    await writeFile(join(work, 'main.cjs'), `${before}\nrequire('../echo.cjs');`);
    const { build } = await import('esbuild');
    const [entry, bundle] = [join(work, 'main.cjs'), join(work, 'bundle.cjs')];
    const options = { bundle: true, logLevel: 'error', platform: 'node' };
    await build({ entryPoints: [entry], outfile: bundle, ...options });
    const addons = join(here, 'node_modules', '@oxws');
    const [addon] = (await readdir(addons, { recursive: true })).filter((name) =>
      name.endsWith('.node')
    );
    const blob = join(work, 'sea.blob');
    const assets = { 'oxws.node': join(addons, addon) };
    const settings = { assets, disableExperimentalSEAWarning: true, main: bundle, output: blob };
    await writeFile(join(work, 'sea.json'), JSON.stringify(settings));
    await run(process.execPath, ['--experimental-sea-config', join(work, 'sea.json')]);
    const app = join(out, 'app');
    await cp(process.execPath, app);
    await chmod(app, 0o755);
    const postject = join(here, 'node_modules', 'postject', 'dist', 'cli.js');
    await run(process.execPath, [postject, app, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE]);
    await rm(work, { recursive: true });
    return app;
  };
}

/**
 * Makes an executable by pkg, of the running Node.js: what it takes else it downloads.
 *
 * @type {Bundle['build']}
 */
async function pkg(here, out) {
  const work = join(here, 'pkg');
  await mkdir(work, { recursive: true });
  await writeFile(join(work, 'main.cjs'), "require('../echo.cjs');");
  const manifest = { bin: 'main.cjs', name: 'app', version: '1.0.0' };
  await writeFile(join(work, 'package.json'), JSON.stringify(manifest));
  const modes = require('@yao-pkg/pkg/lib-es5/sea.js');
  const { seaEnhanced } = modes;
  modes.seaEnhanced = (entry, options) => seaEnhanced(entry, { ...options, useLocalNode: true });
  const app = join(out, 'app');
  const target = `node${MAJOR}-linux-${process.arch}`;
  await require('@yao-pkg/pkg').exec([work, '--sea', '--targets', target, '--output', app]);
  await rm(work, { recursive: true });
  return app;
}

/** @type {NonNullable<Bundle['run']>} Runs an executable. */
async function execute(file, cwd) {
  const { NODE_PATH: _, ...env } = process.env;
  const { stdout } = await run(file, [], { cwd, env, timeout: 20_000 });
  return stdout;
}

/** Why no executable can be made here. */
const noSea = !isGlibc && 'it is made of the Node.js that runs, on Linux';

/** @type {Bundle[]} */
export const BUNDLES = [
  {
    name: 'Next.js',
    settings: "`output: 'standalone'`",
    binding: 'wasm',
    build: next('[]'),
    run: serve('/echo')
  },
  {
    name: 'Next.js',
    settings: "`output: 'standalone'`, `serverExternalPackages: ['ws']`",
    binding: 'native',
    build: next("['ws']"),
    run: serve('/echo')
  },
  {
    name: 'Nitro',
    settings: "`preset: 'node-server'`",
    binding: 'native',
    build: nitro,
    run: serve('/echo')
  },
  {
    name: 'Single executable',
    settings: 'a bundle of esbuild',
    binding: 'wasm',
    build: sea(''),
    run: execute,
    skip: noSea
  },
  {
    name: 'Single executable',
    settings: 'the addon as an asset, written to a file that `OXWS_BINDING` names',
    binding: 'native',
    build: sea(WITH_ADDON),
    run: execute,
    skip: noSea
  },
  {
    name: '@yao-pkg/pkg',
    settings: '`--sea`',
    binding: 'native',
    build: pkg,
    run: execute,
    skip: noSea || (MAJOR < 22 && 'needs Node.js 22')
  }
];

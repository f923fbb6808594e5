// The bundlers, each with the settings that people use for a server, and what the bundle is
// expected to run on: without `node_modules` beside it, unless the tool means it so.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The package with the program of Bun. */
const BUN = `bun-${process.platform}-${process.arch}`;

/**
 * @typedef {object} Bundle
 * @property {string} name What the row of the table is called
 * @property {string} settings What was set, in a few words
 * @property {'native' | 'wasm'} binding What carries the connections of the program
 * @property {(here: string, out: string) => Promise<string>} build Bundles the program that is in
 *   the first folder into the second; gives the path of the file to be run
 * @property {(file: string, folder: string) => Promise<string>} [run] Runs it in a folder, if not
 *   by Node.js; gives what it says
 * @property {string | false} [skip] Why it can't be tried here
 */

/**
 * @param {string} format `cjs` or `esm`
 * @param {any} [options] Further options
 * @return {Bundle['build']} Builds with esbuild
 */
function esbuild(format, options) {
  return async (here, out) => {
    const { build } = await import('esbuild');
    const outfile = join(out, format === 'esm' ? 'main.mjs' : 'main.cjs');
    const entryPoints = [join(here, 'echo.mjs')];
    const log = { logLevel: 'error' };
    await build({
      bundle: true,
      entryPoints,
      format,
      outfile,
      platform: 'node',
      ...log,
      ...options
    });
    return outfile;
  };
}

/** A bundle of ECMAScript modules lacks `require()`, for ws as well; this is what its users add. */
const BANNER = {
  js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
};

/**
 * @param {any} [options] Further options
 * @return {Bundle['build']} Builds with webpack
 */
function webpack(options) {
  return async (here, out) => {
    const { default: compile } = await import('webpack');
    const stats = await promisify(compile)({
      context: here,
      entry: './echo.mjs',
      mode: 'production',
      output: { path: out, filename: 'main.cjs' },
      target: 'node',
      ...options
    });
    // It warns of each package of another platform, as it does of `bufferutil` with ws.
    if (stats.hasErrors()) throw new Error(stats.toString('errors-only'));
    return join(out, 'main.cjs');
  };
}

/** @type {Bundle['build']} Builds with Rollup and its plugins for CommonJS. */
async function rollup(here, out) {
  const { rollup: read } = await import('rollup');
  const plugins = await Promise.all(
    ['node-resolve', 'commonjs', 'json'].map((name) => import(`@rollup/plugin-${name}`))
  );
  const [resolve, commonjs, json] = plugins.map((plugin) => plugin.default);
  const bundle = await read({
    input: join(here, 'echo.mjs'),
    plugins: [
      resolve({ preferBuiltins: true, exportConditions: ['node'] }),
      commonjs({ ignoreTryCatch: true }),
      json()
    ]
  });
  const file = join(out, 'main.cjs');
  await bundle.write({ file, format: 'cjs' });
  return file;
}

/** @type {Bundle['build']} Builds with Rolldown. */
async function rolldown(here, out) {
  const { build } = await import('rolldown');
  const file = join(out, 'main.cjs');
  await build({
    input: join(here, 'echo.mjs'),
    logLevel: 'silent',
    output: { file, format: 'cjs' },
    platform: 'node'
  });
  return file;
}

/**
 * @param {any} ssr The options for the server's side
 * @return {Bundle['build']} Builds with Vite
 */
function vite(ssr) {
  return async (here, out) => {
    const { build } = await import('vite');
    const rollupOptions = {
      input: join(here, 'echo.mjs'),
      output: { entryFileNames: 'main.cjs', format: 'cjs' }
    };
    await build({
      build: { outDir: out, rollupOptions, ssr: true },
      configFile: false,
      logLevel: 'error',
      publicDir: false,
      root: here,
      ssr
    });
    return join(out, 'main.cjs');
  };
}

/** @type {Bundle['build']} Builds with ncc, which copies the files that it finds. */
async function ncc(here, out) {
  const { default: build } = await import('@vercel/ncc');
  const { code, assets } = await build(join(here, 'echo.cjs'), { quiet: true, cache: false });
  for (const [name, { source }] of Object.entries(assets)) {
    await mkdir(dirname(join(out, name)), { recursive: true });
    await writeFile(join(out, name), source);
  }
  await writeFile(join(out, 'main.cjs'), code);
  return join(out, 'main.cjs');
}

/** @type {Bundle['build']} Traces with nft and copies what it finds, as serverless platforms do. */
async function nft(here, out) {
  const { nodeFileTrace } = await import('@vercel/nft');
  const { fileList } = await nodeFileTrace([join(here, 'echo.mjs')], { base: here });
  for (const file of fileList) await cp(join(here, file), join(out, file), { recursive: true });
  return join(out, 'echo.mjs');
}

/** @type {Bundle['build']} Builds with tsup, told to bundle its dependencies. */
async function tsup(here, out) {
  const { build } = await import('tsup');
  await build({
    config: false,
    entry: [join(here, 'echo.mjs')],
    format: 'cjs',
    noExternal: [/./],
    outDir: out,
    outExtension: () => ({ js: '.cjs' }),
    silent: true
  });
  return join(out, 'echo.cjs');
}

/** @type {Bundle['build']} Builds with Bun, for Node.js. */
async function bun(here, out) {
  const program = join(here, 'node_modules', '@oven', BUN, 'bin', 'bun');
  const args = ['build', join(here, 'echo.mjs'), '--target=node', `--outfile=${out}/main.mjs`];
  await promisify(execFile)(program, args);
  return join(out, 'main.mjs');
}

/** @type {Bundle[]} */
export const BUNDLES = [
  { name: 'esbuild', settings: 'CommonJS', binding: 'wasm', build: esbuild('cjs') },
  {
    name: 'esbuild',
    settings: 'ECMAScript modules, `require()` by a banner',
    binding: 'wasm',
    build: esbuild('esm', { banner: BANNER })
  },
  { name: 'webpack 5', settings: "`target: 'node'`", binding: 'wasm', build: webpack() },
  { name: 'Rollup', settings: 'CommonJS by its plugins', binding: 'wasm', build: rollup },
  { name: 'Rolldown', settings: "`platform: 'node'`", binding: 'wasm', build: rolldown },
  {
    name: 'Vite',
    settings: '`ssr.noExternal`',
    binding: 'wasm',
    build: vite({ noExternal: true })
  },
  { name: '@vercel/ncc', settings: 'none', binding: 'native', build: ncc },
  { name: '@vercel/nft', settings: 'none; copies files', binding: 'native', build: nft },
  {
    name: 'Bun',
    settings: '`bun build --target=node`',
    binding: 'wasm',
    build: bun,
    skip: !existsSync(join('node_modules', '@oven', BUN)) && 'there is no Bun for this'
  },
  { name: 'tsup', settings: '`noExternal`', binding: 'wasm', build: tsup }
];

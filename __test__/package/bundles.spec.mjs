// Bundles programs that leave the packed package out, and programs for browsers, and runs them.
// It's run by `npm test -- package`, in a folder where the package and the bundlers are installed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import * as esbuild from 'esbuild';
import * as vite from 'vite';
import webpack from 'webpack';

const here = import.meta.dirname ?? process.cwd();

/**
 * Builds with webpack.
 *
 * @param {import('webpack').Configuration} configuration The configuration
 */
async function runWebpack(configuration) {
  const stats = await promisify(webpack)({ mode: 'production', context: here, ...configuration });
  assert.ok(!stats.hasErrors(), stats.toString('errors-only'));
}

/**
 * Builds with Vite.
 *
 * @param {string} outDir Where to
 * @param {string} input What
 * @param {import('vite').InlineConfig} configuration The rest of the configuration
 */
async function runVite(outDir, input, { build, ...configuration } = {}) {
  const options = { configFile: false, logLevel: 'error', publicDir: false, root: here };
  const rollupOptions = { input, output: { entryFileNames: 'main.mjs' } };
  await vite.build({ ...options, ...configuration, build: { outDir, rollupOptions, ...build } });
}

describe('A bundle for Node', () => {
  const input = join(here, 'server.mjs');
  let folder;

  before(async () => {
    // Beside node_modules, where what is external is found.
    folder = await mkdtemp(join(here, 'bundle-'));
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  /**
   * Runs the bundle that is in the folder of its own.
   *
   * @param {string} bundle The folder
   */
  async function check(bundle) {
    const name = ['main.mjs', 'main.cjs'].find((each) => existsSync(join(bundle, each)));
    const { stdout } = await promisify(execFile)(process.execPath, [join(bundle, name)]);
    assert.equal(stdout, 'there and back\n');
  }

  for (const format of ['cjs', 'esm']) {
    const outfile = () =>
      join(folder, `esbuild-${format}`, `main.${format === 'esm' ? 'm' : 'c'}js`);

    it(`leaves the package out: esbuild, ${format}`, async () => {
      await esbuild.build({
        entryPoints: [input],
        bundle: true,
        platform: 'node',
        format,
        external: ['oxws'],
        outfile: outfile()
      });
      await check(join(folder, `esbuild-${format}`));
    });
  }

  it('leaves the package out: webpack', async () => {
    const path = join(folder, 'webpack');
    await runWebpack({
      entry: input,
      target: 'node',
      externals: { oxws: 'commonjs oxws' },
      output: { path, filename: 'main.cjs' }
    });
    await check(path);
  });

  it('leaves the package out: Vite, by default', async () => {
    await runVite(join(folder, 'vite'), input, { build: { ssr: true } });
    await check(join(folder, 'vite'));
  });
});

describe('A bundle for browsers', () => {
  const input = join(here, 'client.mjs');
  let folder;

  before(async () => {
    folder = await mkdtemp(join(here, 'bundle-'));
  });

  after(() => rm(folder, { recursive: true }));

  /**
   * Runs a bundle where there is nothing of Node, and looks what it says.
   *
   * @param {string} file The bundle
   */
  async function check(file) {
    const code = await readFile(file, 'utf8');
    assert.ok(code.length < 10_000, `${code.length} characters`);
    const context = createContext({});
    context.window = context;
    runInContext(code, context);
    assert.match(context.outcome, /^oxws does not work in the browser/);
  }

  it('has the stub: esbuild', async () => {
    const outfile = join(folder, 'esbuild.js');
    await esbuild.build({ entryPoints: [input], bundle: true, platform: 'browser', outfile });
    await check(outfile);
  });

  it('has the stub: webpack', async () => {
    await runWebpack({
      entry: input,
      target: 'web',
      output: { path: folder, filename: 'webpack.js' }
    });
    await check(join(folder, 'webpack.js'));
  });

  it('has the stub: Vite', async () => {
    await runVite(join(folder, 'vite'), input, { build: { modulePreload: false } });
    await check(join(folder, 'vite', 'main.mjs'));
  });
});

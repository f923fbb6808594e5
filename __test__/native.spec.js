'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');

const { devDependencies, engines, nativeVersion, version } = require('../package.json');
const { platformName } = require('../lib/platform');

const ROOT = path.join(__dirname, '..');
const BINARY = `binding.${platformName()}.node`;
/** Prints which native part was loaded, or the error in place of it. */
const SCRIPT = `
  try { console.log(JSON.stringify({ kind: require('./lib/native').kind })); }
  catch ({ code, message, cause }) {
    console.log(JSON.stringify({ code, message, cause: cause?.message }));
  }`;

/**
 * Copies what loads the native part, without a binary.
 *
 * @param {import('node:test').TestContext} t The test
 * @param {Record<string, string>} [files] What else is there, by name
 * @return {string} The folder
 */
function copyPackage(t, files = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-native-'));
  t.after(() => fs.rmSync(folder, { force: true, recursive: true }));
  for (const name of ['lib', 'binding.wasm.js']) {
    fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

/**
 * Loads the native part in a process of its own.
 *
 * @param {string} cwd The folder of the package
 * @param {NodeJS.ProcessEnv} [env] Further environment
 * @param {string[]} [flags] Options of Node.js
 * @return {{ kind?: string, code?: string, message?: string, cause?: string, stderr: string }} What
 *   came of it
 */
function load(cwd, env, flags = []) {
  const { NODE_PATH: _, OXWS_BINDING: __, ...rest } = process.env;
  const { stderr, stdout } = spawnSync(process.execPath, [...flags, '-e', SCRIPT], {
    cwd,
    encoding: 'utf8',
    env: { ...rest, ...env },
    timeout: 20_000
  });
  return { ...JSON.parse(stdout), stderr };
}

describe('The native part', () => {
  it('is the addon, of the version that the package needs', () => {
    assert.strictEqual(load(ROOT).kind, 'native');
    assert.strictEqual(require('../lib/native').version(), nativeVersion);
    const manifest = fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8');
    assert.ok(manifest.includes(`name = "oxws"\nversion = "${nativeVersion}"\n`));
    const nodeVersion = Number(/^>=(\d+)$/.exec(engines.node)?.[1]);
    const versions = { nativeVersion, nodeVersion, version };
    assert.deepStrictEqual(require('../lib/version'), versions);
  });

  it('has a version of its own: that of the package is of the line of ws', () => {
    const line = (text) => text.split('.').slice(0, 2);
    assert.deepStrictEqual(line(version), line(devDependencies.ws));
    assert.match(version, /^\d+\.\d+\.\d+$/);
  });

  it('is the WebAssembly build where that is wanted', () => {
    assert.deepStrictEqual(load(ROOT, { OXWS_BINDING: 'wasm' }), { kind: 'wasm', stderr: '' });
  });

  it('is the addon that a path names', () => {
    const file = path.join(ROOT, BINARY);
    assert.strictEqual(load(ROOT, { OXWS_BINDING: file }).kind, 'native');
    const { code, message } = load(ROOT, { OXWS_BINDING: `${file}.missing` });
    assert.strictEqual(code, 'ERR_OXWS_NATIVE');
    assert.match(message, /\.missing/);
  });

  it('is the WebAssembly build, with a warning, where there is no binary', (t) => {
    const { kind, stderr } = load(copyPackage(t));
    assert.strictEqual(kind, 'wasm');
    assert.strictEqual(stderr.match(/OXWS_FALLBACK\] OxwsWarning/g)?.length, 1, stderr);
    assert.match(stderr, new RegExp(`could not load its addon for ${platformName()}`));
    assert.match(stderr, /npx oxws build/);
  });

  it('names no package for a platform that there is none for', (t) => {
    const folder = copyPackage(t);
    const preload = path.join(folder, 'platform.cjs');
    fs.writeFileSync(preload, "Object.defineProperty(process, 'arch', { value: 'mips' });");
    const { message } = load(folder, { OXWS_BINDING: 'native' }, ['--require', preload]);
    assert.match(message, /there is no prebuilt binary for \w+-mips/);
    assert.doesNotMatch(message, /npm install/);
  });

  it('is silent about that if so wanted', (t) => {
    const folder = copyPackage(t);
    const found = load(folder, { OXWS_FALLBACK: 'silent' });
    assert.deepStrictEqual(found, { kind: 'wasm', stderr: '' });
  });

  it('is an error in place of that if so wanted', (t) => {
    const folder = copyPackage(t);
    for (const env of [{ OXWS_FALLBACK: 'error' }, { OXWS_BINDING: 'native' }]) {
      const { code, message, cause } = load(folder, env);
      assert.strictEqual(code, 'ERR_OXWS_NATIVE');
      assert.match(message, /install with optional dependencies, on this platform/);
      assert.match(cause, /is not installed/);
      assert.doesNotMatch(message, /wasi|Require stack/);
    }
  });

  it('says that a binary is damaged', (t) => {
    const folder = copyPackage(t, { [BINARY]: 'not a library' });
    const { message } = load(folder, { OXWS_BINDING: 'native' });
    assert.match(message, /the binary is damaged, or of another system/);
  });

  it('is not a binary of another version', (t) => {
    const name = `node_modules/@oxws/binding-${platformName()}`;
    const folder = copyPackage(t, {
      [`${name}/package.json`]: '{ "main": "index.js" }',
      [`${name}/index.js`]: "exports.version = () => '0.0.0';"
    });
    const { code, message } = load(folder, { OXWS_BINDING: 'native' });
    assert.strictEqual(code, 'ERR_OXWS_NATIVE');
    assert.match(message, /the binary is of version 0\.0\.0, the package needs \d/);
  });

  it('is the WebAssembly build without a word where Node.js loads no addons', () => {
    const found = load(ROOT, {}, ['--no-addons']);
    assert.deepStrictEqual(found, { kind: 'wasm', stderr: '' });
    const { message } = load(ROOT, { OXWS_BINDING: 'native' }, ['--no-addons']);
    assert.match(message, /start Node\.js without --no-addons/);
  });

  it('names the permission that is missing', (t) => {
    const major = Number.parseInt(process.versions.node, 10);
    const flag = major < 24 ? '--experimental-permission' : '--permission';
    const flags = [flag, '--allow-fs-read=*'];
    assert.strictEqual(load(ROOT, {}, flags).kind, 'wasm');
    const { message } = load(ROOT, { OXWS_BINDING: 'native' }, flags);
    assert.match(message, /start Node\.js with --allow-addons/, t.name);
  });

  it('says what is missing where there is no WebAssembly either', (t) => {
    const { code, message } = load(copyPackage(t), {}, ['--jitless']);
    assert.strictEqual(code, 'ERR_OXWS_NATIVE');
    assert.match(message, /no WebAssembly \(--jitless switches it off\)/);
  });
});

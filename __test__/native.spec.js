'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');

const root = path.join(__dirname, '..');

/** Runs a script beside a copy of the loader that finds no binary, or a wrong one. */
function runCopy(t, binding) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-native-'));
  t.after(() => fs.rmSync(folder, { force: true, recursive: true }));
  fs.mkdirSync(path.join(folder, 'lib'));
  for (const name of ['lib/native.js', 'lib/platform.js']) {
    fs.copyFileSync(path.join(root, name), path.join(folder, name));
  }
  fs.copyFileSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  if (binding === undefined)
    fs.copyFileSync(path.join(root, 'binding.js'), path.join(folder, 'binding.js'));
  else fs.writeFileSync(path.join(folder, 'binding.js'), binding);
  const script = `
    try { require('./lib/native'); } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }));
    }`;
  const output = execFileSync(process.execPath, ['-e', script], {
    cwd: folder,
    env: { ...process.env, NODE_PATH: '' },
    timeout: 20_000
  });
  return JSON.parse(output.toString());
}

describe('The loader of the native part', () => {
  it('loads the binary of the package', () => {
    assert.strictEqual(require('../lib/native').version(), require('../package.json').version);
  });

  it('throws one error that names the platform, what was tried and what to do', (t) => {
    const { code, message } = runCopy(t);
    assert.strictEqual(code, 'ERR_OXWS_NATIVE');
    assert.match(message, new RegExp(`${process.platform}-${process.arch}`));
    assert.match(message, /Tried: binding\..*\.node beside the package, then the package @oxws\//);
    assert.match(message, /without a prebuilt binary for/);
    assert.match(message, /node scripts\/install\.mjs/);
    assert.match(message, /npm run build/);
  });

  it('refuses the binary of another version', (t) => {
    const { code, message } = runCopy(t, "exports.version = () => '0.0.0';");
    assert.strictEqual(code, 'ERR_OXWS_NATIVE');
    assert.match(message, /the binary is of version 0\.0\.0/);
  });
});

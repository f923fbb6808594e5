// @ts-check
'use strict';

// What the commands of a checkout say when something is missing on the machine.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const ROOT = path.join(__dirname, '..');

describe('npm run build', { skip: process.platform === 'win32' && 'uses shell scripts' }, () => {
  /** @type {string} */
  let folder;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-scripts-'));
  });

  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  /**
   * Builds on a machine that has nothing but the given programs.
   *
   * @param {Record<string, string>} programs What each prints, by name
   * @return {{ status: number | null, output: string }} How it ended and what it said
   */
  function buildWith(programs) {
    const bin = fs.mkdtempSync(path.join(folder, 'bin-'));
    for (const [name, text] of Object.entries(programs)) {
      fs.writeFileSync(path.join(bin, name), `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
    }
    const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs', '--force'], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { PATH: bin }
    });
    return { status, output: stderr };
  }

  it('says how to install Rust where it is missing', () => {
    const { status, output } = buildWith({});
    assert.equal(status, 1);
    assert.match(output, /no Rust toolchain: cargo is missing/);
    assert.match(output, /Needed: Rust 1\.\d+ or newer/);
    assert.match(output, /https:\/\/rustup\.rs/);
    assert.doesNotMatch(output, /\n {4}at /);
  });

  it('says how to update a Rust that is too old', () => {
    const { status, output } = buildWith({ cargo: 'cargo 1.60.0', rustc: 'rustc 1.60.0 (x 2022)' });
    assert.equal(status, 1);
    assert.match(output, /rustc 1\.60\.0 \(x 2022\) is too old/);
    assert.match(output, /rustup update stable/);
  });
});

describe('requireNode', () => {
  it('takes the versions that the tools run on', async () => {
    const { requireNode } = await import('../scripts/support/toolchain.mjs');
    for (const version of ['20.17.0', '20.20.2', '22.13.1', '23.5.0', '24.0.0', '26.1.0']) {
      requireNode(version);
    }
    for (const version of ['12.22.0', '18.20.4', '20.16.0', '21.7.3', '22.12.0', '23.4.0']) {
      assert.throws(() => requireNode(version), /cannot build this repository/, version);
    }
  });
});

describe('A script', () => {
  const mistakes = {
    'an option that there is not': [
      ['test.mjs', 'interop', '--nothing'],
      /Unknown option '--nothing'/
    ],
    'a number that is none': [['test.mjs', 'interop', '--step', 'x'], /--step takes a number/],
    'a role that there is not': [
      ['test.mjs', 'interop', '--role', 'peer'],
      /--role takes client, server/
    ],
    'a version of Node that there is not': [['test.mjs', 'nodes', '1'], /no Node 1; there are: 20,/]
  };
  for (const [title, [args, message]] of Object.entries(mistakes)) {
    it(`says what is wrong with ${title}`, () => {
      const { status, stderr } = runScript(.../** @type {string[]} */ (args));
      assert.equal(status, 1);
      assert.match(stderr, /** @type {RegExp} */ (message));
      assert.doesNotMatch(stderr, /\n {4}at /);
    });
  }

  it('that packs leaves a folder alone that it has not made', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-scripts-'));
    const file = path.join(folder, 'file');
    try {
      fs.writeFileSync(file, 'of somebody');
      const { status, stderr } = runScript('pack.mjs', '--out', folder);
      assert.equal(status, 1);
      assert.match(stderr, /has something else in it/);
      assert.equal(fs.readFileSync(file, 'utf8'), 'of somebody');
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});

/**
 * Runs a script.
 *
 * @param {string} name Its file
 * @param {string[]} args Its arguments
 * @return {{ status: number | null, stderr: string }} How it ended and what it said
 */
function runScript(name, ...args) {
  return spawnSync(process.execPath, [`scripts/${name}`, ...args], { cwd: ROOT, encoding: 'utf8' });
}

describe('npm test -- ws', () => {
  it('says what it wants instead of a checkout', () => {
    const { status, stderr } = spawnSync(process.execPath, ['__test__/ws-suite/run.js', '/'], {
      cwd: ROOT,
      encoding: 'utf8'
    });
    assert.equal(status, 1);
    assert.match(stderr, /is no checkout of ws/);
  });
});

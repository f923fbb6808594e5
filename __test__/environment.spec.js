'use strict';

// Environment variables that are misspelt, and versions of Node.js that are too old.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const { findMistakes, VARIABLES } = require('../lib/environment');
const { findVersionMistake } = require('../lib/node-version');

const ROOT = path.join(__dirname, '..');

/**
 * Runs a program in a process of its own, with no variable of oxws but those given.
 *
 * @param {string} program The program
 * @param {NodeJS.ProcessEnv} [env] Further environment
 * @param {string[]} [flags] Options of Node.js
 * @return {{status: number | null, stderr: string, stdout: string}} What came of it
 */
function run(program, env = {}, flags = []) {
  const given = Object.entries(process.env).filter(([name]) => !name.startsWith('OXWS_'));
  return spawnSync(process.execPath, [...flags, '-e', program], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...Object.fromEntries(given), ...env },
    timeout: 60_000
  });
}

describe('Environment variables', () => {
  it('are known as the documents have them', () => {
    const text = fs.readFileSync(path.join(ROOT, 'doc/api.md'), 'utf8');
    const documented = [...text.matchAll(/^### (OXWS_\w+)$/gm)].map(([, name]) => name);
    assert.deepStrictEqual(documented.sort(), Object.keys(VARIABLES).sort());
  });

  it('are asked for by no other name', () => {
    const files = fs.readdirSync(path.join(ROOT, 'lib'), { encoding: 'utf8', recursive: true });
    const sources = [...files.map((name) => `lib/${name}`), 'src/binding/runtime.rs'];
    for (const name of sources.filter((each) => /\.(?:js|rs)$/.test(each))) {
      const text = fs.readFileSync(path.join(ROOT, name), 'utf8');
      const asked = /(?:env\.|env::var\("|\{ )(OXWS_\w+)/g;
      for (const [, variable] of text.matchAll(asked)) {
        assert.ok(Object.hasOwn(VARIABLES, variable), `${name}: ${variable}`);
      }
    }
  });

  it('may have each value that the documents name', () => {
    for (const [name, value] of [
      ['OXWS_BINDING', 'wasm'],
      ['OXWS_BINDING', './binding.node'],
      ['OXWS_DRIVER', 'loop'],
      ['OXWS_DRIVER', 'tokio'],
      ['OXWS_DRIVER', 'auto'],
      ['OXWS_ENCODER', 'zlib'],
      ['OXWS_FALLBACK', 'warn'],
      ['OXWS_FALLBACK', 'silent'],
      ['OXWS_FALLBACK', 'error'],
      ['OXWS_THREADS', '1'],
      ['OXWS_THREADS', '64'],
      ['OXWS_TRANSPORT', 'stream'],
      ['OXWS_TRANSPORT', ''],
      ['OXWS_AUTOBAHN', '/somewhere'],
      ['WS_NO_BUFFER_UTIL', '1'],
      ['SWOX', '1']
    ]) {
      assert.deepStrictEqual(findMistakes({ [name]: value }), [], `${name}=${value}`);
    }
  });

  it('that are not known are named, with what may be meant', () => {
    for (const [name, expected] of [
      ['OXWS_TRANPSORT', "OXWS_TRANPSORT isn't known (did you mean OXWS_TRANSPORT?)."],
      ['OXWS_DRIVERS', "OXWS_DRIVERS isn't known (did you mean OXWS_DRIVER?)."],
      ['OXWS_THREAD', "OXWS_THREAD isn't known (did you mean OXWS_THREADS?)."],
      ['OXWSDRIVER', "OXWSDRIVER isn't known (did you mean OXWS_DRIVER?)."],
      ['OXSW_FALLBACK', "OXSW_FALLBACK isn't known (did you mean OXWS_FALLBACK?)."],
      ['OXWS_SOMETHING', "OXWS_SOMETHING isn't known."],
      ['OXWS_toString', "OXWS_toString isn't known."]
    ]) {
      assert.deepStrictEqual(findMistakes({ [name]: 'x' }), [expected]);
    }
    if (process.platform === 'win32') return;
    assert.deepStrictEqual(findMistakes({ oxws_driver: 'tokio' }), [
      "oxws_driver isn't known (did you mean OXWS_DRIVER?)."
    ]);
  });

  it('with values that they cannot have are named, with what may be meant', () => {
    for (const [name, value, expected] of [
      ['OXWS_DRIVER', 'tokoi', 'not one of loop, tokio, auto (did you mean tokio?)'],
      ['OXWS_DRIVER', 'Loop', 'not one of loop, tokio, auto (did you mean loop?)'],
      ['OXWS_DRIVER', 'threads', 'not one of loop, tokio, auto'],
      ['OXWS_TRANSPORT', 'streams', 'not stream (did you mean stream?)'],
      ['OXWS_FALLBACK', 'none', 'not one of warn, silent, error'],
      ['OXWS_ENCODER', 'zlib-rs', 'not zlib'],
      ['OXWS_THREADS', 'two', 'not a number from 1'],
      ['OXWS_THREADS', '0', 'not a number from 1'],
      ['OXWS_THREADS', '-1', 'not a number from 1'],
      ['OXWS_THREADS', '1.5', 'not a number from 1']
    ]) {
      const found = findMistakes({ [name]: value });
      assert.deepStrictEqual(found, [`${name} is "${value}", ${expected}.`]);
    }
  });

  it('without effect are warned of once, whatever there is of them', () => {
    const program = `
      require('.');
      const { Worker } = require('node:worker_threads');
      new Worker("require('.')", { eval: true });`;
    const { stderr, status } = run(program, { OXWS_DRIVER: 'tokoi', OXWS_TRANSPROT: 'stream' });
    assert.strictEqual(status, 0, stderr);
    assert.strictEqual(stderr.match(/OXWS_ENVIRONMENT\] OxwsWarning/g)?.length, 1, stderr);
    assert.match(stderr, /OXWS_DRIVER is "tokoi"/);
    assert.match(stderr, /OXWS_TRANSPROT isn't known/);
  });

  it('that are right are not warned of', () => {
    const { stderr, status } = run("require('.')", { OXWS_DRIVER: 'tokio', OXWS_THREADS: '2' });
    assert.deepStrictEqual({ stderr, status }, { stderr: '', status: 0 });
  });
});

describe('The version of Node.js', () => {
  it('is at least that of package.json', () => {
    for (const version of ['20.0.0', '22.1.0', '100.0.0', undefined]) {
      assert.strictEqual(findVersionMistake(version), undefined);
    }
    for (const version of ['0.10.48', '12.22.12', '18.20.8', '19.9.0']) {
      assert.strictEqual(
        findVersionMistake(version),
        `oxws needs Node.js 20 or newer; this is ${version}.`
      );
    }
  });

  it('is refused by a sentence before anything else is loaded', () => {
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '18.20.8' });";
    for (const load of [`require('.')`, `import('./wrapper.mjs')`, `require('./bin/oxws.js')`]) {
      const { status, stderr } = run(`${pretend} ${load}`, { OXWS_BINDING: '/nowhere.node' });
      assert.strictEqual(status, 1, load);
      assert.match(stderr, /Error: oxws needs Node\.js 20 or newer; this is 18\.20\.8\./);
      assert.match(stderr, /ERR_OXWS_NODE_VERSION/);
    }
  });
});

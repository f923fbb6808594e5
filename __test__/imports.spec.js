// @ts-check
'use strict';

// What looks for circles of imports, on files made for it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { afterEach, beforeEach, describe, it } = require('node:test');

const ROOT = path.join(__dirname, '..');

/** @type {string} */
let folder;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-imports-'));
});

afterEach(() => fs.rmSync(folder, { recursive: true }));

/**
 * Finds the imports of some files.
 *
 * @param {'javascriptImports' | 'rustImports'} language Which
 * @param {Record<string, string>} files Their contents by name
 * @return {Promise<{ graph: Record<string, string[]>, circles: string[][] }>} What needs what, and
 *   circles
 */
async function importsOf(language, files) {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  const { circlesOf, [language]: find } = await import('../scripts/support/imports.mjs');
  const prefix = path.relative(ROOT, folder).replaceAll('\\', '/');
  const short = (/** @type {string} */ file) => file.slice(prefix.length + 1);
  const graph = find(prefix);
  return {
    graph: Object.fromEntries(
      [...graph].map(([file, targets]) => [short(file), [...targets].map(short).sort()])
    ),
    circles: circlesOf(graph).map((circle) => circle.map(short))
  };
}

const skip = process.platform === 'win32' && 'the temporary folder may be on another drive';

describe('The imports of JavaScript', { skip }, () => {
  it('are followed into folders, not into comments', async () => {
    const { graph, circles } = await importsOf('javascriptImports', {
      'a.js': "const b = require('./b');\n// require('./c')\n/* require('./c') */",
      'b/index.js': "function late() { return require('../c'); }",
      'c.js': "require('node:fs');"
    });
    assert.deepEqual(graph, { 'a.js': ['b/index.js'], 'b/index.js': ['c.js'], 'c.js': [] });
    assert.deepEqual(circles, []);
  });

  it('are reported where they are a circle, once', async () => {
    const { circles } = await importsOf('javascriptImports', {
      'a.js': "require('./b');",
      'b.js': "require('./c');",
      'c.js': "require('./b'); require('./d');",
      'd.js': "require('./b');"
    });
    assert.deepEqual(circles, [['b.js', 'c.js', 'b.js']]);
  });
});

describe('The imports of Rust', { skip }, () => {
  it('are those of the file that defines a name', async () => {
    const { graph, circles } = await importsOf('rustImports', {
      'lib.rs': 'mod engine;\npub mod frame;\npub use engine::Engine;',
      'engine/mod.rs': 'mod queue;\nmod reactor;\npub use reactor::{Engine, Reactor as Other};',
      'engine/reactor.rs': 'use super::queue::{self, Queue};\npub struct Engine;',
      'engine/queue.rs':
        'use std::mem;\nfn f() -> crate::frame::Frame { todo!() }\n#[cfg(test)]\nmod tests {\n' +
        '    use super::super::Engine;\n}',
      'frame.rs': '// use crate::Engine;\npub struct Frame;'
    });
    assert.deepEqual(graph, {
      'lib.rs': [],
      'engine/mod.rs': [],
      'engine/reactor.rs': ['engine/queue.rs'],
      'engine/queue.rs': ['frame.rs'],
      'frame.rs': []
    });
    assert.deepEqual(circles, []);
  });

  it('are reported where they are a circle, also through what hands names on', async () => {
    const { circles } = await importsOf('rustImports', {
      'lib.rs': 'mod a;\nmod b;\npub use a::A;',
      'a.rs': 'use crate::b::{B as Other, inner::{C}};\nstruct A;',
      'b.rs': 'use super::A;\nstruct B;\nmod inner { struct C; }'
    });
    assert.deepEqual(circles, [['a.rs', 'b.rs', 'a.rs']]);
  });
});

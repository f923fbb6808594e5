'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');

const { isBlob, isValidStatusCode, isValidUTF8 } = require('../lib/validation');
const { internal } = require('./support/reference');

describe('isValidStatusCode', () => {
  it('allows the codes that ws allows', () => {
    const reference = internal('validation').isValidStatusCode;
    for (let code = -1; code < 70_000; code++) {
      assert.strictEqual(isValidStatusCode(code), reference(code), String(code));
    }
  });

  it('refuses what is not a whole number', () => {
    for (const code of [Number.NaN, Infinity, 1000.5])
      assert.strictEqual(isValidStatusCode(code), false);
  });
});

describe('isValidUTF8', () => {
  it('agrees with ws on every sequence of two bytes', () => {
    const reference = internal('validation').isValidUTF8;
    const bytes = Buffer.alloc(2);
    for (let i = 0; i < 65_536; i++) {
      bytes.writeUInt16BE(i);
      if (isValidUTF8(bytes) !== reference(bytes)) assert.fail(bytes.toString('hex'));
    }
  });

  it('refuses surrogates, overlong forms and what lies beyond U+10FFFF', () => {
    for (const hex of ['eda080', 'c080', 'e08080', 'f0808080', 'f4908080', 'f8', 'e282']) {
      assert.strictEqual(isValidUTF8(Buffer.from(hex, 'hex')), false, hex);
    }
    assert.strictEqual(isValidUTF8(Buffer.from('κόσμε 💶')), true);
  });
});

describe('isBlob', () => {
  it('knows blobs and files, also those of others, from everything else', () => {
    const foreign = {
      arrayBuffer() {},
      stream() {},
      type: '',
      [Symbol.toStringTag]: 'File'
    };
    for (const value of [new Blob([]), foreign]) assert.strictEqual(isBlob(value), true);
    for (const value of [null, undefined, 'Blob', {}, Buffer.alloc(0), { ...foreign, type: 1 }]) {
      assert.strictEqual(isBlob(value), false);
    }
  });
});

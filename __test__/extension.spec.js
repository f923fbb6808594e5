'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');

const { format, parse } = require('../lib/extension');
const { generator } = require('./support/frames');
const { outcome } = require('./support/outcome');
const { internal } = require('./support/reference');

const reference = internal('extension');

/** A map as `parse` makes it: without a prototype. */
function map(entries) {
  return Object.assign(Object.create(null), entries);
}

describe('extension', () => {
  it('gives the parameters of each element by name', () => {
    assert.deepStrictEqual(
      parse('a, permessage-deflate; x; y=1; x="\\2", a;constructor'),
      map({
        a: [map(), map({ constructor: [true] })],
        'permessage-deflate': [map({ x: [true, '2'], y: ['1'] })]
      })
    );
  });

  it('refuses what the grammar does not know', () => {
    for (const [header, message] of [
      ['', 'Unexpected end of input'],
      ['a;', 'Unexpected end of input'],
      ['a;b="c', 'Unexpected end of input'],
      ['a;b="c" ', 'Unexpected end of input'],
      [';', 'Unexpected character at index 0'],
      ['a;b =c', 'Unexpected character at index 4'],
      ['a;b=""', 'Unexpected character at index 5'],
      ['a;b="c d"', 'Unexpected character at index 6'],
      ['\u00e4', 'Unexpected character at index 0']
    ]) {
      assert.throws(() => parse(header), { name: 'SyntaxError', message });
    }
  });

  it('takes a value that is no string as ws does', () => {
    for (const value of [undefined, null, 5, {}]) {
      assert.deepStrictEqual(
        outcome(() => parse(value)),
        outcome(() => reference.parse(value))
      );
    }
  });

  it('agrees with ws on every header', () => {
    const random = generator(23);
    const alphabet = ['a', 'b', ',', ';', ';', '=', '"', '"', '\\', ' ', '\t', '@', '\u00e9'];
    let valid = 0;
    for (let count = 0; count < 20000; count++) {
      let header = 'a';
      for (let left = random(9); left > 0; left--) header += alphabet[random(alphabet.length)];
      const result = outcome(() => parse(header));
      assert.deepStrictEqual(
        result,
        outcome(() => reference.parse(header)),
        JSON.stringify(header)
      );
      if (result.value) {
        valid++;
        assert.strictEqual(format(result.value), reference.format(result.value));
        assert.deepStrictEqual(parse(format(result.value)), result.value);
      }
    }
    assert.ok(valid > 500);
  });

  it('formats lists, single values and single elements', () => {
    for (const [extensions, header] of [
      [{}, ''],
      [{ a: [] }, ''],
      [{ a: {} }, 'a'],
      [{ a: { b: true, c: 10 } }, 'a; b; c=10'],
      [{ a: [{}, { b: [true, 'x'] }], c: { d: false } }, 'a, a; b; b=x, c; d=false']
    ]) {
      assert.strictEqual(format(extensions), header);
      assert.strictEqual(reference.format(extensions), header);
    }
  });
});

'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');

const { concat, mask, toArrayBuffer, toBuffer, unmask } = require('../lib/buffer-util');

describe('concat', () => {
  it('gives the only buffer of a list itself', () => {
    const buffer = Buffer.from('a');
    assert.strictEqual(concat([buffer], 1), buffer);
  });

  it('never exposes more than the buffers hold', () => {
    const joined = concat([Buffer.from([1, 2]), Buffer.from([3])], 100);
    assert.deepStrictEqual(joined, Buffer.from([1, 2, 3]));
  });

  it('gives an empty buffer for an empty list', () => {
    assert.strictEqual(concat([], 0).length, 0);
  });
});

describe('mask and unmask', () => {
  const key = Buffer.from([1, 2, 3, 4]);

  it('agree with the definition at every length and place', () => {
    for (let length = 0; length < 200; length++) {
      const source = Buffer.from(Array.from({ length }, (_, i) => i));
      const expected = source.map((byte, i) => byte ^ key[i % 4]);
      const output = Buffer.alloc(length + 7);
      mask(source, key, output, 5, length);
      assert.deepStrictEqual(output.subarray(5, 5 + length), expected);
      assert.deepStrictEqual(output.subarray(0, 5), Buffer.alloc(5));
      unmask(source, key);
      assert.deepStrictEqual(source, expected);
    }
  });

  it('mask in place, and only as much as asked', () => {
    const data = Buffer.alloc(8);
    mask(data, key, data, 0, 5);
    assert.deepStrictEqual(data, Buffer.from([1, 2, 3, 4, 1, 0, 0, 0]));
  });
});

describe('toBuffer', () => {
  it('shares the bytes of buffers, views and array buffers', () => {
    const bytes = new Uint8Array([1, 2, 3, 4]);
    for (const data of [
      Buffer.from(bytes),
      bytes,
      bytes.buffer,
      new DataView(bytes.buffer, 1, 2)
    ]) {
      const buffer = toBuffer(data);
      assert.ok(Buffer.isBuffer(buffer));
      assert.strictEqual(toBuffer.readOnly, true);
      assert.strictEqual(buffer.length, data.byteLength);
    }
  });

  it('copies everything else that `Buffer.from()` takes', () => {
    assert.deepStrictEqual(toBuffer([1, 2]), Buffer.from([1, 2]));
    assert.strictEqual(toBuffer.readOnly, false);
    assert.throws(() => toBuffer(true), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' });
  });
});

describe('toArrayBuffer', () => {
  it('copies only where the buffer is a part of its memory', () => {
    const whole = Buffer.from(new ArrayBuffer(3));
    assert.strictEqual(toArrayBuffer(whole), whole.buffer);
    const part = whole.subarray(1);
    assert.strictEqual(toArrayBuffer(part).byteLength, 2);
  });
});

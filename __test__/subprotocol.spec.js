'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');

const { parse } = require('../lib/subprotocol');
const { generator } = require('./support/frames');
const { outcome } = require('./support/outcome');
const { internal } = require('./support/reference');

describe('subprotocol', () => {
  it('gives the names in order', () => {
    const names = parse('mqtt, chat.v2\t,graphql-ws ,  MQTT');
    assert.ok(names instanceof Set);
    assert.deepStrictEqual([...names], ['mqtt', 'chat.v2', 'graphql-ws', 'MQTT']);
  });

  it('refuses what is no list of different names', () => {
    for (const [header, message] of [
      ['', 'Unexpected end of input'],
      ['chat,', 'Unexpected end of input'],
      ['chat ', 'Unexpected end of input'],
      [' chat', 'Unexpected character at index 0'],
      ['chat,,mqtt', 'Unexpected character at index 5'],
      ['chat v2', 'Unexpected character at index 5'],
      ['ch\u00e4t', 'Unexpected character at index 2'],
      ['chat, mqtt, chat', 'The "chat" subprotocol is duplicated']
    ]) {
      assert.throws(() => parse(header), { name: 'SyntaxError', message });
    }
  });

  it('takes a value that is no string as ws does', () => {
    for (const value of [undefined, null, 5, {}]) {
      assert.deepStrictEqual(
        outcome(() => parse(value)),
        outcome(() => internal('subprotocol').parse(value))
      );
    }
  });

  it('agrees with ws on every header', () => {
    const random = generator(17);
    const alphabet = ['a', 'b', 'B', '-', ',', ',', ' ', '\t', ';', '"', '\u00e9', '\ud83d\ude00'];
    for (let count = 0; count < 3000; count++) {
      let header = '';
      for (let left = random(10); left > 0; left--) header += alphabet[random(alphabet.length)];
      assert.deepStrictEqual(
        outcome(() => parse(header)),
        outcome(() => internal('subprotocol').parse(header)),
        JSON.stringify(header)
      );
    }
  });
});

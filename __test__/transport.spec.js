'use strict';

// The border between a WebSocket and what carries it. That both transports answer what
// `lib/transport.js` asks is checked by TypeScript: `npm test -- types`.

const assert = require('node:assert');
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const { Receiver, WebSocket } = require('..');
const { connect } = require('./support/connections');

/** The files on both sides of the border. */
const FILES = [
  'engine/answering.js',
  'engine/attach.js',
  'engine/bytes-transport.js',
  'engine/mode.js',
  'engine/take-over.js',
  'engine/transport.js',
  'stream-transport.js',
  'transport.js'
];

describe('The transport of a WebSocket', () => {
  it('has no `any` at its border', () => {
    for (const name of FILES) {
      const source = fs.readFileSync(path.join(__dirname, '../lib', name), 'utf8');
      assert.match(source, /^\/\/ @ts-check\n/, name);
      assert.doesNotMatch(source, /@\w+ \{[^}\n]*\bany\b/, name);
    }
  });

  it('is none before the connection is open, and fields may be set all the same', () => {
    const ws = new WebSocket(null, undefined, {});
    assert.strictEqual(ws.transport, null);
    assert.strictEqual(ws._receiver, null);
    assert.strictEqual(ws._sender, null);
    for (const name of ['_receiver', '_sender']) {
      const value = {};
      ws[name] = value;
      assert.strictEqual(ws[name], value);
      assert.ok(Object.keys(ws).includes(name));
    }
  });

  for (const [name, options] of Object.entries({
    'as it is': {},
    compressed: { perMessageDeflate: true },
    'with masking keys of the program': { generateMask: (key) => key.fill(1) }
  })) {
    it(`gives the bytes to a receiver of the program's, ${name}`, async (t) => {
      const { peer, ws } = await connect(t, { clientOptions: options, serverOptions: options });
      const receiver = new Receiver({ isServer: false });
      const events = new EventEmitter();
      receiver.on('message', (data) => events.emit('message', String(data)));
      ws.on('message', () => assert.fail('the receiver is another one'));
      ws._receiver = receiver;
      assert.strictEqual(ws._receiver, receiver);
      assert.strictEqual(ws.transport, 'stream');
      const received = once(events, 'message');
      peer.send('for the receiver', { compress: false });
      assert.deepStrictEqual(await received, ['for the receiver']);
    });
  }
});

'use strict';

// The browser's side of a WebSocket, compared with that of ws.

const assert = require('node:assert');
const { describe, it } = require('node:test');

const { CloseEvent, ErrorEvent, Event, MessageEvent } = require('../lib/event-target');
const { attempt, compare, perform, oxws } = require('./support/differential');
const { internal } = require('./support/reference');

const TYPES = ['open', 'message', 'error', 'close'];

/** A WebSocket that is never connected, to emit events on. */
function lonely(world) {
  return new world.WebSocket(null, undefined, {});
}

/** Emits each event once, with what a connection gives along. */
function emitAll(websocket) {
  websocket.emit('open');
  websocket.emit('message', Buffer.from('text'), false);
  websocket.emit('message', Buffer.from('bytes'), true);
  websocket.emit('error', new TypeError('wrong'));
  websocket.emit('close', 1001, Buffer.from('r€ason'));
}

/** What a program can read of an event. */
function read(event) {
  const values = [event.constructor.name];

  for (const name in event) {
    const value = event[name];

    values.push([
      name,
      Buffer.isBuffer(value) ? `Buffer ${value}` : (value?.message ?? typeof value)
    ]);
    if (typeof value !== 'object') values.push(value);
  }
  return values;
}

describe('events', () => {
  const reference = internal('event-target');
  const ours = { CloseEvent, ErrorEvent, Event, MessageEvent };

  for (const [name, EventClass] of Object.entries(ours)) {
    it(`${name} has the properties of that of ws`, () => {
      const properties = (Class) =>
        Object.entries(Object.getOwnPropertyDescriptors(Class.prototype))
          // Which ws doesn't have, and isn't enumerable.
          .filter(([property]) => property !== 'cause')
          .map(([property, { get, set, enumerable, configurable }]) => [
            property,
            typeof get,
            typeof set,
            enumerable,
            configurable
          ])
          .sort();

      assert.deepStrictEqual(properties(EventClass), properties(reference[name]));
      assert.strictEqual(EventClass.length, reference[name].length);
      assert.strictEqual(EventClass.name, reference[name].name);
    });

    it(`${name} takes its attributes, with the defaults of ws`, () => {
      const inits = [
        undefined,
        {},
        { code: 1000, reason: 'a', wasClean: true, error: 'b', message: 'c', data: 'd' },
        { code: null, reason: null, wasClean: null, error: null, message: null, data: null }
      ];

      for (const init of inits) {
        const event = new EventClass('foo', init);
        const expected = new reference[name]('foo', init);

        for (const property in expected) {
          assert.strictEqual(event[property], expected[property], property);
        }
        assert.deepStrictEqual(Object.keys(event), []);
      }
    });
  }
});

describe('the on* attributes', () => {
  it('hear what ws lets them hear', () =>
    compare(async (world) => {
      const websocket = lonely(world);

      for (const type of TYPES) {
        websocket[`on${type}`] = function (event) {
          world.note(read(event), this === websocket, event.target === websocket);
        };
      }
      emitAll(websocket);
    }));

  it('give back what was set, and take functions only', () =>
    compare(async (world) => {
      const websocket = lonely(world);
      const handler = () => {};

      for (const type of TYPES) {
        const name = `on${type}`;

        for (const value of [handler, undefined, handler, null, {}, 'a', handler, () => {}]) {
          websocket[name] = value;
          world.note(
            name,
            websocket[name] === handler,
            typeof websocket[name],
            websocket.listenerCount(type)
          );
        }
        websocket[name] = { handleEvent() {} };
        world.note(websocket[name], websocket.listenerCount(type));
      }
    }));

  it('replace the handler before, at the end of the line', () =>
    compare(async (world) => {
      const websocket = lonely(world);

      websocket.onopen = () => world.note('first');
      websocket.on('open', () => world.note('on'));
      websocket.addEventListener('open', () => world.note('added'));
      websocket.onopen = () => world.note('second');
      websocket.emit('open');
      websocket.onopen = null;
      websocket.emit('open');
    }));

  it('have nothing to do with the same function added otherwise', () =>
    compare(async (world) => {
      const websocket = lonely(world);
      const handler = () => world.note('called');

      websocket.addEventListener('open', handler);
      websocket.onopen = handler;
      websocket.on('open', handler);
      websocket.emit('open');
      world.note(websocket.onopen === handler, websocket.listenerCount('open'));
      websocket.removeEventListener('open', handler);
      world.note(websocket.onopen === handler, websocket.listenerCount('open'));
      websocket.removeEventListener('open', handler);
      world.note(websocket.onopen === handler, websocket.listenerCount('open'));
      websocket.onopen = null;
      websocket.emit('open');
      websocket.removeListener('open', handler);
      world.note(websocket.listenerCount('open'));
    }));
});

describe('addEventListener', () => {
  it('takes functions and objects, once each', () =>
    compare(async (world) => {
      const websocket = lonely(world);
      const object = {
        handleEvent(event) {
          world.note('object', read(event), this === object);
        }
      };

      function handler(event) {
        world.note('function', read(event), this === websocket);
      }

      for (const type of TYPES) {
        for (const listener of [handler, object, handler, object]) {
          websocket.addEventListener(type, listener);
        }
        world.note(type, websocket.listenerCount(type));
      }
      emitAll(websocket);
      for (const type of TYPES) {
        for (const listener of [handler, () => {}, object]) {
          websocket.removeEventListener(type, listener);
        }
        world.note(type, websocket.listenerCount(type));
      }
    }));

  it('ignores other types', () =>
    compare(async (world) => {
      const websocket = lonely(world);

      for (const type of ['ping', 'pong', 'foo', 'constructor', 'toString', '__proto__']) {
        world.note(attempt(() => websocket.addEventListener(type, () => world.note('called'))));
        world.note(type, websocket.listenerCount(type));
        world.note(attempt(() => websocket.removeEventListener(type, () => {})));
      }
    }));

  it('removes a listener that is wanted once', () =>
    compare(async (world) => {
      const websocket = lonely(world);
      const handler = () => world.note('called', websocket.listenerCount('open'));

      for (const options of [
        { once: true },
        { once: false },
        {},
        undefined,
        true,
        { passive: true }
      ]) {
        websocket.addEventListener('open', handler, options);
        websocket.emit('open');
        websocket.emit('open');
        websocket.removeEventListener('open', handler);
        world.note(websocket.listenerCount('open'));
      }
      websocket.addEventListener('open', handler, { once: true });
      websocket.addEventListener('open', handler);
      world.note(websocket.listenerCount('open'));
      websocket.removeEventListener('open', handler);
      world.note(websocket.listenerCount('open'));
    }));

  it('fails at the event for what can not be called, as in ws', () =>
    compare(async (world) => {
      for (const listener of [undefined, null, {}, 'a', 5]) {
        const websocket = lonely(world);
        const added = attempt(() => websocket.addEventListener('open', listener));
        const [outcome, name] = attempt(() => websocket.emit('open'));

        world.note(added, outcome, name);
      }
    }));

  it('has its wrappers among the listeners', () =>
    compare(async (world) => {
      const websocket = lonely(world);
      const handler = () => {};

      websocket.addEventListener('message', handler);
      world.note(
        websocket.listeners('message').length,
        websocket.listeners('message')[0] === handler
      );
      world.note(websocket.eventNames());
    }));
});

describe('the class', () => {
  it('dispatches no events of the user and is no EventTarget', async () => {
    await perform(oxws, async (world) => {
      const websocket = lonely(world);

      assert.strictEqual(websocket.dispatchEvent, undefined);
      assert.ok(!(websocket instanceof EventTarget));
    });
  });
});

'use strict';

// Scripts that run in both roles, on ws and on this package.

const { it } = require('node:test');

const { compare } = require('./differential');
const { frame } = require('./frames');

const KEY = Buffer.from([1, 2, 3, 4]);
const ZERO_KEY = Buffer.alloc(4);
const ROLES = ['server', 'client'];

/** The events of a socket. */
const SOCKET_EVENTS = [
  'connect',
  'end',
  'error',
  'timeout',
  'drain',
  'finish',
  'close',
  'ready',
  'lookup'
];

/** A frame as the peer of a role has to send it. */
function incoming(role, opcode, payload, options = {}) {
  return frame(opcode, payload, { key: role === 'server' ? ZERO_KEY : null, ...options });
}

/** A close frame as the peer of a role has to send it. */
function incomingClose(role, code, reason = '') {
  const payload = Buffer.from([code >> 8, code & 0xff, ...Buffer.from(reason)]);
  return incoming(role, 8, payload);
}

/** Runs a script as server and as client, on ws and here. */
function inBothRoles(title, script, options) {
  for (const role of ROLES) {
    it(`${title}, as ${role}`, () =>
      compare(async (world) => {
        const opened = await world.open(role, options);
        const arrive = (opcode, payload) =>
          frame(opcode, payload, { key: role === 'server' ? KEY : null });
        const socket = opened.websocket._socket;
        await script({
          ...opened,
          incoming: arrive,
          note: world.note.bind(world),
          role,
          socket,
          world
        });
      }));
  }
}

/** Notes down the events of a socket and its WebSocket, and the order in which they come. */
function watch({ note, socket, websocket }) {
  for (const event of SOCKET_EVENTS) {
    socket.on(event, (...values) => note(`socket ${event}`, ...values));
  }
  websocket.on('error', (error) => note('error', error));
  websocket.on('close', (code) => note('close', code));
}

/** Waits until a callback has been called, and gives its arguments. */
function called(action) {
  return new Promise((resolve) => action((...parameters) => resolve(parameters)));
}

module.exports = { called, inBothRoles, incoming, incomingClose, KEY, ROLES, watch, ZERO_KEY };

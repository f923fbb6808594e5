'use strict';

// Scripts that run in both roles, on ws and on this package.

const { it } = require('node:test');

const { compare } = require('./differential');
const { frame } = require('./frames');

const KEY = Buffer.from([1, 2, 3, 4]);

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

/** Runs a script as server and as client, on ws and here. */
function inBothRoles(title, script, options) {
  for (const role of ['server', 'client']) {
    it(`${title}, as ${role}`, () =>
      compare(async (world) => {
        const opened = await world.open(role, options);
        const incoming = (opcode, payload) =>
          frame(opcode, payload, { key: role === 'server' ? KEY : null });
        const socket = opened.websocket._socket;
        await script({ ...opened, incoming, note: world.note.bind(world), role, socket, world });
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

module.exports = { inBothRoles, KEY, watch };

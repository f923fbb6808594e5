// @ts-check
'use strict';

// The chat room: who is in it, what they say, and the figures that every window shows.
//
// Text messages are JSON objects with a `type`: from a window   hello { name }, chat { text }, race
//   to a window     welcome { id, history, source }, people { people }, chat { ... }, notice { text
//   }, stats, race { runs, isOver } A binary message is an echo request: it goes back as it is.
//   Windows measure round trips with it, and make load.

const { performance } = require('node:perf_hooks');
const { WebSocket } = require('../..');
const { homepage } = require('../../package.json');
const { createRace } = require('./race');

const MAX_NAME = 24;
const MAX_TEXT = 500;

/** Lines that a window which joins gets to see. */
const HISTORY = 50;

/** Milliseconds between two messages with figures. */
const STATS_INTERVAL = 500;

/** Chat lines that one window may send a second. */
const CHAT_RATE = 10;

/** Unsent bytes above which a window that does not read misses what is broadcast. */
const MAX_UNSENT = 1024 * 1024;

/**
 * @typedef {object} Member A window
 * @property {number} id Identifies it for as long as the server runs
 * @property {string} name What the person calls themselves; empty until `hello`
 * @property {number} credit Chat lines that it may still send this second
 * @property {number} payload Bytes of messages, both ways
 */

/**
 * Makes text of a person fit to be shown: one line, no control characters, of limited length.
 *
 * @param {unknown} value What came
 * @param {number} length The most characters
 * @return {string} The text, empty when there is none
 */
function cleanText(value, length) {
  if (typeof value !== 'string') return '';
  const characters = [...value.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()];
  return characters.slice(0, length).join('').trim();
}

/**
 * Reads a text message.
 *
 * @param {string} text The message
 * @return {Record<string, unknown> | undefined} The object, `undefined` when it is none
 */
function parseMessage(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Says how a window is connected.
 *
 * @param {import('../..').WebSocket} ws Its connection
 * @param {Member} member The window
 * @return {{ carrier: string, payload: number, wire: number }} What carries the connection; bytes
 *   of messages, and bytes that they took on the wire, handshake included
 */
function describeConnection(ws, { payload }) {
  const socket = /** @type {any} */ (ws)._socket;
  const wire = socket ? socket.bytesRead + socket.bytesWritten : 0;
  const part = WebSocket.binding === 'wasm' ? 'WebAssembly' : 'native code';
  return {
    carrier: ws.transport === 'engine' ? 'Rust engine' : `Node.js socket, ${part}`,
    payload,
    wire
  };
}

/**
 * Opens a room.
 *
 * @return {{ join: (ws: import('../..').WebSocket) => void, close: () => void }} What lets a window
 *   in, and what ends the timers
 */
function createRoom() {
  /** @type {Map<import('../..').WebSocket, Member>} */
  const members = new Map();
  /** @type {object[]} */
  const history = [];
  const counters = { received: 0, sent: 0 };
  let lastId = 0;

  /**
   * Sends to one window, unless it has stopped reading.
   *
   * @param {import('../..').WebSocket} ws The window
   * @param {string | Buffer} data The message
   */
  function send(ws, data) {
    if (ws.readyState !== ws.OPEN || ws.bufferedAmount > MAX_UNSENT) return;
    counters.sent++;
    const member = members.get(ws);
    if (member !== undefined) member.payload += Buffer.byteLength(data);
    ws.send(data);
  }

  /**
   * Sends to every window.
   *
   * @param {object} message What to send
   */
  function broadcast(message) {
    const text = JSON.stringify(message);
    for (const ws of members.keys()) send(ws, text);
  }

  /**
   * Adds a line to the chat.
   *
   * @param {object} line A chat line or a notice
   */
  function say(line) {
    const message = { ...line, time: Date.now() };
    history.push(message);
    if (history.length > HISTORY) history.shift();
    broadcast(message);
  }

  const race = createRace((runs, isOver) => broadcast({ type: 'race', runs, isOver }));

  /** Tells every window who is here. */
  function broadcastPeople() {
    const named = [...members.values()].filter(({ name }) => name !== '');
    broadcast({ type: 'people', people: named.map(({ id, name }) => ({ id, name })) });
  }

  /**
   * Handles a text message.
   *
   * @param {Member} member Who sent it
   * @param {Record<string, unknown> | undefined} message The message
   */
  function receive(member, message) {
    if (message?.type === 'hello') {
      const name = cleanText(message.name, MAX_NAME) || `Guest ${member.id}`;
      if (name === member.name) return;
      const notice = member.name === '' ? `${name} joined` : `${member.name} is now ${name}`;
      member.name = name;
      say({ type: 'notice', text: notice });
      broadcastPeople();
    } else if (message?.type === 'chat' && member.name !== '') {
      const text = cleanText(message.text, MAX_TEXT);
      if (text === '' || member.credit === 0) return;
      member.credit--;
      say({ type: 'chat', id: member.id, name: member.name, text });
    } else if (message?.type === 'race') {
      race.start();
    }
  }

  /**
   * Lets a window in.
   *
   * @param {import('../..').WebSocket} ws The window
   */
  function join(ws) {
    const member = { id: ++lastId, name: '', credit: CHAT_RATE, payload: 0 };
    members.set(ws, member);
    ws.on('error', () => {}); // a window that breaks the protocol is closed; nothing else to do
    ws.on('message', (data, isBinary) => {
      counters.received++;
      member.payload += /** @type {Buffer} */ (data).length;
      if (isBinary) send(ws, /** @type {Buffer} */ (data));
      else receive(member, parseMessage(String(data)));
    });
    ws.on('close', () => {
      members.delete(ws);
      if (member.name === '') return;
      say({ type: 'notice', text: `${member.name} left` });
      broadcastPeople();
    });
    send(ws, JSON.stringify({ type: 'welcome', id: member.id, history, source: homepage }));
  }

  let last = { ...counters, time: performance.now(), cpu: process.cpuUsage() };
  const statsTimer = setInterval(() => {
    const now = { ...counters, time: performance.now(), cpu: process.cpuUsage() };
    const seconds = (now.time - last.time) / 1000;
    const cpu = now.cpu.user + now.cpu.system - last.cpu.user - last.cpu.system;
    const stats = {
      type: 'stats',
      connections: members.size,
      received: Math.round((now.received - last.received) / seconds),
      sent: Math.round((now.sent - last.sent) / seconds),
      cpu: Math.round(cpu / seconds / 10_000), // microseconds a second, as percent of one core
      memory: process.memoryUsage.rss()
    };
    for (const [ws, member] of members) {
      send(ws, JSON.stringify({ ...stats, own: describeConnection(ws, member) }));
    }
    last = now;
  }, STATS_INTERVAL).unref();

  const creditTimer = setInterval(() => {
    for (const member of members.values()) member.credit = CHAT_RATE;
  }, 1000).unref();

  return {
    join,
    close() {
      race.close();
      clearInterval(statsTimer);
      clearInterval(creditTimer);
    }
  };
}

module.exports = { createRoom };

// @ts-check
'use strict';

// The options of the command. Names and letters are those of wscat.

/** @typedef {import('./arguments').Options} Options */

/** @satisfies {Options} What a connection is made with. */
const CONNECTION_OPTIONS = {
  auth: {
    value: '<username:password>',
    help: 'add an HTTP header for basic authentication'
  },
  ca: { value: '<file>', help: 'trust the certificate authority in this file' },
  cert: { value: '<file>', help: 'show the server this certificate' },
  header: {
    short: 'H',
    value: '<header:value>',
    multiple: true,
    help: 'add an HTTP header; may be repeated'
  },
  host: { value: '<host>', help: 'set the Host header' },
  key: { value: '<file>', help: 'the private key of the certificate' },
  location: { short: 'L', help: 'follow redirects' },
  'max-redirects': { value: '[num]', help: 'follow at most this many redirects (default: 10)' },
  'no-check': { short: 'n', help: "do not check the server's certificate" },
  origin: { short: 'o', value: '<origin>', help: 'set the Origin header' },
  passphrase: {
    value: '[passphrase]',
    help: 'the passphrase of the private key; without a value it is asked for'
  },
  protocol: { short: 'p', value: '<version>', help: 'version of the protocol: 8 or 13' },
  proxy: {
    value: '<[protocol://]host[:port]>',
    help: 'connect via an HTTP proxy that knows the method CONNECT'
  },
  subprotocol: {
    short: 's',
    value: '<protocol>',
    multiple: true,
    help: 'offer a subprotocol; may be repeated'
  }
};

const HELP = { short: 'h', help: 'show this help' };

/** @type {Options} Options of the client and the server. */
const CAT_OPTIONS = {
  connect: { short: 'c', value: '<url>', help: 'connect to a WebSocket server' },
  listen: { short: 'l', value: '<port>', help: 'listen on a port, for one client at a time' },
  execute: {
    short: 'x',
    value: '<command>',
    multiple: true,
    help: 'send this after connecting, print what comes, close; may be repeated'
  },
  wait: {
    short: 'w',
    value: '<seconds>',
    help: 'close this long after --execute, or after the end of a redirected input (default: 2 after --execute, else 0; -1: never)'
  },
  'show-ping-pong': { short: 'P', help: 'tell when a ping or pong is received' },
  slash: {
    help: 'send control frames by /ping [data], /pong [data], /close [code [reason]]'
  },
  ping: {
    value: '<seconds>',
    help: 'ping after this long without a word of the peer, and give it up if as long goes by again'
  },
  timestamps: { help: 'begin each line with the time' },
  'no-color': { help: 'run without colors' },
  ...CONNECTION_OPTIONS,
  host: { value: '<host>', help: 'set the Host header; with --listen: the address to listen on' },
  version: { short: 'V', help: 'show the version' },
  help: HELP
};

/** @type {Options} Options of `bench`. */
const BENCH_OPTIONS = {
  connections: { value: '<number>', help: 'connections to open (default: 10)' },
  size: { value: '<bytes>', help: 'payload of a message (default: 64)' },
  'in-flight': {
    value: '<number>',
    help: 'messages that each connection has under way (default: 1)'
  },
  duration: { value: '<seconds>', help: 'how long to measure (default: 10)' },
  text: { help: 'send text in place of binary messages' },
  deflate: { help: 'offer compression' },
  json: { help: 'print nothing but the result, as JSON' },
  'no-color': { help: 'run without colors' },
  ...CONNECTION_OPTIONS,
  help: HELP
};

module.exports = { BENCH_OPTIONS, CAT_OPTIONS };

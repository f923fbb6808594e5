// The programs that are run on ws and on oxws: what is installed, what is done, what to know.

/**
 * A program, by the name of the folder that has its `scenario.mjs`.
 *
 * @typedef {object} Program
 * @property {Record<string, string>} packages What is installed, with exact versions. ws itself is
 *     added by the command
 * @property {string} does What the scenario does
 * @property {string} [remark] What to know about the result
 * @property {string} [needs] Software that isn't from npm: a key of `COMMANDS`
 * @property {boolean} [copied] Whether a link won't do: it knows ws by the path of its files
 * @property {boolean} [quick] Part of `--quick`: soon installed, soon done
 */

/** Software that isn't from npm, by the names that its command may have. */
export const COMMANDS = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  nginx: ['nginx']
};

/** What is done in each test framework. */
const FAKE_TIMERS =
  'Conversations under fake timers, compressed and not, and in the test after those; the time limit ' +
  'of a closing handshake, which is that of the fakes';

/** What is done with each tool for tracing. */
const TRACING =
  'The spans of connections, messages and closing, of both ends, loaded before ws; compressed and not';

/** @type {Record<string, Program>} */
export const PROGRAMS = {
  'socket.io': {
    packages: { 'socket.io': '4.8.4', 'socket.io-client': '4.8.4' },
    does:
      'Server and clients, by WebSocket alone, by upgrade from polling, with perMessageDeflate, ' +
      'with the wsEngine option: text, binary, acknowledgements, rooms, a namespace, refusal, ' +
      'both ends closing. A broadcast to 150 clients, encoded once and written by sendFrame',
    quick: true
  },
  'engine.io': {
    packages: { 'engine.io': '6.6.11', 'engine.io-client': '6.6.8' },
    does:
      'The same layer without socket.io: upgrade from polling, compression, a small window, ' +
      'wsEngine, heartbeats, callbacks of send'
  },
  wscat: {
    packages: { wscat: '6.1.0' },
    does:
      '-c with typed lines, slash commands and pings; -x with headers, origin, authentication, ' +
      'protocol version 8; a redirect; refusals; --listen with wscat -c at the other end'
  },
  'graphql-ws': {
    packages: { 'graphql-ws': '6.4.2', graphql: '16.15.0' },
    does:
      'Queries, errors, subscriptions to their end and left early, keep-alive, refused and ' +
      'late greetings (4403, 4408), bad messages, a client that tries again, compression',
    quick: true
  },
  trpc: {
    packages: { '@trpc/server': '11.25.2', '@trpc/client': '11.25.2' },
    does:
      'Queries, mutations, errors, keep-alive, a subscription that goes on after the server ' +
      'asked to connect again'
  },
  'y-websocket': {
    packages: { 'y-websocket': '2.1.0', yjs: '13.6.33' },
    does: 'Two documents edited at once, large updates, awareness, a connection that breaks',
    remark: '2.1.0 is the last version that has the server, too'
  },
  mqtt: {
    packages: { mqtt: '5.16.0', aedes: '1.2.0', 'aedes-server-factory': '0.2.1' },
    does:
      'mqtt clients at the broker aedes over WebSocket: all three qualities of service, ' +
      '400 KB, retained messages, a will, pings, a refused publication',
    remark: 'On Node.js 26 the broker leaves the client waiting, on ws as well'
  },
  'puppeteer-core': {
    packages: { 'puppeteer-core': '24.43.1' },
    needs: 'chromium',
    does:
      'Drives Chromium over its DevTools socket, two connections, messages of 3 MB; a page in ' +
      'it talks to a server on ws, with compression'
  },
  'playwright-core': {
    packages: { 'playwright-core': '1.65.1' },
    needs: 'chromium',
    does:
      'Drives Chromium through a pipe, through its DevTools socket and through a server of ' +
      'playwright; each time a page in it talks to a server on ws, with compression',
    remark:
      'playwright-core contains a copy of ws, which no override reaches: oxws is the server ' +
      'that the pages talk to'
  },
  vite: {
    packages: { vite: '8.3.8' },
    does:
      'Hot reload on a port of its own and on a given server: an update, a reload, a message of ' +
      'a plugin and its answer, a stranger without the token',
    remark:
      'vite contains a copy of ws, which no override reaches: oxws is the client that stands for ' +
      'the page'
  },
  'webpack-dev-server': {
    packages: { 'webpack-dev-server': '5.2.7', webpack: '5.112.2' },
    does: 'Hot reload: changes, a syntax error, progress, an origin that is refused'
  },
  'express-ws': {
    packages: { 'express-ws': '5.0.2', express: '4.22.3' },
    does: 'Routes with parameters, middleware, a router, getWss(), a route that nobody has'
  },
  'nestjs-platform-ws': {
    packages: {
      '@nestjs/platform-ws': '12.1.1',
      '@nestjs/common': '12.5.1',
      '@nestjs/core': '12.5.1',
      '@nestjs/platform-express': '12.5.1',
      '@nestjs/websockets': '12.1.1',
      'reflect-metadata': '0.2.2',
      rxjs: '7.8.2'
    },
    does: 'A gateway with a path: events, streams of answers, all clients, a wrong path, shutdown'
  },
  jsdom: {
    packages: { jsdom: '27.4.0' },
    does:
      "A page's WebSocket: subprotocols, cookies both ways, Blob and ArrayBuffer, errors of the " +
      'constructor, closing by either side, window.close()',
    remark: '27 is the last line of jsdom that uses ws; later ones use undici'
  },
  'discordjs-ws': {
    packages: { '@discordjs/ws': '2.0.4' },
    does:
      'Two shards, each in a worker thread, at a gateway on loopback: zlib-stream payloads, ' +
      'heartbeats, resume after op 7, 1006 and 4000, a new session after op 9 and 4007'
  },
  'https-proxy-agent': {
    packages: { 'https-proxy-agent': '9.1.0', proxy: '4.1.0' },
    does:
      'ws: and wss: through an HTTP and an HTTPS proxy with a password, compressed and not; a ' +
      'wrong password, a target that is not there'
  },
  'socks-proxy-agent': {
    packages: { 'socks-proxy-agent': '10.1.0' },
    does:
      'ws: and wss: through a SOCKS 5 proxy, names resolved here and there, with a password, ' +
      'compressed and not; a wrong password, a target that is not there'
  },
  'http-proxy': {
    packages: { 'http-proxy': '1.18.1' },
    does: 'In front of a server, plain and TLS, compressed and not; a target that is not there'
  },
  nginx: {
    packages: {},
    needs: 'nginx',
    does:
      'In front of a server on TCP and of one on a Unix socket, plain and TLS, compressed and ' +
      'not; an upgrade that nginx swallows, a target that is not there, its time limit, pings ' +
      'against it'
  },
  'isomorphic-ws': {
    packages: { 'isomorphic-ws': '5.0.0' },
    does: 'import and require give ws; a conversation by the events of a browser'
  },
  'reconnecting-websocket': {
    packages: { 'reconnecting-websocket': '4.4.0' },
    does: 'Connections that are lost, closed and refused; messages sent meanwhile'
  },
  'fastify-websocket': {
    packages: { '@fastify/websocket': '11.3.6', fastify: '5.12.8' },
    does:
      'Routes, hooks, verifyClient, errors in handlers, a handler for both protocols, ' +
      'shutdown under open connections, injectWS'
  },
  'hono-node-ws': {
    packages: { '@hono/node-ws': '1.3.1', '@hono/node-server': '1.19.19', hono: '4.13.19' },
    does: 'Routes, the events of a browser on the server, the WebSocket below, refusals'
  },
  crossws: {
    packages: { crossws: '0.4.17' },
    does: 'The adapter for Node.js: hooks, headers, refusal, publish, closeAll',
    remark:
      'crossws contains a copy of ws, which no override reaches: run with that copy and with a ' +
      'server given by its option wss. oxws is the latter and the clients'
  },
  'rpc-websockets': {
    packages: { 'rpc-websockets': '10.0.1' },
    does: 'Calls, errors, login, events, a connection that breaks and comes back'
  },
  sharedb: {
    packages: { sharedb: '7.0.0', '@teamwork/websocket-json-stream': '2.0.0' },
    does: 'Two documents edited at once, a refused change, a query, presence, compression'
  },
  'koa-websocket': {
    packages: { 'koa-websocket': '7.0.0', koa: '2.16.4' },
    does: 'Middleware, plain and TLS, compression, a connection closed by middleware'
  },
  'websocket-stream': {
    packages: { 'websocket-stream': '5.5.2' },
    does: 'Streams both ways with backpressure, 5 MB in one piece, pipeline(), destroy()'
  },
  'jest-30': {
    packages: { jest: '30.5.2' },
    does: FAKE_TIMERS
  },
  'jest-29': {
    packages: { jest: '29.7.0' },
    does: FAKE_TIMERS
  },
  vitest: {
    packages: { vitest: '3.2.7' },
    does: FAKE_TIMERS,
    remark: '3 is the last line of vitest that runs on Node.js 20'
  },
  sinon: {
    packages: { sinon: '22.1.0' },
    does: FAKE_TIMERS
  },
  'dd-trace': {
    packages: { 'dd-trace': '5.132.0' },
    copied: true,
    does: TRACING,
    remark: 'Traced connections stay on the stream transport'
  },
  opentelemetry: {
    packages: {
      'opentelemetry-instrumentation-ws': '0.5.0',
      '@opentelemetry/api': '1.6.0',
      '@opentelemetry/instrumentation': '0.223.0',
      '@opentelemetry/sdk-trace-node': '2.12.1'
    },
    copied: true,
    does: TRACING
  }
};

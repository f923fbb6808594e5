// @ts-check
'use strict';

// Connections, servers and what listens to a WebSocket: with all options that there are.

const { makeFrames } = require('./frames');

/** Values of options that a program can see the effect of, by how likely they are. */
const LIMITS = {
  maxPayload: [0, 10, 125, 126, 1000, 65536, 100000],
  maxFragments: [0, 1, 2, 5],
  maxBufferedChunks: [0, 1, 2, 8],
  maxPendingAutoPongs: [0, 1, 2, 5]
};

/** Options that both roles have. */
function makeOptions({ random, theme, program }) {
  const options = {};
  const rate = theme.options ?? 0.1;
  for (const [name, values] of Object.entries(LIMITS)) {
    if (random.chance(rate * 0.4)) options[name] = random.pick(values);
  }
  if (random.chance(rate)) options.allowSynchronousEvents = random.chance(0.3);
  if (random.chance(rate)) options.autoPong = random.chance(0.3);
  if (random.chance(rate)) options.skipUTF8Validation = random.chance(0.7);
  if (program.transport !== 'tls' && random.chance(rate * 0.3)) options.closeTimeout = 300;
  return options;
}

/** Options of permessage-deflate. */
function makeDeflate({ random }, isServer) {
  const options = {};
  if (random.chance(0.5)) options.threshold = random.pick([0, 10, 1024]);
  if (random.chance(0.25)) options.serverNoContextTakeover = random.chance(0.8);
  if (random.chance(0.25)) options.clientNoContextTakeover = random.chance(0.8);
  if (random.chance(0.15)) options.serverMaxWindowBits = random.pick([9, 10, 15]);
  if (random.chance(0.15)) options.clientMaxWindowBits = random.pick([9, 12, 15]);
  if (!isServer && random.chance(0.1)) options.clientMaxWindowBits = true;
  if (random.chance(0.2)) options.zlibDeflateOptions = { level: random.pick([0, 1, 6, 9]) };
  return Object.keys(options).length > 0 ? options : true;
}

/** What a raw client offers. */
const OFFERS = [
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  'permessage-deflate; client_no_context_takeover',
  'permessage-deflate; server_max_window_bits=10',
  'x-unknown, permessage-deflate',
  'permessage-deflate; unknown',
  'permessage-deflate; server_max_window_bits=7',
  'permessage-deflate;'
];

/** Headers that make something of a handshake that may fail. */
const ODD_REQUESTS = [
  { 'Sec-WebSocket-Version': 8 },
  { 'Sec-WebSocket-Version': 12 },
  { 'Sec-WebSocket-Key': 'short' },
  { 'Sec-WebSocket-Key': null },
  { Upgrade: 'other' },
  { Upgrade: 'WEBSOCKET' },
  { 'Sec-WebSocket-Protocol': 'a, b' },
  { 'Sec-WebSocket-Protocol': 'a,, b' },
  { 'Sec-WebSocket-Protocol': 'a, a' },
  { Origin: 'http://example.com' }
];

const ODD_RESPONSES = [
  { headers: { 'Sec-WebSocket-Accept': 'wrong' } },
  { headers: { Upgrade: 'other' } },
  { headers: { Upgrade: null } },
  { headers: { 'Sec-WebSocket-Protocol': 'z' } },
  { headers: { 'Sec-WebSocket-Extensions': 'x-unknown' } },
  { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; a' } },
  { headers: { 'Sec-WebSocket-Extensions': ';' } },
  { status: '200 OK' },
  { status: '404 Not Found' },
  { status: '401 Unauthorized', headers: { 'WWW-Authenticate': 'Basic' } },
  { status: '302 Found', headers: { Location: 'http://' } },
  { status: '302 Found', headers: { Location: '/?n=0' } },
  { status: '101 Switching Protocols', headers: { Connection: null } }
];

/**
 * Makes a connection.
 *
 * @param {any} context What the program is made with
 * @param {number} number Its number
 * @return {any} The connection
 */
function makeConnection(context, number) {
  const { random, theme } = context;
  const kind = random.weighted(
    theme.kinds ?? [
      [40, 'pair'],
      [32, 'rawClient'],
      [28, 'rawServer']
    ]
  );
  const isCompressed = random.chance(theme.deflate ?? 0.1);
  const connection = { number, kind, ...(isCompressed ? { isCompressed } : {}) };
  if (kind !== 'pair') connection.polite = random.chance(0.8);
  if (kind === 'rawClient') {
    const headers = {};
    if (isCompressed) {
      headers['Sec-WebSocket-Extensions'] = random.chance(0.8)
        ? OFFERS[random.below(4)]
        : random.pick(OFFERS);
    }
    if (theme.isAboutHandshakes && random.chance(0.5))
      Object.assign(headers, random.pick(ODD_REQUESTS));
    const request = {};
    if (Object.keys(headers).length > 0) request.headers = headers;
    if (theme.isAboutHandshakes && random.chance(0.1))
      request.method = random.pick(['POST', 'HEAD']);
    if (random.chance(0.1)) request.behind = makeFrames(context, true);
    if (Object.keys(request).length > 0) connection.request = request;
    return connection;
  }
  const options = { ...makeOptions(context) };
  options.perMessageDeflate = isCompressed ? makeDeflate(context, false) : false;
  const client = { options };
  if (random.chance(theme.isAboutHandshakes ? 0.4 : 0.04))
    client.protocols = random.pick([['a'], ['a', 'b'], ['b']]);
  if (random.chance(0.04)) client.generateMask = random.pick(['zeros', 'counting']);
  if (theme.isAboutHandshakes) {
    if (random.chance(0.1)) options.protocolVersion = random.pick([8, 13]);
    if (random.chance(0.1)) options.origin = 'http://example.com';
    if (random.chance(0.1)) options.headers = { 'X-Test': 'yes' };
    if (random.chance(0.1)) options.handshakeTimeout = 2000;
    if (random.chance(0.2)) options.followRedirects = true;
  }
  connection.client = client;
  if (kind === 'rawServer') {
    const response = {};
    if (isCompressed && random.chance(0.9)) {
      response.headers = {
        'Sec-WebSocket-Extensions': random.pick([
          'permessage-deflate',
          'permessage-deflate; client_no_context_takeover',
          'permessage-deflate; server_no_context_takeover'
        ])
      };
    }
    if (theme.isAboutHandshakes && random.chance(0.6)) {
      const { status, headers } = /** @type {any} */ (random.pick(ODD_RESPONSES));
      if (status) response.status = status;
      response.headers = { ...response.headers, ...headers };
    }
    if (random.chance(0.15)) response.behind = makeFrames(context, false);
    if (Object.keys(response).length > 0) connection.response = response;
  }
  return connection;
}

/**
 * Makes the server.
 *
 * @param {any} context What the program is made with
 * @return {any} The server
 */
function makeServer(context) {
  const { random, theme, program } = context;
  const options = makeOptions(context);
  if (random.chance(theme.deflate ?? 0.1)) options.perMessageDeflate = makeDeflate(context, true);
  if (random.chance(0.05)) options.clientTracking = false;
  const kinds = program.transport === 'tcp' ? ['own', 'http', 'noServer'] : ['http', 'noServer'];
  const server = { kind: random.pick(kinds), options };
  const rate = theme.isAboutHandshakes ? 0.25 : 0.01;
  if (random.chance(rate)) {
    server.verifyClient = random.pick(['accept', 'refuse', 'acceptLater', 'refuseLater']);
  }
  if (random.chance(rate)) server.handleProtocols = random.pick(['last', 'none', 'other']);
  if (random.chance(rate * 0.3)) options.path = random.pick(['/', '/other']);
  return server;
}

/**
 * Makes the face of an endpoint: how a program listens to it.
 *
 * @param {any} context What the program is made with
 * @return {any} The face
 */
function makeFace({ random, theme }) {
  const face = {};
  const isStream = random.chance(theme.streaming ?? 0);
  // A stream takes buffers only.
  if (!isStream && random.chance(0.15))
    face.binaryType = random.pick(['arraybuffer', 'fragments', 'nodebuffer']);
  if (random.chance(0.08)) face.dom = true;
  if (random.chance(theme.watching ?? 0.1)) face.socket = true;
  if (isStream) {
    face.stream = { isFlowing: random.chance(0.6), duplex: {} };
    if (random.chance(0.2)) face.stream.duplex.readableObjectMode = true;
    if (random.chance(0.2)) face.stream.duplex.highWaterMark = random.pick([1, 100]);
    if (random.chance(0.2)) face.stream.duplex.allowHalfOpen = random.chance(0.5);
    if (random.chance(0.2)) face.stream.duplex.decodeStrings = false;
    if (random.chance(0.2)) face.stream.duplex.encoding = 'utf8';
  }
  return face;
}

module.exports = { makeConnection, makeFace, makeServer };

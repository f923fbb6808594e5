// @ts-check
'use strict';

// What endpoints do, and the themes of programs: what each has more of than others.

const { makeData } = require('./data');
const { makeFrames } = require('./frames');

/** Sizes with which all that is sent in a step arrives in one chunk. */
const SMALL = [
  [30, [0, 1, 2, 5, 7, 20, 100]],
  [10, [124, 125, 126, 127]],
  [5, [300, 1000, 1025]]
];

/** Themes; what one doesn't say is as in most programs. */
const THEMES = {
  echo: { isEcho: true, reactions: 0.1, odd: 0 },
  mixed: { isEcho: true },
  malformed: {
    kinds: [
      [50, 'rawClient'],
      [50, 'rawServer']
    ],
    odd: 40,
    options: 0.2,
    closing: 4
  },
  endings: { ending: 12, closing: 15, isHasty: true, watching: 0.2 },
  reactions: { reactions: 1, crossing: 0.15, sizes: SMALL, isTimely: true },
  crossing: {
    counts: [
      [50, 2],
      [30, 3],
      [20, 5]
    ],
    reactions: 1,
    sizes: SMALL,
    isTimely: true,
    crossing: 0.6,
    ending: 3
  },
  broadcast: {
    counts: [
      [50, 3],
      [50, 5]
    ],
    isBroadcast: true,
    reactions: 1,
    crossing: 0.7
  },
  deflate: { deflate: 0.9, isEcho: true, odd: 2, aging: 0.4 },
  sockets: { socket: 20, watching: 0.8 },
  streams: { streaming: 0.7, stream: 30, sizes: SMALL },
  backlog: {
    isBacklogged: true,
    transports: [
      [70, 'unix'],
      [30, 'tcp']
    ],
    stalling: 12,
    sizes: [
      [20, [5, 100, 1000]],
      [20, [20000, 70000, 200000]],
      [1, [3000000]]
    ],
    watching: 0.3,
    socket: 3
  },
  handshakes: { isAboutHandshakes: true, isHasty: true, ending: 3 },
  throwing: {
    transports: [
      [90, 'tcp'],
      [10, 'unix']
    ],
    sizes: SMALL,
    reactions: 1,
    throwing: 0.8,
    isEcho: true
  }
};

/** Operations on a WebSocket: how likely each is, and how it's made. */
const OF_WEBSOCKET = {
  send: [
    () => 60,
    (context) => {
      const { random } = context;
      const operation = { do: 'send', data: makeData(context) };
      if (random.chance(0.3)) operation.options = makeSendOptions(random);
      if (random.chance(0.3)) addCallback(context, operation);
      return operation;
    }
  ],
  ping: [() => 8, (context) => control(context, 'ping')],
  pong: [() => 3, (context) => control(context, 'pong')],
  close: [
    (theme) => theme.ending ?? 2,
    (context) => {
      const { random } = context;
      if (random.chance(0.3)) return { do: 'close' };
      const operation = {
        do: 'close',
        code: random.pick([1000, 1001, 1005, 1006, 1011, 3000, 4999, 5000, 1004, 0, '1000', null])
      };
      if (random.chance(0.4)) {
        const type = random.pick([
          'string',
          'string',
          'Buffer',
          'Uint8Array',
          'number',
          'ArrayBuffer'
        ]);
        operation.reason = makeData(context, {
          type,
          size: random.pick([0, 5, 122, 123, 124, 200])
        });
      }
      return operation;
    }
  ],
  terminate: [(theme) => (theme.ending ?? 2) * 0.5, () => ({ do: 'terminate' })],
  pause: [() => 3, () => ({ do: 'pause' })],
  resume: [() => 4, () => ({ do: 'resume' })],
  look: [() => 5, () => ({ do: 'look' })],
  buffered: [() => 3, () => ({ do: 'buffered' })],
  binaryType: [
    () => 1.5,
    ({ random }) => ({
      do: 'binaryType',
      value: random.pick(['arraybuffer', 'fragments', 'nodebuffer', 'other', 'blob'])
    })
  ],
  listen: [
    () => 1,
    ({ random }) => ({ do: 'listen', event: random.pick(['message', 'ping', 'close']), times: 1 })
  ],
  onmessage: [(theme) => (theme.throwing ? 0 : 0.5), () => ({ do: 'onmessage' })],
  deafen: [
    () => 0.3,
    ({ random }) => ({ do: 'deafen', event: random.pick(['message', 'ping', 'error']) })
  ],
  receiver: [(theme) => (theme.socket ? 2 : 0.3), () => ({ do: 'receiver' })]
};

const OF_SOCKET = {
  socketWrite: [
    (theme) => theme.socket ?? 1,
    (context) => {
      const { random } = context;
      const operation = { do: 'socketWrite' };
      if (random.chance(0.9))
        operation.frame = { opcode: 2, data: makeData(context, { type: 'Buffer' }) };
      else operation.data = makeData(context, { type: 'Buffer' });
      if (random.chance(0.4)) addCallback(context, operation);
      return operation;
    }
  ],
  sendFrame: [
    (theme) => (theme.socket ? 3 : 0.3),
    (context) => {
      const operation = { do: 'sendFrame', data: makeData(context, { type: 'Buffer' }) };
      if (context.random.chance(0.4)) addCallback(context, operation);
      return operation;
    }
  ],
  socketCork: [(theme) => (theme.socket ?? 1) * 0.3, () => ({ do: 'socketCork' })],
  socketUncork: [(theme) => (theme.socket ?? 1) * 0.4, () => ({ do: 'socketUncork' })],
  socketEnd: [
    (theme) => (theme.socket ?? 0.5) * 0.2,
    (context) => {
      const operation = { do: 'socketEnd' };
      if (context.random.chance(0.5)) addCallback(context, operation);
      return operation;
    }
  ],
  socketDestroy: [
    (theme) => (theme.socket ?? 0.5) * 0.1,
    ({ random }) => ({ do: 'socketDestroy', ...(random.chance(0.3) ? { isError: true } : {}) })
  ],
  socketDestroySoon: [(theme) => (theme.socket ?? 0.5) * 0.1, () => ({ do: 'socketDestroySoon' })],
  socketReset: [(theme) => (theme.socket ?? 0.5) * 0.1, () => ({ do: 'socketReset' })],
  socketPause: [(theme) => (theme.socket ?? 0.5) * 0.2, () => ({ do: 'socketPause' })],
  socketResume: [(theme) => (theme.socket ?? 0.5) * 0.3, () => ({ do: 'socketResume' })],
  socketData: [(theme) => (theme.socket ?? 0.2) * 0.1, () => ({ do: 'socketData' })],
  socketRefresh: [(theme) => (theme.socket ?? 0.2) * 0.1, () => ({ do: 'socketRefresh' })]
};

const OF_STREAM = {
  streamWrite: [
    (theme) => theme.stream,
    (context) => {
      const type = context.random.pick(['string', 'Buffer', 'Buffer', 'Uint8Array']);
      const operation = { do: 'streamWrite', data: makeData(context, { type }) };
      if (context.random.chance(0.4)) addCallback(context, operation);
      return operation;
    }
  ],
  streamEnd: [
    (theme) => theme.stream * 0.15,
    (context) => {
      const operation = { do: 'streamEnd' };
      if (context.random.chance(0.4)) operation.data = makeData(context, { type: 'Buffer' });
      if (context.random.chance(0.4)) addCallback(context, operation);
      return operation;
    }
  ],
  streamDestroy: [
    (theme) => theme.stream * 0.05,
    ({ random }) => ({ do: 'streamDestroy', ...(random.chance(0.5) ? { isError: true } : {}) })
  ],
  streamPause: [(theme) => theme.stream * 0.1, () => ({ do: 'streamPause' })],
  streamResume: [(theme) => theme.stream * 0.2, () => ({ do: 'streamResume' })],
  streamCork: [(theme) => theme.stream * 0.05, () => ({ do: 'streamCork' })],
  streamUncork: [(theme) => theme.stream * 0.08, () => ({ do: 'streamUncork' })],
  streamRead: [
    (theme) => theme.stream * 0.2,
    ({ random }) => ({
      do: 'streamRead',
      ...(random.chance(0.5) ? { size: random.pick([1, 5, 1000]) } : {})
    })
  ],
  streamLook: [(theme) => theme.stream * 0.1, () => ({ do: 'streamLook' })]
};

const OF_RAW_PEER = {
  frames: [
    () => 60,
    (context, end) => {
      const { random } = context;
      const operation = { do: 'frames', frames: makeFrames(context, end.isClient) };
      // A listener that does something in a later turn does it between two pieces, or not.
      if (!context.theme.isTimely && random.chance(0.2)) {
        operation.cuts = Array.from({ length: random.between(1, 4) }, () =>
          Number(random.next().toFixed(3))
        );
      }
      return operation;
    }
  ],
  bytes: [
    (theme) => (theme.odd ?? 1) * 0.05,
    ({ random }) => ({
      do: 'bytes',
      hex: random.pick(['00', 'ffff', '8180', '0a0d0a0d', '81fe0000'])
    })
  ],
  rawPause: [(theme) => theme.stalling ?? 1, () => ({ do: 'rawPause' })],
  rawResume: [(theme) => theme.stalling ?? 1, () => ({ do: 'rawResume' })],
  rawEnd: [(theme) => theme.ending ?? 2, () => ({ do: 'rawEnd' })],
  rawReset: [(theme) => theme.ending ?? 2, () => ({ do: 'rawReset' })],
  rawDestroy: [(theme) => theme.ending ?? 2, () => ({ do: 'rawDestroy' })]
};

const OF_SERVER = {
  broadcast: [
    (theme) => (theme.crossing ? 4 : 1),
    (context) => ({
      do: 'broadcast',
      at: 'server',
      data: makeData(context, { type: context.random.pick(['string', 'Buffer']) })
    })
  ],
  terminateAll: [
    (theme) => (theme.crossing ? 1 : 0.2),
    () => ({ do: 'terminateAll', at: 'server' })
  ],
  closeServer: [
    (theme) => (theme.ending ? 0.5 : 0.2),
    () => ({ do: 'closeServer', at: 'server', callback: true })
  ],
  lookServer: [() => 0.5, () => ({ do: 'lookServer', at: 'server' })]
};

/**
 * What listeners may do to other endpoints: what is written there depends on who is served first.
 */
const CUTTING = new Set([
  'close',
  'terminate',
  'pause',
  'resume',
  'socketDestroy',
  'socketPause',
  'socketResume',
  'terminateAll'
]);

function makeSendOptions(random) {
  const options = {};
  if (random.chance(0.4)) options.binary = random.pick([true, false, null]);
  if (random.chance(0.4)) options.compress = random.chance(0.5);
  if (random.chance(0.2)) options.fin = random.chance(0.4);
  if (random.chance(0.15)) options.mask = random.chance(0.5);
  return options;
}

/** Has an operation call back, and the callback do something. */
function addCallback({ random, theme }, operation) {
  operation.callback = true;
  // Nothing else: when a callback comes, among what arrives, is a difference that is meant.
  if (theme.throwing && random.chance(0.15)) operation.next = [{ at: 'self', do: 'throw' }];
}

function control(context, name) {
  const { random } = context;
  const operation = { do: name };
  if (random.chance(0.6)) {
    const size = random.pick([0, 1, 5, 124, 125, 126]);
    operation.data = makeData(context, {
      type: random.pick(['string', 'Buffer', 'Uint8Array', 'number', 'ArrayBuffer']),
      size
    });
    if (random.chance(0.1)) operation.mask = random.chance(0.5);
  }
  if (random.chance(0.3)) addCallback(context, operation);
  return operation;
}

/**
 * Chooses an operation.
 *
 * @param {any} context What the program is made with
 * @param {any} end The endpoint
 * @param {{elsewhere: 'self' | 'any' | 'cut' | null}} place What may be done, if a listener of this
 *   endpoint or of another does it
 * @return {any} The operation, without the endpoint
 */
function pickOperation(context, end, { elsewhere }) {
  const { random, program } = context;
  const isOfServer = program.server && elsewhere === null && random.chance(0.03);
  return random.weighted(choicesFor(context.theme, end, elsewhere, isOfServer))(context, end);
}

/** The choices of each theme that were made, by what decides them. */
const made = new Map();

/** Lists what an endpoint may do, with how likely each is. */
function choicesFor(theme, { isCompressed, isRaw, hasStream }, elsewhere, isOfServer) {
  const key = `${!!isRaw} ${!!isCompressed} ${!!hasStream} ${elsewhere} ${!!isOfServer}`;
  let ofTheme = made.get(theme);
  if (ofTheme === undefined) {
    ofTheme = new Map();
    made.set(theme, ofTheme);
  }
  let choices = ofTheme.get(key);
  if (choices === undefined) {
    choices = makeChoices(theme, { isCompressed, isRaw, hasStream }, elsewhere, isOfServer);
    ofTheme.set(key, choices);
  }
  return choices;
}

function makeChoices(theme, { isCompressed, isRaw, hasStream }, elsewhere, isOfServer) {
  const tables = isRaw ? [OF_RAW_PEER] : [OF_WEBSOCKET];
  // Where zlib is asked on other threads, what is written to the socket itself overtakes messages.
  if (!isRaw && !isCompressed) tables.push(OF_SOCKET);
  if (hasStream) tables.push(OF_STREAM);
  if (isOfServer) tables.splice(0, tables.length, OF_SERVER);
  if (elsewhere === 'any') tables.push(OF_SERVER);
  return tables.flatMap((table) => {
    return Object.entries(table)
      .filter(([name]) => elsewhere !== 'cut' || CUTTING.has(name))
      .filter(([name]) => !hasStream || name !== 'binaryType')
      .map(([, [weigh, make]]) => /** @type {[number, any]} */ ([weigh(theme), make]));
  });
}

module.exports = { pickOperation, THEMES };

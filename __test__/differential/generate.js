// @ts-check
'use strict';

// Makes a program of a seed. A program is plain JSON: servers, connections, what their endpoints do
// at events, and steps. README.md in this folder describes it.

const Random = require('./random');
const { makeConnection, makeServer, makeFace } = require('./generate/endpoints');
const { THEMES, pickOperation } = require('./generate/operations');

/** How much the seeds of each theme are worth. */
const WEIGHTS = [
  [20, 'echo'],
  [14, 'mixed'],
  [12, 'malformed'],
  [10, 'endings'],
  [10, 'reactions'],
  [5, 'crossing'],
  [4, 'broadcast'],
  [8, 'deflate'],
  [6, 'sockets'],
  [5, 'streams'],
  [4, 'backlog'],
  [4, 'handshakes'],
  [4, 'throwing']
];

/** When what a step does is done. */
const SAME_TURN = [
  [4, undefined],
  [1, 'micro'],
  [1, 'promise'],
  [1, 'tick']
];

/** When what a listener does is done. */
const MOMENTS = [
  [60, undefined],
  [10, 'micro'],
  [5, 'promise'],
  [10, 'tick'],
  [10, 'immediate'],
  [5, 'timeout']
];

/** Events that listeners react to. */
const EVENTS = [
  [10, 'message'],
  [3, 'open'],
  [2, 'ping'],
  [1, 'pong'],
  [3, 'close'],
  [2, 'error'],
  [1, 'upgrade']
];

/**
 * Makes the program of a seed.
 *
 * @param {number} seed The seed
 * @param {string} [over] The transport of all programs, in place of one by chance
 * @return {any} The program
 */
function generate(seed, over) {
  const random = new Random(seed);
  const name = random.weighted(WEIGHTS);
  const theme = THEMES[name];
  const byChance = random.weighted(
    theme.transports ?? [
      [88, 'tcp'],
      [6, 'unix'],
      [6, 'tls']
    ]
  );
  const transport = over ?? byChance;
  const count = random.weighted(
    theme.counts ?? [
      [60, 1],
      [25, 2],
      [10, 3],
      [5, 6]
    ]
  );
  const program = {
    seed,
    theme: name,
    transport,
    ...(theme.isBacklogged ? { isBacklogged: true } : {}),
    server: null,
    connections: [],
    faces: {},
    reactions: {},
    steps: []
  };
  const context = { random, theme, program, salt: 0 };
  for (let number = 0; number < count; number++) {
    program.connections.push(makeConnection(context, number));
  }
  if (program.connections.some(({ kind }) => kind !== 'rawServer')) {
    program.server = makeServer(context);
  }
  const ends = endpoints(program);
  for (const end of ends.filter(({ isRaw }) => !isRaw)) {
    const face = makeFace(context);
    if (Object.keys(face).length > 0) program.faces[end.name] = face;
    end.hasStream = face.stream !== undefined;
    const reactions = makeReactions(context, ends, end);
    if (reactions.length > 0) program.reactions[end.name] = reactions;
  }
  makeSteps(context, ends);
  return program;
}

/** Lists the endpoints of a program. */
function endpoints({ connections }) {
  return connections.flatMap(({ kind, number, isCompressed }) => [
    {
      name: `s${number}`,
      isRaw: kind === 'rawServer',
      isClient: false,
      isCompressed,
      number,
      isPair: kind === 'pair'
    },
    {
      name: `c${number}`,
      isRaw: kind === 'rawClient',
      isClient: true,
      isCompressed,
      number,
      isPair: kind === 'pair'
    }
  ]);
}

/** Chooses what a listener or callback does. */
function makeOperations(context, ends, self, bound) {
  const { random, theme } = context;
  const list = [];
  const count = random.between(1, bound);
  for (let i = 0; i < count; i++) {
    const isElsewhere = random.chance(theme.crossing ?? 0.02);
    const others = ends.filter(
      ({ isRaw, number }) => theme.isBroadcast || (!isRaw && number !== self.number)
    );
    const end = isElsewhere && others.length > 0 ? random.pick(others) : self;
    const place = end === self ? 'self' : theme.isBroadcast ? 'any' : 'cut';
    const operation = pickOperation(context, end, { elsewhere: place });
    // What of the chunk is still delivered depends on what the other end wrote together.
    if (self.isPair && end === self && (CUTS.has(operation.do) || /ause$/.test(operation.do)))
      continue;
    list.push({ at: end === self ? 'self' : end.name, ...operation });
  }
  return list;
}

function makeReactions(context, ends, self) {
  const { random, theme } = context;
  const reactions = [];
  // Of several that write to one connection it isn't said who is first.
  if (theme.isBroadcast && self !== ends.find(({ isRaw }) => !isRaw)) return reactions;
  if (theme.isEcho && random.chance(0.7)) {
    reactions.push({ event: 'message', operations: makeOperations(context, ends, self, 1) });
  }
  if (!random.chance(theme.reactions ?? 0.3)) return reactions;
  const count = random.between(1, 3);
  for (let i = 0; i < count; i++) {
    const event = random.weighted(EVENTS);
    // Between two WebSockets that talk it isn't said what has arrived by then.
    const when = theme.isTimely && !self.isPair ? random.weighted(MOMENTS) : undefined;
    const operations = makeOperations(context, ends, self, 3);
    if (random.chance(theme.throwing ?? 0)) operations.push({ at: 'self', do: 'throw' });
    reactions.push({
      event,
      ...(random.chance(0.7) ? { nth: random.below(3) } : {}),
      ...(when ? { when } : {}),
      operations
    });
  }
  return reactions;
}

/** Operations that put something on the wire. */
const WRITES = new Set([
  'send',
  'sendFrame',
  'ping',
  'pong',
  'close',
  'socketWrite',
  'socketEnd',
  'streamWrite',
  'streamEnd',
  'frames',
  'bytes'
]);

/** Operations that cut a connection. */
const CUTS = new Set([
  'terminate',
  'socketDestroy',
  'socketReset',
  'socketDestroySoon',
  'streamDestroy',
  'rawReset',
  'rawDestroy',
  'terminateAll'
]);

/** Operations that end one direction. */
const ENDS = new Set(['socketEnd', 'socketDestroySoon', 'streamEnd', 'rawEnd', 'close']);

/**
 * Tells whether an operation cuts what has been written in the same tick: of that ws has sent all
 * (on TLS the first part, with compression nothing), oxws nothing yet.
 */
function isRace({ transport, connections }, { at, do: name }, written) {
  if (at === 'server') return name === 'terminateAll' && written.size > 0;
  const isCompressed = at !== undefined && connections[at.slice(1)].isCompressed;
  if (!CUTS.has(name) && !(isCompressed && ENDS.has(name))) return false;
  const other = `${at[0] === 'c' ? 's' : 'c'}${at.slice(1)}`;
  const isSlow = transport === 'tls' || isCompressed || name === 'socketDestroySoon';
  return written.has(other) || (isSlow && written.has(at));
}

/** Notes who has written. */
function note({ at, do: name }, written, ends) {
  if (WRITES.has(name)) written.add(at);
  if (name === 'broadcast') for (const end of ends) if (!end.isClient) written.add(end.name);
}

function makeSteps(context, ends) {
  const { random, theme, program } = context;
  const { steps, connections } = program;
  const written = new Set();
  const ended = new Set();
  const connect = (number) => ({ do: 'connect', connection: number });
  const isTogether = random.chance(0.8);
  if (isTogether) steps.push({ operations: connections.map(({ number }) => connect(number)) });
  else for (const { number } of connections) steps.push({ operations: [connect(number)] });
  if (theme.isHasty && random.chance(0.5)) steps[steps.length - 1].settle = 'none';
  if (random.chance(theme.aging ?? 0.03)) steps[steps.length - 1].milliseconds = 26;

  const count = random.weighted(
    theme.steps ?? [
      [20, 1],
      [30, 2],
      [25, 3],
      [15, 5],
      [10, 8]
    ]
  );
  for (let i = 0; i < count; i++) {
    const when = random.chance(0.15) ? random.weighted(SAME_TURN) : undefined;
    const settle = random.weighted([
      [80, undefined],
      [20, 'none']
    ]);
    const operations = [];
    const length = random.weighted([
      [50, 1],
      [25, 2],
      [15, 3],
      [7, 6],
      [3, 20]
    ]);
    const mine = random.pick(ends);
    for (let j = 0; j < length; j++) {
      const end = random.chance(0.6) ? mine : random.pick(ends);
      const operation = { at: end.name, ...pickOperation(context, end, { elsewhere: null }) };
      // What is written after the end destroys a stream, a tick later.
      const isLate = ended.has(operation.at) && /^stream(Write|End)$/.test(operation.do);
      if (!isLate && !isRace(program, operation, written)) operations.push(operation);
      if (operation.do === 'streamEnd') ended.add(operation.at);
      note(operation, written, ends);
    }
    if (settle === undefined) written.clear();
    steps.push({ ...(when ? { when } : {}), operations, ...(settle ? { settle } : {}) });
  }
  const last = steps[steps.length - 1];
  if (random.chance(0.6)) {
    // A whole life, to its end.
    const end = random.pick(ends.filter(({ isRaw }) => !isRaw));
    steps.push({ operations: [{ at: end.name, do: 'close', code: 1000 }] });
  }
  delete last.settle;
}

module.exports = generate;

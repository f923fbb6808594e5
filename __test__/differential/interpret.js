// @ts-check
'use strict';

// Runs a program on an implementation of the API of ws, and gives the trace.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');

const certificate = require('../support/certificate');
const { kThrown, operations } = require('./operations');
const { RawPeer } = require('./raw-peer');
const { describe, describeError } = require('./trace');

/** Events of a WebSocket that are noted down. */
const EVENTS = ['upgrade', 'open', 'message', 'ping', 'pong', 'error', 'close'];
/** Events whose listeners may throw: ws never delivers anything again after them. */
const DELIVERIES = new Set(['message', 'ping', 'pong', 'callback']);
const SOCKET_EVENTS = ['end', 'finish', 'error', 'close', 'timeout', 'drain'];
const STREAM_EVENTS = ['data', 'end', 'finish', 'error', 'close', 'drain'];

/** Milliseconds that a step, and the end of a program, may take. */
const PATIENCE = 4000;
/**
 * Turns of the event loop without anything new after which a step is over, while nothing is under
 * way.
 */
const QUIET_TURNS = 4;
/** And looks, a millisecond apart, when something is, which may never come. */
const BUSY_LOOKS = 14;
/** Milliseconds that compression may take before it's taken to be stuck. */
const COMPRESSION_MS = 3000;
/** The state of a receiver of ws that inflates. */
const INFLATING = 5;

/** Sockets of all runs of this process: a name and an address of its own for each. */
let runs = 0;
const folder = path.join(os.tmpdir(), `oxws-programs-${process.pid}`);

/** Gives a Unix socket's name. */
function socketName(number) {
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, `${number}.sock`);
}

/** Removes the names of Unix sockets. */
function removeFolder() {
  fs.rmSync(folder, { recursive: true, force: true });
}

/** What is thrown and not caught, to the run that it belongs to. */
const active = new Set();

/** Notes that nobody caught what a program threw; among callbacks it isn't said when. */
function noteUncaught({ run, name }) {
  run.note(name.endsWith(' callbacks') ? `${name} uncaught` : name, 'uncaught');
}

process.on('uncaughtException', (error) => {
  if (error?.[kThrown]) {
    noteUncaught(error[kThrown]);
    return;
  }
  // Nobody threw this on purpose: it's in the traces of all that may have caused it.
  for (const other of active) other.note('process', `uncaught ${describeError(error)}`);
});

process.on('unhandledRejection', (error) => {
  for (const other of active) other.note('process', `unhandled ${describeError(error)}`);
});

/** One run of a program. */
class Run {
  #pending = 0;
  #handshakes = new Set();
  #isEnding = false;
  #servers = [];
  /** @type {number | string} */
  #step = 0;

  /**
   * @param {any} implementation `WebSocket` of ws or of oxws
   * @param {any} program The program
   * @param {{isReference: boolean, quietMs?: number}} options Whether the implementation is ws,
   *   whose rest of a chunk is lost when a listener throws; milliseconds without anything new that
   *   end a step
   */
  constructor(implementation, program, { isReference, quietMs = 0 }) {
    this.implementation = implementation;
    this.program = program;
    this.isReference = isReference;
    this.quietMs = quietMs;
    this.mayBacklog = mayBacklog(program);
    this.lanes = {};
    this.ends = new Map();
    this.activity = 0;
    this.number = runs++;
    this.host = `127.${1 + (this.number % 100)}.0.${1 + (process.pid % 250)}`;
  }

  /**
   * Notes something down.
   *
   * @param {string} lane The endpoint
   * @param {string} line What there is to say
   */
  note(lane, line) {
    this.activity++;
    if (this.#isEnding) {
      // How an end is met that comes from both sides depends on who is first.
      if (line.startsWith('close') || line.startsWith('uncaught ')) this.#last(lane, line);
      return;
    }
    this.#push(lane, line);
  }

  /** Adds a line to a lane, with the step in which it came. */
  #push(lane, line) {
    this.lanes[lane] ??= [];
    this.lanes[lane].push(`${this.#step}| ${line}`);
  }

  #last(lane, line) {
    this.#push(lane, line.startsWith('close') ? 'close' : line);
  }

  /**
   * Says how many bytes wait: where the kernel decides how much it takes, or an encoder how long a
   * message is, only whether any do.
   *
   * @param {any} ws The WebSocket
   * @param {number} bytes The number
   * @return {number | string} The number, or that it's above 0
   */
  amount(ws, bytes) {
    const { isVague, transport } = this.program;
    if (ws.extensions !== '' || transport === 'tls' || isVague) return '?';
    return this.mayBacklog && bytes > 0 ? 'some' : bytes;
  }

  /** Something was begun that isn't a line of the trace yet. */
  begin() {
    this.#pending++;
  }

  /** And is done. */
  done() {
    this.#pending--;
    this.activity++;
  }

  /**
   * A handshake is over, well or not.
   *
   * @param {any} connection The connection of the program
   */
  settled(connection) {
    this.#handshakes.delete(connection.number);
    this.activity++;
  }

  /**
   * Runs the program.
   *
   * @return {Promise<Record<string, string[]>>} The trace: the lines of each endpoint
   */
  async perform() {
    active.add(this);
    try {
      await this.#open();
      let isOver = true;
      for (const [index, step] of this.program.steps.entries()) {
        // What comes of steps that don't wait for each other can't be told apart.
        if (isOver) this.#mark(index);
        isOver = step.settle === undefined;
        this.performIn(null, step.when ?? 'now', step.operations);
        await this.#settle(step);
      }
      this.#mark('end');
      await this.#close();
    } finally {
      active.delete(this);
    }
    return this.lanes;
  }

  /** Begins a step: what has arrived belongs to the one before. */
  #mark(index) {
    for (const end of this.ends.values()) if (end.isRaw) end.flush();
    this.#step = index;
  }

  /** Waits for the end of a step: until nothing happens any more. */
  async #settle({ settle, milliseconds = 0 }) {
    if (settle === 'none') return;
    const start = performance.now();
    let seen = this.activity;
    let since = start;
    for (let looks = 0; ; looks++) {
      await (looks < QUIET_TURNS ? turn() : pause());
      const now = performance.now();
      if (now - start > PATIENCE) return;
      if (this.activity !== seen) {
        seen = this.activity;
        since = now;
        looks = 0;
        continue;
      }
      if (looks < QUIET_TURNS || now - since < this.quietMs || now - start < milliseconds) continue;
      const isBegun = this.#pending > 0 || this.#handshakes.size > 0;
      if (isBegun || this.#isTimed() || this.#isCompressing(now - since)) continue;
      const isLong = looks >= BUSY_LOOKS && now - since >= 4 * this.quietMs;
      if (isLong || !this.#isUnderWay()) return;
    }
  }

  /**
   * Tells whether a WebSocket that closes has so little time for it that a program shows the end of
   * it.
   */
  #isTimed() {
    const { server, connections } = this.program;
    return connections.some(({ number, client }) => {
      const isClosing = (name) => this.ends.get(name)?.ws?.readyState === 2;
      if (server?.options.closeTimeout && isClosing(`s${number}`)) return true;
      return client?.options.closeTimeout !== undefined && isClosing(`c${number}`);
    });
  }

  /** Tells whether messages are compressed or inflated: other threads do it, which may be busy. */
  #isCompressing(milliseconds) {
    if (this.program.isBacklogged || milliseconds > COMPRESSION_MS) return false;
    for (const { ws } of this.ends.values()) {
      if (!ws || ws.readyState === 3 || ws.extensions === '' || ws._socket?.destroyed) continue;
      if (ws.bufferedAmount > 0 && ws._socket?.writableCorked === 0) return true;
      if (this.isReference && ws._receiver?._state === INFLATING) return true;
    }
    return false;
  }

  /** Tells whether bytes that one socket has sent haven't been read by the other. */
  #isUnderWay() {
    const { transport } = this.program;
    for (const { number } of this.program.connections) {
      if (this.#isWaiting(`c${number}`) || this.#isWaiting(`s${number}`)) return true;
      const client = this.#socketOf(`c${number}`);
      const server = this.#socketOf(`s${number}`);
      if (!client || !server) continue;
      if (transport === 'tls') return true;
      if (client.destroyed !== server.destroyed) return true;
      if (client.destroyed) continue;
      if (isEnding(client, server) || isEnding(server, client)) return true;
      if (client.bytesWritten !== server.bytesRead) return true;
      if (server.bytesWritten !== client.bytesRead) return true;
    }
    return false;
  }

  /** Tells whether an endpoint has something to send, or compresses, or inflates. */
  #isWaiting(name) {
    const ws = this.ends.get(name)?.ws;
    if (!ws || ws.readyState === 3) return false;
    if (ws._socket?.destroyed) return true;
    if (ws.bufferedAmount > 0) return true;
    // To ask oxws for the receiver would change what it does.
    return this.isReference ? ws._receiver?._state === INFLATING : ws.extensions !== '';
  }

  #socketOf(name) {
    const end = this.ends.get(name);
    return end?.isRaw ? end.socket : end?.ws._socket;
  }

  /** Does what a step, a listener or a callback says. */
  performIn(end, when, list) {
    // When that is, among what arrives, depends on where chunks end, and on who is served first.
    const isLater = end && when !== 'now' && !DELIVERIES.has(when);
    const suffix = isLater ? ' later' : when === 'callback' ? ' callbacks' : '';
    const act = () => {
      for (const operation of list) this.#perform(end, operation, suffix);
    };
    const later = () => {
      try {
        act();
      } finally {
        this.done();
      }
    };
    if (when === 'now' || DELIVERIES.has(when)) {
      // See `DELIVERIES`: what ws would not deliver any more is compared with what it would
      // otherwise.
      if (!this.isReference || when !== 'callback') return act();
      return this.#reporting(act);
    }
    this.begin();
    if (when === 'micro') queueMicrotask(later);
    else if (when === 'promise') Promise.resolve().then(() => queueMicrotask(later));
    else if (when === 'tick') process.nextTick(later);
    else if (when === 'immediate') setImmediate(later);
    else setTimeout(later, 1);
  }

  /** Does something, and reports what it throws as if nobody had caught it. */
  #reporting(act) {
    try {
      act();
    } catch (error) {
      if (!error?.[kThrown]) throw error;
      noteUncaught(error[kThrown]);
    }
  }

  /** Does one thing and notes what it returned or threw. */
  #perform(by, operation, suffix) {
    const { at, do: name } = operation;
    if (name === 'connect') return this.#connect(operation.connection);
    const end =
      at === 'self' ? by : (this.ends.get(at) ?? (at === 'server' ? this.#asEnd() : null));
    if (!end) return;
    // What a listener does to another endpoint has no place among the events of that.
    const isOfAnother = by && end !== by && at !== 'server';
    const lane = isOfAnother ? `${end.name} by ${by.name}` : `${end.name}${suffix}`;
    if (name.startsWith('socket') && !end.ws?._socket) return;
    if (name.startsWith('stream') && !end.stream) return;
    try {
      const result = operations[name](this, end, operation, lane);
      if (result !== undefined) this.note(lane, `${name} returned ${describe(result)}`);
    } catch (error) {
      if (error?.[kThrown]) {
        error[kThrown] = { run: this, name: lane };
        throw error;
      }
      this.note(lane, `${name} threw ${describeError(error)}`);
    }
  }

  #asEnd() {
    return this.server ? { name: 'server', callbacks: 0 } : null;
  }

  /** Opens the servers. */
  async #open() {
    const { server, connections, transport } = this.program;
    if (server) await this.#serve(server);
    if (connections.some(({ kind }) => kind === 'rawServer')) {
      const options = { allowHalfOpen: true, ...certificate };
      const accept = (socket) => this.#acceptRaw(socket);
      const raw =
        transport === 'tls' ? tls.createServer(options, accept) : net.createServer(options, accept);
      raw.on('tlsClientError', () => {});
      this.rawAddress = await this.#listen(raw);
    }
  }

  async #serve({ kind, options, verifyClient, handleProtocols }) {
    const { WebSocketServer } = this.implementation;
    const given = { ...options };
    if (verifyClient) given.verifyClient = VERIFIERS[verifyClient];
    if (handleProtocols) given.handleProtocols = CHOOSERS[handleProtocols];
    let own = null;
    if (kind === 'own') {
      given.port = 0;
      given.host = this.host;
    } else {
      own =
        this.program.transport === 'tls' ? https.createServer(certificate) : http.createServer();
      own.on('tlsClientError', () => {});
      own.on('clientError', (_error, socket) => socket.destroy());
      if (kind === 'noServer') given.noServer = true;
      else given.server = own;
    }
    const server = new WebSocketServer(given);
    this.server = server;
    server.on('connection', (ws, request) => this.#accept(ws, request));
    server.on('headers', (headers) =>
      this.note('server', `headers ${headers.slice(0, 3).join(' | ')}`)
    );
    server.on('close', () => this.note('server', 'close'));
    server.on('error', (error) => this.note('server', `error ${describeError(error)}`));
    if (kind === 'noServer') {
      own.on('upgrade', (request, socket, head) => {
        server.handleUpgrade(request, socket, head, (ws) => server.emit('connection', ws, request));
      });
    }
    if (own) this.address = await this.#listen(own);
    else {
      await new Promise((resolve) => server.once('listening', resolve));
      this.address = { host: this.host, port: server.address().port };
    }
  }

  async #listen(server) {
    this.#servers.push(server);
    server.on('error', () => {});
    if (this.program.transport === 'unix') {
      const name = socketName(`${this.number}-${this.#servers.length}`);
      await new Promise((resolve) => server.listen(name, resolve));
      return { path: name };
    }
    await new Promise((resolve) => server.listen(0, this.host, resolve));
    return { host: this.host, port: server.address().port };
  }

  #connect(number) {
    const connection = this.program.connections[number];
    this.#handshakes.add(number);
    if (connection.kind === 'rawClient') this.#connectRaw(connection);
    else this.#connectClient(connection);
  }

  #connectRaw(connection) {
    const peer = new RawPeer(this, connection, `c${connection.number}`);
    this.ends.set(peer.name, peer);
    const options = { ...this.address, allowHalfOpen: true, rejectUnauthorized: false };
    const isSecure = this.program.transport === 'tls';
    const socket = isSecure ? tls.connect(options) : net.connect(options);
    peer.attach(socket);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => peer.request());
  }

  #connectClient(connection) {
    const { number, kind, client = {} } = connection;
    const address = kind === 'rawServer' ? this.rawAddress : this.address;
    const query = client.path ?? `/?n=${number}`;
    const { transport } = this.program;
    const url = address.path
      ? `ws+unix:${address.path}:${query}`
      : `${transport === 'tls' ? 'wss' : 'ws'}://${address.host}:${address.port}${query}`;
    const options = { ...client.options, rejectUnauthorized: false };
    if (client.generateMask) options.generateMask = MASKS[client.generateMask];
    let ws;
    try {
      ws = new this.implementation.WebSocket(url, client.protocols ?? [], options);
    } catch (error) {
      this.note(`c${number}`, `constructor threw ${describeError(error)}`);
      this.settled(connection);
      return;
    }
    this.#watch(ws, `c${number}`, connection);
  }

  #accept(ws, request) {
    const number = Number(/n=(\d+)/.exec(request.url)?.[1] ?? 0);
    this.note('server', `connection ${number}`);
    this.#watch(ws, `s${number}`, this.program.connections[number]);
  }

  #acceptRaw(socket) {
    // Which connection it is its request tells; until then the first that has no server end is
    // meant.
    const connection = this.program.connections.find(({ kind, number }) => {
      return kind === 'rawServer' && this.ends.has(`c${number}`) && !this.ends.has(`s${number}`);
    });
    if (!connection) return socket.destroy();
    const peer = new RawPeer(this, connection, `s${connection.number}`);
    this.ends.set(peer.name, peer);
    peer.attach(socket);
  }

  /** Listens to a WebSocket and does what the program says at its events. */
  #watch(ws, name, connection) {
    const face = this.program.faces?.[name] ?? {};
    const end = { ws, name, connection, callbacks: 0, stream: null, isRaw: false, isClosed: false };
    this.ends.set(name, end);
    if (face.binaryType) ws.binaryType = face.binaryType;
    const counts = {};
    const react = (event) => {
      const count = counts[event] ?? 0;
      counts[event] = count + 1;
      const thrown = [];
      for (const reaction of this.program.reactions?.[name] ?? []) {
        if (reaction.event !== event || (reaction.nth ?? count) !== count) continue;
        if (count > 3 && reaction.nth === undefined) continue;
        const when = reaction.when ?? (DELIVERIES.has(event) ? event : 'now');
        try {
          this.performIn(end, when, reaction.operations);
        } catch (error) {
          thrown.push(error);
        }
      }
      if (thrown.length === 0) return;
      // As if it had been the last of several listeners.
      const fail = () => {
        throw thrown[0];
      };
      if (this.isReference && DELIVERIES.has(event)) this.#reporting(fail);
      else fail();
    };
    if (face.stream) this.#wrap(end, face.stream);
    const observe = (event, values) => {
      const text = event === 'upgrade' ? '' : ` ${values.map(describe).join(' ')}`;
      this.note(name, `${event}${text} in ${ws.readyState}`);
      if (event === 'open' || event === 'close') {
        end.isClosed = event === 'close';
        this.settled(connection);
      }
      react(event);
    };
    if (face.dom) this.#watchAsBrowser(ws, observe);
    else {
      for (const event of EVENTS) {
        if (face.deaf?.includes(event)) continue;
        ws.on(event, (...values) => observe(event, values));
      }
    }
    // Always known: a run ends when all have closed.
    ws.on('close', () => {
      end.isClosed = true;
      this.settled(connection);
    });
    const watchSocket = () => {
      if (!face.socket || end.isSocketWatched || !ws._socket) return;
      end.isSocketWatched = true;
      for (const event of SOCKET_EVENTS) {
        if (event === 'drain' && !face.drain) continue;
        ws._socket.on(event, (value) => {
          // When the sending side has ended among what arrives isn't said: that's another turn.
          const lane = event === 'finish' ? `${name} finish` : name;
          this.note(lane, `socket ${event} ${describe(value)}`);
        });
      }
    };
    watchSocket();
    ws.on('open', watchSocket);
    if (ws.readyState === 1) react('open');
  }

  #watchAsBrowser(ws, observe) {
    ws.onopen = () => observe('open', []);
    ws.onmessage = (event) => observe('message', [event.data]);
    ws.onerror = (event) => observe('error', [event.message, event.error]);
    ws.onclose = (event) => observe('close', [event.code, event.reason, event.wasClean]);
    for (const event of ['ping', 'pong']) ws.on(event, (data) => observe(event, [data]));
  }

  #wrap(end, options) {
    const stream = this.implementation.createWebSocketStream(end.ws, options.duplex ?? {});
    end.stream = stream;
    for (const event of STREAM_EVENTS) {
      if (event === 'data' && !options.isFlowing) continue;
      stream.on(event, (value) => {
        this.note(end.name, `stream ${event} ${value === undefined ? '' : describe(value)}`);
      });
    }
  }

  /** Ends everything, and waits until all is closed. */
  async #close() {
    for (const end of this.ends.values()) {
      if (end.isRaw) continue;
      operations.look(this, end, {}, end.name);
    }
    this.#isEnding = true;
    const ends = [...this.ends.values()];
    for (const end of ends) {
      if (end.isRaw) end.socket?.destroy();
      else if (!end.isClosed) {
        end.ws.on('error', () => {});
        end.ws.terminate();
      }
    }
    const start = performance.now();
    const isOpen = (end) => !end.isClosed;
    while (ends.some(isOpen) && performance.now() - start < PATIENCE) await pause();
    for (const end of ends.filter(isOpen)) this.#push(end.name, 'never closes');
    this.server?.close(() => {});
    for (const client of this.server?.clients ?? []) client.terminate();
    for (const server of this.#servers) {
      server.closeAllConnections?.();
      server.close(() => {});
    }
  }
}

/** Tells whether the kernel may not take all that an endpoint sends. */
function mayBacklog(program) {
  if (program.isBacklogged) return true;
  const text = JSON.stringify(program);
  return /"(?:rawPause|pause|socketPause|stream)"/.test(text) && /"size":[1-9]\d{5}/.test(text);
}

/** Tells whether one socket has ended what the other one reads, and that hasn't seen it. */
function isEnding(from, to) {
  return from.writableFinished && !to.readableEnded && !to.isPaused();
}

/** Waits a turn of the event loop. */
function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits a millisecond. */
function pause() {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** What `verifyClient` may be. */
const VERIFIERS = {
  accept: () => true,
  refuse: () => false,
  acceptLater: (_info, done) => setImmediate(done, true),
  refuseLater: (_info, done) => setImmediate(done, false, 403, 'No', { 'X-Reason': 'none' })
};

/** What `handleProtocols` may be. */
const CHOOSERS = {
  last: (protocols) => [...protocols].pop(),
  none: () => false,
  other: () => 'other'
};

/** What `generateMask` may do. */
const MASKS = {
  zeros: (mask) => mask.fill(0),
  nothing: () => {},
  counting: (mask) => mask.set([1, 2, 3, 4])
};

module.exports = { removeFolder, Run };

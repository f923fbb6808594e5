// @ts-check
'use strict';

// A round: connections of every sort are opened, used and abused, and all that must hold is
// checked.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');

const certificate = require('../support/certificate');
const { End, FLAGS } = require('./end');

/** Milliseconds that a wait may take. */
const PATIENCE = 60_000;
/** Connections that are open at a time. */
const LINKS = 24;
/** Bytes that a round sends at most, about. */
const BUDGET = 40 * 1024 * 1024;

/** A connection with its two ends. */
class Link {
  constructor(round, kind, number) {
    this.round = round;
    this.kind = kind;
    this.number = number;
    this.client = new End(this, 2 * number);
    this.server = new End(this, 2 * number + 1);
    this.paused = new Set();
    // Somebody cut it: what had not arrived may be lost.
    this.isCut = false;
    this.isCutHere = null;
  }

  get ends() {
    return [this.client, this.server];
  }

  get isReady() {
    return this.client.isOpen && this.server.isOpen;
  }

  /** Whether it has been ready, whatever has become of it since. */
  get wasReady() {
    return this.server.ws !== null && this.client.ws.readyState !== 0;
  }

  fail(text) {
    this.round.failures.push(`${this.kind} ${this.number}: ${text}`);
  }
}

/** A round. */
class Round {
  /**
   * @param {any} implementation `WebSocket` of ws or of oxws
   * @param {import('../differential/random')} random The choices
   * @param {{kinds: string[], steps: number}} settings Kinds of connections; how many things are
   *   done
   */
  constructor(implementation, random, { kinds, steps }) {
    this.implementation = implementation;
    this.random = random;
    this.kinds = kinds;
    this.steps = steps;
    this.failures = [];
    this.links = [];
    this.count = 0;
    this.bytes = 0;
    this.closers = [];
  }

  /** Runs it. */
  async run() {
    await this.#serve();
    while (this.links.length < LINKS) this.#connect();
    await this.#until(() => this.links.every(({ isReady }) => isReady), 'connections open');
    for (let i = 0; i < this.steps; i++) {
      this.#step();
      if (this.random.chance(0.5)) await turn();
      if (this.random.chance(0.1)) await delay(this.random.below(8));
    }
    await this.#drain();
    await this.#close();
  }

  /** Opens a server for each kind of connection. */
  async #serve() {
    const { WebSocketServer } = this.implementation;
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-chaos-'));
    this.closers.push(() => fs.rmSync(folder, { recursive: true, force: true }));
    const kinds = {
      plain: [http.createServer(), {}],
      unix: [http.createServer(), {}],
      deflate: [http.createServer(), { perMessageDeflate: { threshold: 0 } }],
      tls: [https.createServer(certificate), {}]
    };
    this.addresses = {};
    for (const [kind, [server, options]] of Object.entries(kinds)) {
      const wss = new WebSocketServer({ server, ...options });
      wss.on('connection', (ws, request) => {
        const number = Number(new URL(request.url, 'ws://localhost').searchParams.get('n'));
        this.links[number].server.attach(ws);
      });
      const name = path.join(folder, 'socket');
      await new Promise((resolve) => {
        if (kind === 'unix') server.listen(name, resolve);
        else server.listen(0, '127.0.0.1', resolve);
      });
      const scheme = kind === 'tls' ? 'wss' : 'ws';
      const { port } = /** @type {any} */ (server.address());
      this.addresses[kind] = kind === 'unix' ? `ws+unix:${name}:` : `${scheme}://127.0.0.1:${port}`;
      this.closers.push(() => {
        if (wss.clients.size > 0) this.failures.push(`${kind}: ${wss.clients.size} clients stay`);
        wss.close();
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      });
    }
  }

  #connect() {
    const weights = [
      [5, 'plain'],
      [2, 'unix'],
      [2, 'deflate'],
      [2, 'tls']
    ];
    const kind = this.random.weighted(
      weights.filter(([, name]) => this.kinds.includes(/** @type {string} */ (name)))
    );
    const link = new Link(this, kind, this.links.length);
    this.links.push(link);
    const url = `${this.addresses[kind]}/?n=${link.number}`;
    const options = { rejectUnauthorized: false, perMessageDeflate: kind === 'deflate' };
    link.client.attach(new this.implementation.WebSocket(url, options));
  }

  /** Does one thing. */
  #step() {
    const { random } = this;
    const link = random.pick(this.links.slice(-LINKS));
    const end = random.pick(link.ends);
    const name = random.weighted([
      [40, 'burst'],
      [10, 'large'],
      [10, 'fragments'],
      [10, 'pause'],
      [14, 'resume'],
      [3, 'backlog'],
      [4, 'ping'],
      [2, 'terminate'],
      [1, 'reset'],
      [1, 'destroy'],
      [1, 'listenerTerminates'],
      [1, 'half'],
      [3, 'close']
    ]);
    if (!link.isReady) return;
    this[name](link, end);
    if (link.isCut || name === 'close') this.#connect();
  }

  #send(end, size, how) {
    if (this.bytes > BUDGET) size = Math.min(size, 100);
    this.bytes += size;
    end.send(size, how);
  }

  burst(_link, end) {
    const count = this.random.between(1, 60);
    for (let i = 0; i < count; i++) {
      const flags = this.random.weighted([
        [90, 0],
        [8, FLAGS.answer],
        [2, FLAGS.pause]
      ]);
      this.#send(end, this.random.below(200), { flags, isCalled: this.random.chance(0.2) });
    }
  }

  large(_link, end) {
    this.#send(end, this.random.pick([16_300, 65_500, 70_000, 300_000, 1_500_000]), {
      isCalled: this.random.chance(0.5)
    });
  }

  fragments(_link, end) {
    this.#send(end, this.random.pick([10, 1000, 40_000, 200_000]), {
      parts: this.random.between(2, 6),
      isCalled: this.random.chance(0.3)
    });
  }

  backlog(_link, end) {
    end.other.pause();
    for (let i = 0; i < 60; i++) this.#send(end, 70_000, { isCalled: i % 10 === 0 });
  }

  pause(_link, end) {
    end.pause();
  }

  resume(link, end) {
    end.ws.resume();
    link.paused.delete(end);
  }

  ping(_link, end) {
    end.ws.ping('ping');
  }

  terminate(link, end) {
    link.isCut = true;
    link.isCutHere = end;
    end.ws.terminate();
  }

  reset(link, end) {
    if (link.kind === 'unix' || link.kind === 'tls') return;
    link.isCut = true;
    end.ws._socket.resetAndDestroy();
  }

  destroy(link, end) {
    link.isCut = true;
    end.ws._socket.destroy();
  }

  half(link, end) {
    link.isCut = true;
    end.ws._socket.end();
  }

  listenerTerminates(_link, end) {
    end.send(5, { flags: FLAGS.terminate });
  }

  close(link, end) {
    for (const paused of link.paused) paused.ws.resume();
    link.paused.clear();
    end.ws.close(1000);
  }

  /** Waits until all has arrived, where it must. */
  async #drain() {
    const open = () => this.links.filter(({ isCut }) => !isCut);
    // The latest may be shaking hands still, over TLS for longer than all else takes to arrive.
    await this.#until(() => this.links.every(({ wasReady }) => wasReady), 'connections open');
    await this.#until(() => {
      // Listeners pause as well.
      for (const link of this.links) {
        for (const end of link.paused) end.ws.resume();
        link.paused.clear();
      }
      return open().every(({ ends }) => ends.every((end) => end.received === end.other.sent));
    }, 'messages arrive');
    await this.#until(() => {
      return open().every(({ ends }) => ends.every(({ ws }) => ws.bufferedAmount === 0));
    }, 'bufferedAmount is 0');
  }

  async #close() {
    for (const { client } of this.links) {
      if (client.isOpen) client.ws.close(1000);
    }
    await this.#until(() => {
      return this.links.every(({ ends }) =>
        ends.every(({ ws, isClosed }) => ws === null || isClosed)
      );
    }, 'connections close');
    for (const link of this.links) {
      for (const end of link.ends) this.#checkEnd(link, end);
    }
    for (const close of this.closers.reverse()) await close();
  }

  /** Checks what must hold of a connection that is over. */
  #checkEnd(link, end) {
    const { id, received, other, called, expectedCalls, closeCode } = end;
    if (called !== expectedCalls) link.fail(`end ${id}: ${called} of ${expectedCalls} callbacks`);
    if (link.isCut) {
      if (received > other.sent) link.fail(`end ${id}: ${received} messages of ${other.sent}`);
      return;
    }
    if (received !== other.sent) link.fail(`end ${id}: ${received} messages of ${other.sent}`);
    if (closeCode !== 1000) link.fail(`end ${id}: closed with ${closeCode}`);
  }

  async #until(holds, what) {
    const start = performance.now();
    while (!holds()) {
      if (performance.now() - start > PATIENCE) {
        this.failures.push(`waited in vain: ${what}`);
        for (const link of this.links) {
          if (link.isCut) continue;
          const [c, s] = link.ends;
          const states = `states ${c.ws?.readyState} ${s.ws?.readyState}`;
          const amounts = `buffered ${c.ws?.bufferedAmount} ${s.ws?.bufferedAmount}`;
          const counts = `${s.received} of ${c.sent} to the server, ${c.received} of ${s.sent} to the client`;
          if (c.received !== s.sent || s.received !== c.sent || !c.isClosed) {
            this.failures.push(`  ${link.kind} ${link.number}: ${counts}, ${states}, ${amounts}`);
          }
        }
        for (const { ends } of this.links) for (const { ws } of ends) ws?.terminate();
        return;
      }
      await delay(2);
    }
  }
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

function delay(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

module.exports = Round;

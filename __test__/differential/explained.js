// @ts-check
'use strict';

// Differences that are meant, each with its reason: `applies` names the programs in which it can be
// seen, `normalise` takes it out of a trace of either implementation. As narrow as possible: what a
// rule takes away is not compared.

/**
 * @typedef {object} Explanation
 * @property {string} name A name for reports
 * @property {string} reason Where the list of differences says so, or why nobody can rely on it
 * @property {(pair: Pair) => Pair | null} explain Gives the two traces without it; `null` where it
 *   can't be seen
 *
 * @typedef {object} Pair
 * @property {any} program The program
 * @property {string} mode The mode
 * @property {Record<string, string[]>} expected The trace of ws
 * @property {Record<string, string[]>} actual The trace of oxws
 */

/** Gives both traces with each line replaced. */
function replaced(pair, replace) {
  const inTrace = (trace) => {
    const lanes = Object.entries(trace).map(([lane, lines]) => {
      return [lane, lines.map((line) => replace(line, lane))];
    });
    return Object.fromEntries(lanes);
  };
  return { ...pair, expected: inTrace(pair.expected), actual: inTrace(pair.actual) };
}

/** Gives both traces with the lines of some lanes in another order, which isn't compared then. */
function sorted(pair, isMeant) {
  const inTrace = (trace) => {
    const lanes = Object.entries(trace);
    return Object.fromEntries(
      lanes.map(([lane, lines]) => [lane, isMeant(lane) ? [...lines].sort() : lines])
    );
  };
  return { ...pair, expected: inTrace(pair.expected), actual: inTrace(pair.actual) };
}

/** Tells whether a connection may be on the stream transport. */
function usesStreams({ program, mode }) {
  if (mode === 'stream' || program.transport === 'tls') return true;
  const options = [
    program.server?.options,
    ...program.connections.map(({ client }) => client?.options)
  ];
  return (
    options.some((given) => given?.allowSynchronousEvents === false) ||
    program.connections.some(({ client }) => client?.generateMask)
  );
}

/** A pause by a listener: it comes sooner where messages do. */
const PAUSES = /"(?:pause|socketPause)"/;

/** Operations that only look, in a lane of their own where it's at another endpoint. */
const LOOKS = new Set(['look', 'lookServer', 'streamLook']);

/** Modes in which another thread reads. */
const THREADED = new Set(['auto', 'tokio', 'threads']);

/** Operations that cut a connection. */
const CUTS = /^(?:terminate|close|socketDestroy|socketDestroySoon|socketReset|socketEnd)$/;

/** Gives the number of the connection that a lane is about. */
function numberOf(lane) {
  return Number(lane.slice(1).split(' ')[0]);
}

/** Gives an option of an endpoint. */
function optionOf({ program }, lane, name) {
  const number = numberOf(lane);
  const connection = program.connections.find((other) => other.number === number);
  const options = lane.startsWith('s') ? program.server?.options : connection?.client?.options;
  return options?.[name];
}

/** @type {Explanation[]} */
const explanations = [
  {
    name: 'text is checked while it arrives',
    reason:
      'differences.md: an invalid byte of text fails the connection at once, not at the end of the message',
    explain(pair) {
      const isInvalid = (line) => line.includes('WS_ERR_INVALID_UTF8');
      for (const [lane, lines] of Object.entries(pair.actual)) {
        const index = lines.findIndex(isInvalid);
        if (index === -1 || pair.expected[lane]?.[index] === lines[index]) continue;
        // What the connection would have done else isn't to be seen, and others may depend on it.
        return { ...pair, expected: {}, actual: {} };
      }
      return null;
    }
  },
  {
    name: 'pongs of a chunk',
    reason:
      'who pings more often than maxPendingAutoPongs in what is read at once is cut off; how much that is is not said',
    explain(pair) {
      const isCut = (line) => / ping .* in 2$/.test(line);
      for (const [lane, lines] of Object.entries(pair.expected)) {
        const index = lines.findIndex(isCut);
        const other = pair.actual[lane]?.[index];
        if (index === -1 || other !== lines[index].replace(/2$/, '1')) continue;
        if (optionOf(pair, lane, 'maxPendingAutoPongs') > 0)
          return { ...pair, expected: {}, actual: {} };
      }
      return null;
    }
  },
  {
    name: 'frames of a tick wait in the stream',
    reason:
      'differences.md: where the engine does not carry the connection writableLength counts them, so write() tells of them',
    explain(pair) {
      if (!usesStreams(pair)) return null;
      return replaced(pair, (line) =>
        line.replace(/socketWrite returned (true|false)/, 'socketWrite returned')
      );
    }
  },
  {
    name: 'messages of a turn each',
    reason:
      'with allowSynchronousEvents false each comes in a turn of its own: the end may have come by then or not, so what is sent may count as sent too late',
    explain(pair) {
      return replaced(pair, (line, lane) => {
        if (!optionOf(pair, lane, 'allowSynchronousEvents') === false) return line;
        const isLook = / look | buffered /.test(line);
        return isLook
          ? line.replace(/buffered \d+/, 'buffered')
          : line.replace(/(\| (?:message|ping|pong) .*) in [12]$/, '$1');
      });
    }
  },
  {
    name: 'waiting text is counted in characters by ws',
    reason:
      'a string that waits in a corked or full socket counts its characters there, here its bytes',
    explain(pair) {
      if (!JSON.stringify(pair.program).includes('"socketCork"')) return null;
      return replaced(pair, (line) => line.replaceAll(/(buffered|length) [1-9]\d*/g, '$1 some'));
    }
  },
  {
    name: 'messages that are compressed when the connection ends',
    reason:
      'differences.md: short messages are compressed and inflated in place, so they are sent, called back, or given before the end, where ws is still at it',
    explain(pair) {
      const isCompressed = (lane) => {
        return pair.program.connections[numberOf(lane)]?.isCompressed;
      };
      const isOfCallbacks = (lane) => isCompressed(lane) && lane.endsWith(' callbacks');
      const next = replaced(sorted(pair, isOfCallbacks), (line, lane) => {
        if (!isCompressed(lane)) return line;
        return line
          .replace(/(callback \d+ of \w+): .*/, '$1')
          .replace(/(\| (?:message|ping|pong) .*) in [12]$/, '$1')
          .replace(/(\| close \S+ \S+) (?:true|false) in/, '$1 in')
          .replace(/(\| look) state [12], .*/, '$1');
      });
      // What its listeners do comes of it as well.
      const numbers = new Set();
      for (const [lane, lines] of Object.entries(next.actual)) {
        const isPaused = () => PAUSES.test(JSON.stringify(pair.program.reactions?.[lane] ?? []));
        const expected = next.expected[lane] ?? [];
        if (isCompressed(lane) && (hasSooner(expected, lines) || isPaused())) {
          numbers.add(numberOf(lane));
        }
      }
      return without(next, numbers);
    }
  },
  {
    name: 'cut by a listener that throws',
    reason:
      'ws delivers nothing more after a listener that throws, oxws does unless it has cut the connection',
    explain(pair) {
      const numbers = new Set();
      for (const [end, reactions] of Object.entries(pair.program.reactions ?? {})) {
        const isBoth = ({ operations }) => {
          const names = operations.filter(({ at }) => at === 'self').map((each) => each.do);
          return names.includes('throw') && names.some((name) => CUTS.test(name));
        };
        if (reactions.some(isBoth)) numbers.add(numberOf(end));
      }
      return numbers.size > 0 ? without(pair, numbers) : null;
    }
  },
  {
    name: 'a message that the end of its socket cuts',
    reason:
      'differences.md: of what was being written when a socket is destroyed ws says that it is written, and calls back after what was to follow',
    explain(pair) {
      const [expected, actual] = [{ ...pair.expected }, { ...pair.actual }];
      for (const [lane, lines] of Object.entries(pair.actual)) {
        const first = lane.endsWith(' callbacks') && sortedCallbacks(lines).find(isDestroyed);
        if (!first) continue;
        const written = `${first.slice(0, first.indexOf(': '))}: ok`;
        const isOther = (/** @type {string} */ line) => line !== first && line !== written;
        const theirs = pair.expected[lane] ?? [];
        const isCut = theirs.includes(written);
        expected[lane] = sortedCallbacks(isCut ? theirs.filter(isOther) : theirs);
        actual[lane] = sortedCallbacks(isCut ? lines.filter(isOther) : lines);
      }
      return { ...pair, expected, actual };
    }
  },
  {
    name: 'which error a write meets',
    reason:
      'where another thread reads, the end of the peer may have come before the reset that its closed socket answers with, or not: the kernel reports EPIPE then, or ECONNRESET',
    explain(pair) {
      if (!THREADED.has(pair.mode)) return null;
      return replaced(pair, (line) => line.replace(/(?:EPIPE|ECONNRESET) write \w+/, 'a write'));
    }
  },
  {
    name: 'which frames a broken write had',
    reason:
      'differences.md: the frames of a tick leave together: where the peer has reset the connection, the first write is told ECONNRESET, the others EPIPE, so callbacks may get the other error, and in the order of the writes',
    explain(pair) {
      if (!/"(?:rawReset|socketReset)"/.test(JSON.stringify(pair.program))) return null;
      const isFailed = (line) => /\| callback .*Error a write$/.test(line);
      const inTrace = (trace) => {
        const lanes = Object.entries(trace).map(([lane, lines]) => {
          if (!lane.endsWith(' callbacks')) return [lane, lines];
          const named = lines.map((line) => {
            return line.replace(/Error (?:EPIPE|ECONNRESET) write \w+$/, 'Error a write');
          });
          // The failed ones keep their places among the others.
          const failed = named.filter(isFailed).sort();
          return [lane, named.map((line) => (isFailed(line) ? failed.shift() : line))];
        });
        return Object.fromEntries(lanes);
      };
      return { ...pair, expected: inTrace(pair.expected), actual: inTrace(pair.actual) };
    }
  },
  {
    name: 'what another thread had read',
    reason:
      'differences.md: where the engine reads on a thread of its own, what it has read before a connection breaks is still given',
    explain(pair) {
      if (!THREADED.has(pair.mode)) return null;
      const numbers = new Set();
      for (const [lane, lines] of Object.entries(pair.actual)) {
        const expected = pair.expected[lane] ?? [];
        const index = lines.findIndex((line, i) => line !== expected[i]);
        const isGiven = /\| (?:message|ping|pong) /.test(lines[index]);
        const isEnd = /\| (?:socket error|socket end|close) /.test(expected[index] ?? '');
        if (isGiven && isEnd) numbers.add(numberOf(lane));
      }
      return numbers.size > 0 ? without(pair, numbers) : null;
    }
  },
  {
    name: 'bytes that were read when somebody began to look',
    reason:
      'differences.md: a listener for the bytes of a socket that comes while messages are handed out gets those that come after what was read',
    explain(pair) {
      const looks = (list) => operationsOf(list).some((each) => each.do === 'socketData');
      const reactions = Object.values(pair.program.reactions ?? {});
      if (!reactions.some(looks)) return null;
      return replaced(pair, (line) => line.replace(/(socket gave) [1-9]\d* bytes/, '$1 bytes'));
    }
  },
  {
    name: 'an end behind a listener that throws',
    reason:
      'differences.md: what follows such a listener comes in a later turn; what ends the connection in between comes before it',
    explain(pair) {
      const numbers = new Set();
      for (const [lane, lines] of Object.entries(pair.actual)) {
        const isEnded = ([step]) => lines.some((line) => line.startsWith(`${step}| close `));
        const thrown = lines.filter((line) => line.endsWith('| uncaught'));
        if (thrown.map((line) => line.split('|')).some(isEnded)) numbers.add(numberOf(lane));
      }
      return numbers.size > 0 ? without(pair, numbers) : null;
    }
  },
  {
    name: 'who is served first',
    reason:
      'what a listener does to another connection meets it before what has arrived there, or after it: oxws reads all that are ready, then calls listeners',
    explain(pair) {
      const numbers = new Set();
      for (const [end, reactions] of Object.entries(pair.program.reactions ?? {})) {
        for (const { at, do: name } of operationsOf(reactions)) {
          if (at === undefined || at === 'self' || LOOKS.has(name)) continue;
          if (at === 'server')
            for (const { number } of pair.program.connections) numbers.add(number);
          else if (numberOf(at) !== numberOf(end)) numbers.add(numberOf(at));
        }
      }
      return numbers.size > 0 ? without(pair, numbers) : null;
    }
  }
];

/** Gives the lines of callbacks in the order of what was called. */
function sortedCallbacks(lines) {
  const number = (/** @type {string} */ line) => Number(/callback (\d+)/.exec(line)?.[1]);
  return [...lines].sort((one, other) => number(one) - number(other));
}

/** Tells whether a callback got the error of a socket that was destroyed before. */
function isDestroyed(line) {
  return /: Error ERR_STREAM_(?:DESTROYED|WRITE_AFTER_END) /.test(line);
}

/** Lists the operations of reactions, with those of callbacks. */
function operationsOf(list) {
  return list.flatMap(({ operations = [], next = [], ...rest }) => {
    return [rest, ...operationsOf(operations), ...operationsOf(next)];
  });
}

/** Gives both traces without some connections. */
function without(pair, numbers) {
  const isKept = ([lane]) => !numbers.has(numberOf(lane));
  const rest = (trace) => Object.fromEntries(Object.entries(trace).filter(isKept));
  return { ...pair, expected: rest(pair.expected), actual: rest(pair.actual) };
}

/**
 * Tells whether the first difference of a lane is a message that the other one doesn't have, or
 * what a listener does that the other one calls when the connection is closing already.
 *
 * @param {string[]} expected The lane of ws
 * @param {string[]} actual The lane of oxws
 * @return {boolean} Whether it is
 */
function hasSooner(expected, actual) {
  const isMessage = (line = '') => /\| (?:message|text|binary|cont) /.test(line);
  const index = actual.findIndex((line, i) => line !== expected[i]);
  if (index === -1) return false;
  if (/ (?:threw|returned) /.test(actual[index])) return true;
  return isMessage(actual[index]) && !isMessage(expected[index]);
}

module.exports = explanations;

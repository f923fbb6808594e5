// @ts-check
'use strict';

// Makes a program that differs as small as it can be made while it still does.

const { kindOf } = require('./compare');
const confirm = require('./confirm');

/** Milliseconds that the search may take. */
const PATIENCE = 40_000;

/** Gives a list without a run of its elements. */
function without(list, start, count) {
  return [...list.slice(0, start), ...list.slice(start + count)];
}

/** Gives copies of a program with a list replaced by shorter ones, halves first. */
function* shorter(program, read, write) {
  const list = read(program);
  for (let size = list.length; size >= 1; size = Math.floor(size / 2)) {
    for (let start = list.length - size; start >= 0; start -= size) {
      const copy = structuredClone(program);
      write(copy, without(list, start, size));
      yield copy;
    }
    if (size === 1) break;
  }
}

/** Gives every object of a part of a program, with the way to it. */
function* objects(value, path = []) {
  if (value === null || typeof value !== 'object') return;
  yield [path, value];
  for (const [key, inner] of Object.entries(value)) yield* objects(inner, [...path, key]);
}

/** Follows a way. */
function follow(value, path) {
  return path.reduce((inner, key) => inner[key], value);
}

/** Gives programs that are smaller by one thing. */
function* smaller(program) {
  // Steps, then whatever else is a list.
  yield* shorter(
    program,
    ({ steps }) => steps,
    (copy, list) => Object.assign(copy, { steps: list })
  );
  for (const { number } of program.connections) {
    if (program.connections.length > 1) yield dropConnection(program, number);
  }
  for (const name of Object.keys(program.reactions ?? {})) {
    const copy = structuredClone(program);
    delete copy.reactions[name];
    yield copy;
  }
  for (const part of ['reactions', 'steps', 'connections']) {
    for (const [path, value] of objects(program[part], [part])) {
      if (!Array.isArray(value) || value.length === 0 || path.length < 2) continue;
      yield* shorter(
        program,
        (whole) => follow(whole, path),
        (copy, list) => {
          follow(copy, path.slice(0, -1))[path[path.length - 1]] = list;
        }
      );
    }
  }
  yield* simpler(program);
}

/** Drops a connection and what is done to it. The numbers of the others stay. */
function dropConnection(program, number) {
  const copy = structuredClone(program);
  const last = copy.connections.length - 1;
  // Only the last can go, so that numbers are places.
  if (number !== last) return program;
  copy.connections.pop();
  const isGone = ({ at, connection }) =>
    at === `s${last}` || at === `c${last}` || connection === last;
  for (const [, value] of objects(copy)) {
    for (const [key, list] of Object.entries(value)) {
      if (Array.isArray(list) && list.some((item) => item?.do)) {
        value[key] = list.filter((item) => !isGone(item));
      }
    }
  }
  for (const end of [`s${last}`, `c${last}`]) {
    delete copy.reactions?.[end];
    delete copy.faces?.[end];
  }
  return copy;
}

/** Properties that can be left out wherever they are. */
const OPTIONAL = new Set([
  'when',
  'settle',
  'milliseconds',
  'options',
  'callback',
  'next',
  'nth',
  'cuts',
  'mask',
  'polite',
  'request',
  'response',
  'behind',
  'protocols',
  'generateMask',
  'verifyClient',
  'handleProtocols',
  'binaryType',
  'dom',
  'socket',
  'drain',
  'stream',
  'duplex',
  'reason',
  'code',
  'compressed',
  'fin',
  'isError'
]);

/** Gives programs with one value that is simpler. */
function* simpler(program) {
  for (const [path, value] of objects(program)) {
    for (const [key, inner] of Object.entries(value)) {
      const parent = path[path.length - 1];
      const isOption =
        parent === 'options' || parent === 'headers' || parent === 'perMessageDeflate';
      const set = (replacement) => {
        const copy = structuredClone(program);
        if (replacement === undefined) delete follow(copy, path)[key];
        else follow(copy, path)[key] = replacement;
        return copy;
      };
      if (isOption || (OPTIONAL.has(key) && !isRequired(key, value))) yield set(undefined);
      if (key === 'size' && inner > 5) {
        for (const size of [5, 126, 16384]) if (size < inner) yield set(size);
      }
      if (key === 'fill' && inner !== 'ascii') yield set('ascii');
      if (key === 'type' && inner !== 'Buffer' && inner !== 'string') yield set('Buffer');
      if (key === 'transport' && inner !== 'tcp') yield set('tcp');
      if (
        key === 'kind' &&
        (inner === 'http' || inner === 'noServer') &&
        program.transport === 'tcp'
      ) {
        yield set('own');
      }
    }
  }
}

/** Tells whether a property can't be left out. */
function isRequired(key, value) {
  return key === 'options' && 'kind' in value;
}

/**
 * Makes a program smaller.
 *
 * @param {any} checker The workers
 * @param {any} program The program
 * @param {import('./confirm').Verdict} verdict What was found
 * @return {Promise<{program: any, verdict: import('./confirm').Verdict}>} The smallest program that
 *   was found
 */
async function shrink(checker, program, verdict) {
  const kind = kindOf(verdict.found);
  const deadline = performance.now() + PATIENCE;
  let best = { program, verdict };
  for (let isProgress = true; isProgress; ) {
    isProgress = false;
    const size = JSON.stringify(best.program).length;
    const candidates = [];
    for (const candidate of smaller(best.program)) {
      if (JSON.stringify(candidate).length < size || isSimpler(candidate, best.program)) {
        candidates.push(candidate);
      }
    }
    // A few at a time: the first that still differs is taken.
    for (let i = 0; i < candidates.length && !isProgress; i += 8) {
      if (performance.now() > deadline) return best;
      const group = candidates.slice(i, i + 8);
      const verdicts = await Promise.all(
        group.map((candidate) =>
          confirm(checker, candidate, { runsOfWs: 2, runsOfOxws: 1, moreRuns: 0 })
        )
      );
      const index = verdicts.findIndex((other) => {
        return other.kind === 'difference' && kindOf(other.found) === kind;
      });
      if (index === -1) continue;
      best = { program: group[index], verdict: verdicts[index] };
      isProgress = true;
    }
  }
  return best;
}

/** Tells whether a program is simpler though not shorter. */
function isSimpler(candidate, than) {
  const text = JSON.stringify(candidate);
  const other = JSON.stringify(than);
  return text.length === other.length
    ? text < other
    : text.includes('"ascii"') && text.length <= other.length + 4 && !other.includes(text);
}

module.exports = shrink;

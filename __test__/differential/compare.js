// @ts-check
'use strict';

// Compares traces.

const explanations = require('./explained');

/**
 * @typedef {object} Difference
 * @property {string} lane The endpoint
 * @property {number} index The first line that differs
 * @property {string} expected The line of ws
 * @property {string} actual The line of oxws
 */

/**
 * Takes the steps out of a trace: in a process that does much at a time, a line may come late.
 *
 * @param {any} answer A trace
 * @return {any} The trace
 */
function withoutSteps(answer) {
  if (answer.failure) return answer;
  const lanes = Object.entries(answer.trace).map(([lane, lines]) => {
    return [lane, lines.map((line) => line.replace(/^\w+\| /, '| '))];
  });
  return { trace: Object.fromEntries(lanes) };
}

/**
 * Finds what differs.
 *
 * @param {any} expected What ws gave
 * @param {any} actual What oxws gave
 * @return {Difference[]} The first difference of each lane that has one
 */
function differences(expected, actual) {
  if (expected.failure || actual.failure) {
    const [from, to] = [expected.failure ?? 'ran', actual.failure ?? 'ran'];
    return from === to ? [] : [{ lane: 'process', index: 0, expected: from, actual: to }];
  }
  const found = [];
  const lanes = new Set([...Object.keys(expected.trace), ...Object.keys(actual.trace)]);
  for (const lane of lanes) {
    const left = expected.trace[lane] ?? [];
    const right = actual.trace[lane] ?? [];
    const length = Math.max(left.length, right.length);
    for (let index = 0; index < length; index++) {
      if (left[index] === right[index]) continue;
      found.push({
        lane,
        index,
        expected: left[index] ?? '(nothing)',
        actual: right[index] ?? '(nothing)'
      });
      break;
    }
  }
  return found;
}

/**
 * Finds what differs and isn't explained.
 *
 * @param {{program: any, mode: string}} what The program and the mode
 * @param {any} expected What ws gave
 * @param {any} actual What oxws gave
 * @param {Map<string, number>} [used] Counts the explanations that were needed
 * @return {Difference[]} The differences
 */
function unexplained(what, expected, actual, used) {
  let found = differences(expected, actual);
  if (found.length === 0 || expected.failure || actual.failure) return found;
  let pair = { ...what, expected: expected.trace, actual: actual.trace };
  for (const { name, explain } of explanations) {
    const next = explain(pair);
    if (next === null) continue;
    const left = differences({ trace: next.expected }, { trace: next.actual });
    if (left.length < found.length) used?.set(name, (used.get(name) ?? 0) + 1);
    if (left.length === 0) return [];
    [pair, found] = [next, left];
  }
  return found;
}

/**
 * Gives a short name to a kind of difference: programs of the same kind are reported a few times
 * only.
 *
 * @param {Difference[]} found The differences, at least one
 * @return {string} The name
 */
function kindOf(found) {
  const { lane, expected, actual } = found[0];
  const verb = (line) => {
    const words = line
      .replace(/^\w*\| /, '')
      .replaceAll(/["'].*|\d+:?/g, '')
      .split(' ');
    return words.filter(Boolean).slice(0, 3).join(' ');
  };
  const [before, after] = [verb(expected), verb(actual)];
  if (before === after && before.includes('look')) {
    const fields = actual.split(', ');
    const names = expected.split(', ').filter((field) => !fields.includes(field));
    return `${lane.replace(/\d+/, '')}: look, ${names.join(', ')}`;
  }
  return `${lane.replace(/\d+/, '')}: ${before === after ? `${before}, in part` : `${before} / ${after}`}`;
}

module.exports = { differences, kindOf, unexplained, withoutSteps };

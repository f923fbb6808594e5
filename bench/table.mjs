// Prints the figures of a case as a table.

import { figuresOf, NOISY } from './figures.mjs';

/** From this share of a processor on, the load generator was part of the limit. */
const SATURATED = 0.95;

/**
 * Formats a case.
 *
 * @param {import('./cases.mjs').Case} which The case
 * @param {import('./contenders.mjs').Contender[]} contenders Those that took part
 * @param {Map<string, import('./figures.mjs').Summary>} summaries Their figures
 * @return {string} Lines of text
 */
export function formatCase(which, contenders, summaries) {
  const figures = figuresOf(which);
  const head = [
    '',
    ...figures.map(({ key, label }) => (key.endsWith('_second') ? which.unit + label : label))
  ];
  const rows = contenders.map(({ id, name }) => {
    const summary = summaries.get(id);
    if (summary === undefined) return [name, 'failed'];
    return [mark(name, summary), ...figures.map(({ key }) => formatFigure(summary, key))];
  });
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? '').length))
  );
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
      )
      .join('   ')
  );
  return [which.title, ...lines.map((line) => `  ${line.trimEnd()}`)].join('\n');
}

/** What the marks in a table mean. */
export const LEGEND =
  'Medians, and in brackets the ratio to ws + bufferutil: above 1 is better, in every column.\n' +
  `~ the rounds differ by more than ${Math.round((NOISY - 1) * 100)} %;  ` +
  '* the load generator was busy all the time: the server may be faster than this.';

/**
 * Adds to a name that the load generator was the limit.
 *
 * @param {string} name The name
 * @param {import('./figures.mjs').Summary} summary The figures
 * @return {string} The name, with a mark if need be
 */
function mark(name, summary) {
  return summary.medians.load_cpu_share > SATURATED ? `${name} *` : name;
}

/**
 * Formats a median and its ratio.
 *
 * @param {import('./figures.mjs').Summary} summary The figures
 * @param {string} key Which
 * @return {string} Text
 */
function formatFigure(summary, key) {
  const value = formatNumber(summary.medians[key]);
  const ratio = summary.ratios[key];
  if (ratio === undefined) return value;
  const noisy = ratio.max / ratio.min > NOISY ? '~' : '';
  return `${value} (${noisy}${ratio.median.toFixed(2)})`;
}

/**
 * Formats a number with about four digits.
 *
 * @param {number} value The number
 * @return {string} Text
 */
function formatNumber(value) {
  const digits = Math.max(0, 3 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  return value.toLocaleString('en-US', {
    minimumFractionDigits: Math.min(digits, 2),
    maximumFractionDigits: Math.min(digits, 2),
    useGrouping: true
  });
}

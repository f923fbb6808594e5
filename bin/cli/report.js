// @ts-check
'use strict';

// Shows the figures of `oxws bench`: a row while they come in, and the result.

const readline = require('node:readline');
const { paint } = require('./terminal');

/** Milliseconds between two rows, on a terminal and elsewhere. */
const REDRAW_INTERVAL = 500;
const ROW_INTERVAL = 1000;

/** Rates that the little chart has room for. */
const CHART_WIDTH = 20;
const BARS = '▁▂▃▄▅▆▇█';

/** @typedef {import('./load').Figures} Figures */
/** @typedef {import('node:perf_hooks').RecordableHistogram} Histogram */

/**
 * @typedef {object} Plan What to measure
 * @property {string} url Where
 * @property {number} connections How many connections
 * @property {number} size Bytes of a message
 * @property {number} inFlight Messages that a connection has under way
 * @property {number} duration Seconds
 */

/**
 * Gives a quantile of the round trips.
 *
 * @param {Histogram} latency The round trips
 * @param {number} percent Which one
 * @return {number} Milliseconds, to the microsecond
 */
function percentile(latency, percent) {
  return Math.round(latency.percentile(percent) / 1000) / 1000;
}

/**
 * Writes a number for people.
 *
 * @param {number} number The number
 * @return {string} Rounded, with commas between thousands
 */
function formatCount(number) {
  return Math.round(number).toLocaleString('en-US');
}

/**
 * Writes a time for people.
 *
 * @param {number} ms Milliseconds
 * @return {string} With three digits or more
 */
function formatTime(ms) {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

/**
 * Draws a chart of one row.
 *
 * @param {number[]} rates The values, not below 0
 * @return {string} A bar for each
 */
function chart(rates) {
  const most = Math.max(...rates, 1);
  return rates.map((rate) => BARS[Math.round((rate / most) * (BARS.length - 1))]).join('');
}

/**
 * Makes what shows the figures of each moment.
 *
 * @param {boolean} color Whether to color
 * @return {{ interval: number, show: (elapsed: number, figures: Figures) => void, end: () => void
 *   }} How often it wants figures; what shows them, and what clears the row that changes
 */
function createDisplay(color) {
  const isTerminal = Boolean(process.stdout.isTTY);
  /** @type {(text: string) => string} */
  const strong = color ? (text) => paint('bold', text) : (text) => text;
  /** @type {number[]} */
  const rates = [];

  const clear = () => {
    if (!isTerminal) return;
    readline.cursorTo(process.stdout, 0);
    readline.clearLine(process.stdout, 0);
  };
  return {
    interval: isTerminal ? REDRAW_INTERVAL : ROW_INTERVAL,
    show(elapsed, { latency, messages, seconds }) {
      const rate = messages / seconds;
      rates.push(rate);
      if (rates.length > CHART_WIDTH) rates.shift();
      const columns = [
        `${elapsed.toFixed(1).padStart(6)} s`,
        `${strong(formatCount(rate).padStart(11))} messages/s`,
        `p50 ${messages ? formatTime(percentile(latency, 50)).padStart(8) : '       –'}`,
        `p99 ${messages ? formatTime(percentile(latency, 99)).padStart(8) : '       –'}`
      ];
      clear();
      if (!isTerminal) process.stdout.write(`${columns.join('  ')}\n`);
      // A row that breaks can't be taken back: without the chart it fits into 80 columns.
      else if (process.stdout.columns < 90) process.stdout.write(columns.join('  '));
      else process.stdout.write([...columns, chart(rates)].join('  '));
    },
    end: clear
  };
}

/**
 * Puts the figures into the form in which they are given on.
 *
 * @param {Plan} plan What was measured
 * @param {Figures} figures The figures
 * @param {number} lost Connections that were closed meanwhile
 * @return {Record<string, any>} The result; latencies are in milliseconds
 */
function summarize(plan, { latency, messages, seconds }, lost) {
  const { url, connections, inFlight, size } = plan;
  return {
    url,
    connections,
    lost,
    size,
    inFlight,
    seconds: Math.round(seconds * 1000) / 1000,
    messages,
    messagesPerSecond: Math.round(messages / seconds),
    latency: {
      min: Math.round(latency.min / 1000) / 1000,
      mean: Math.round(latency.mean / 1000) / 1000,
      p50: percentile(latency, 50),
      p90: percentile(latency, 90),
      p99: percentile(latency, 99),
      max: Math.round(latency.max / 1000) / 1000
    }
  };
}

/**
 * Writes a result for people.
 *
 * @param {ReturnType<typeof summarize>} result The result
 * @return {string} Some lines
 */
function formatResult({ latency, lost, messages, messagesPerSecond, seconds, size }) {
  const megabytes = (messagesPerSecond * size) / 1e6;
  const lines = [
    `messages   ${formatCount(messages)} in ${seconds.toFixed(1)} s`,
    `rate       ${formatCount(messagesPerSecond)} messages/s, ${megabytes.toFixed(1)} MB/s each way`,
    `latency    ${['min', 'p50', 'p90', 'p99', 'max']
      .map((name) => `${name} ${formatTime(latency[name])}`)
      .join('   ')}`
  ];
  if (lost > 0) lines.push(`lost       ${formatCount(lost)} connections were closed`);
  return `${lines.join('\n')}\n`;
}

module.exports = { createDisplay, formatCount, formatResult, summarize };

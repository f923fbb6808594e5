// @ts-check
'use strict';

// `oxws bench`: measures a server that echoes, and shows the figures while they come in.

const { createHistogram } = require('node:perf_hooks');
const { formatOptions, parse, parseNumber, UsageError } = require('./arguments');
const { messageOf, prepareClient } = require('./client');
const { Load } = require('./load');
const { BENCH_OPTIONS } = require('./options');
const { createDisplay, formatCount, formatResult, summarize } = require('./report');
const { wantsColor } = require('./terminal');

/** Milliseconds between two looks at the load where nothing is shown. */
const TICK_INTERVAL = 1000;

const USAGE = `Usage: oxws bench [options] <url>

Opens connections to a server that echoes, sends as fast as the echoes come
back, and shows messages a second and how long an echo takes. The client is one
thread: give the server a processor of its own.

Options:
${formatOptions(BENCH_OPTIONS)}
`;

/** @typedef {import('./load').Figures} Figures */
/** @typedef {import('./report').Plan} Plan */

/**
 * Reads what to measure.
 *
 * @param {string} url Where
 * @param {Record<string, any>} values The values of the options
 * @return {Plan} The plan
 * @throws {UsageError} If a number isn't possible
 */
function readPlan(url, values) {
  /** @type {(name: string, fallback: string, least: number, most: number) => number} */
  const whole = (name, fallback, least, most) =>
    parseNumber(name, values[name] ?? fallback, { least, most, whole: true });
  return {
    url,
    connections: whole('connections', '10', 1, 1_000_000),
    size: whole('size', '64', 0, 2 ** 30),
    inFlight: whole('in-flight', '1', 1, 1_000_000),
    duration: parseNumber('duration', values.duration ?? '10', { least: 0.1, most: 86_400 })
  };
}

/**
 * Lets the load run.
 *
 * @param {Load} load The load, open
 * @param {number} duration Seconds that it runs at most
 * @param {ReturnType<typeof createDisplay> | undefined} display What shows the figures meanwhile
 * @return {Promise<Figures>} The figures of all of it; Ctrl+C ends it early
 */
async function measure(load, duration, display) {
  const total = { seconds: 0, messages: 0, latency: createHistogram() };
  const add = () => {
    const figures = load.take();
    total.seconds += figures.seconds;
    total.messages += figures.messages;
    if (figures.messages > 0) total.latency.add(figures.latency);
    return figures;
  };

  load.start();
  await new Promise((resolve) => {
    const tick = setInterval(() => {
      const figures = add();
      display?.show(total.seconds, figures);
      if (load.connections === 0) finish();
    }, display?.interval ?? TICK_INTERVAL);
    const end = setTimeout(() => finish(), duration * 1000);
    const finish = () => {
      clearInterval(tick);
      clearTimeout(end);
      process.off('SIGINT', finish);
      resolve(undefined);
    };
    process.on('SIGINT', finish);
  });
  add();
  load.stop();
  display?.end();
  return total;
}

/**
 * Runs the command.
 *
 * @param {string[]} args The arguments behind `bench`
 * @return {Promise<void>}
 * @throws {UsageError} If they aren't as they should, or nothing could be measured
 */
async function bench(args) {
  const { values, positionals } = parse(args, BENCH_OPTIONS);
  if (values.help) return void process.stdout.write(USAGE);
  if (positionals.length !== 1)
    throw new UsageError('oxws bench takes one address: ws://host:port');

  const plan = readPlan(positionals[0], values);
  const createClient = await prepareClient(plan.url, values, {
    perMessageDeflate: Boolean(values.deflate)
  });
  const load = new Load({ ...plan, createClient, isText: Boolean(values.text) });
  const display = values.json ? undefined : createDisplay(wantsColor(values));

  if (display !== undefined) {
    const { connections, inFlight, size, url } = plan;
    process.stdout.write(
      `${url}: ${formatCount(connections)} connections, ${formatCount(size)} bytes, ${formatCount(inFlight)} in flight\n`
    );
  }
  try {
    await load.open();
  } catch (error) {
    load.stop();
    if (error instanceof UsageError) throw error;
    throw new UsageError(messageOf(error), 255);
  }
  const figures = await measure(load, plan.duration, display);
  if (figures.messages === 0) throw new UsageError('no echo came back from the server', 255);

  const result = summarize(plan, figures, load.lost);
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : formatResult(result));
}

module.exports = { bench };

// @ts-check
'use strict';

// Chooses what the command does: a client, a server, or a benchmark.
//
// Exit codes are those of wscat: 0; 1 for a mistake in the arguments; 255 where the connection or
// the server fails.

const { version } = require('../../package.json');
const { formatOptions, parse, UsageError } = require('./arguments');
const { bench } = require('./bench');
const { connect } = require('./connect');
const { listen } = require('./listen');
const { CAT_OPTIONS } = require('./options');

const USAGE = `Usage: oxws [options] (--listen <port> | --connect <url>)
       oxws bench [options] <url>
       oxws build

Talks to a WebSocket server, or serves a client, line by line. What comes in
binary is shown in hexadecimal digits. \`oxws bench --help\` tells of the benchmark.
\`oxws build\` builds the addon with Rust, where no binary is published for the platform.

Options (of these, --listen takes --host, --no-color, --ping and
--timestamps):
${formatOptions(CAT_OPTIONS)}
`;

/**
 * Runs the command.
 *
 * @param {string[]} args The arguments
 * @return {Promise<void>}
 */
async function run(args) {
  if (args[0] === 'bench') return bench(args.slice(1));
  if (args[0] === 'build') return void (await import('../../scripts/build-installed.mjs'));

  const { values, positionals } = parse(args, CAT_OPTIONS);

  if (values.help) return void process.stdout.write(USAGE);
  if (values.version) return void process.stdout.write(`${version}\n`);
  if (positionals.length > 0) {
    throw new UsageError(`unexpected argument '${positionals[0]}'; --connect <url> connects`);
  }
  if (values.connect !== undefined && values.listen !== undefined) {
    // wscat's exit code for this one mistake.
    throw new UsageError('Use either --listen or --connect', 255);
  }
  if (values.connect !== undefined) return connect(values);
  if (values.listen !== undefined) return listen(values);
  process.stdout.write(USAGE);
}

/**
 * Runs the command and reports mistakes in the arguments.
 *
 * @param {string[]} args The arguments
 * @return {Promise<void>}
 */
async function main(args) {
  // Whoever reads our output may stop doing so, as `head` does.
  process.stdout.on('error', (error) => {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EPIPE') throw error;
    process.exit();
  });
  try {
    await run(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}

module.exports = { main };

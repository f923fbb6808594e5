// @ts-check
'use strict';

// Runs the mocha suite of a ws checkout on this package.
//
//   node run.js CHECKOUT [--tls] [--target FOLDER] [--file NAME ...] [--grep TEXT]
//
// The checkout lies outside of this repository, and only its `test` folder is used. With --target
// the tests run on the package in FOLDER: on the checkout itself they prove this runner. --file and
// --grep choose test files (`receiver`, `websocket`) and tests (by a part of the title).
//
// With --tls they are led over TLS. `expected-failures.json`, and over TLS the other one, has the
// full title of each test that cannot pass, with the reason and, where it depends on that, the
// first version of Node on which it can't, and what carries connections over TLS then. A test that
// fails without being listed is an error, and so is one that is listed but passes or is not there.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const Mocha = require('mocha');
const knownFailures = require('./expected-failures.json');
const knownOverTls = require('./expected-failures-tls.json');
const leadOverTls = require('./secure');
const redirect = require('./redirect');

const ROOT = path.join(__dirname, '..', '..');

/** What carries connections over TLS. */
const carrier = process.env.OXWS_TLS === 'node' ? 'node' : 'openssl';

/** @typedef {{ node?: number, tls?: string, reason: string }} Known A known failure */

/**
 * Gives the known failures that are to be expected here.
 *
 * @param {boolean} isSecure Whether the tests are led over TLS
 * @return {Record<string, Known>} By the title of the test
 */
function findExpected(isSecure) {
  /** @type {Record<string, Known>} */
  const known = { ...knownFailures, ...(isSecure && knownOverTls) };
  return Object.fromEntries(
    Object.entries(known).filter(([, { node = 0, tls = carrier }]) => {
      return Number.parseInt(process.versions.node, 10) >= node && tls === carrier;
    })
  );
}

/** Milliseconds that sockets and timers of the tests may outlive the last of them. */
const EXIT_TIMEOUT = 10_000;

/**
 * Reads the command line.
 *
 * @return {{
 *   checkout: string, target: string, isSecure: boolean, files?: string[], grep?: string
 * }} What it says
 */
function readArguments() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      file: { type: 'string', multiple: true },
      grep: { type: 'string' },
      target: { type: 'string' },
      tls: { type: 'boolean', default: false }
    }
  });
  if (positionals.length !== 1) {
    throw new Error('usage: npm test -- ws PATH_TO_A_WS_CHECKOUT');
  }
  // npm runs scripts in the root of the package, and notes where the user was.
  const cwd = process.env.INIT_CWD ?? process.cwd();
  const checkout = path.resolve(cwd, positionals[0]);
  if (!fs.existsSync(path.join(checkout, 'test', 'websocket.test.js'))) {
    throw new Error(`${checkout} is no checkout of ws: it has no test/websocket.test.js`);
  }
  return {
    checkout: fs.realpathSync(checkout),
    target: fs.realpathSync(values.target ? path.resolve(cwd, values.target) : ROOT),
    isSecure: values.tls,
    files: values.file,
    grep: values.grep
  };
}

/**
 * Runs the tests and reports each as mocha does.
 *
 * @param {{ checkout: string, files?: string[], grep?: string }} choice Where the tests are, and
 *     which of them to run when not all
 * @return {Promise<{ passed: string[], failed: string[], skipped: string[] }>} Full titles
 */
function runTests({ checkout, files, grep }) {
  const mocha = new Mocha({ reporter: 'spec', ...(grep && { fgrep: grep }) });
  const folder = path.join(checkout, 'test');
  for (const name of fs.readdirSync(folder).sort()) {
    if (!name.endsWith('.test.js')) continue;
    if (files === undefined || files.includes(name.slice(0, -'.test.js'.length))) {
      mocha.addFile(path.join(folder, name));
    }
  }
  /** @type {{ passed: string[], failed: string[], skipped: string[] }} */
  const results = { passed: [], failed: [], skipped: [] };
  return new Promise((resolve) => {
    mocha
      .run(() => resolve(results))
      .on('pass', (test) => results.passed.push(test.fullTitle()))
      .on('fail', (test) => results.failed.push(test.fullTitle()))
      .on('pending', (test) => results.skipped.push(test.fullTitle()));
  });
}

/**
 * Holds the results against the list of expected failures.
 *
 * @param {{ passed: string[], failed: string[] }} results Full titles of tests
 * @param {Record<string, unknown>} expectedFailures The known failures
 * @param {boolean} complete Whether all tests have run
 * @return {string[]} What is wrong, a line each
 */
function findErrors({ passed, failed }, expectedFailures, complete) {
  const listed = Object.keys(expectedFailures);
  const absent = listed.filter((title) => !passed.includes(title) && !failed.includes(title));
  return [
    ...failed.filter((title) => !listed.includes(title)).map((title) => `failed: ${title}`),
    ...passed.filter((title) => listed.includes(title)).map((title) => `listed, passes: ${title}`),
    ...(complete ? absent : []).map((title) => `listed, did not run: ${title}`)
  ];
}

/**
 * Fails the run when something that the tests left open keeps this process alive. The timer itself
 * does not: a process with nothing else to wait for ends before it fires.
 */
function requireExit() {
  const timer = setTimeout(() => {
    console.error(`still open after the tests: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  }, EXIT_TIMEOUT);
  timer.unref();
}

/** Runs everything and sets the exit code. */
async function main() {
  const { target, isSecure, ...choice } = readArguments();
  const files = redirect(choice.checkout, target);
  if (isSecure) leadOverTls(choice.checkout, target);
  process.chdir(choice.checkout);
  const results = await runTests(choice);
  requireExit();

  const complete = choice.files === undefined && choice.grep === undefined;
  const expectedFailures = findExpected(isSecure);
  const errors = findErrors(results, expectedFailures, complete);
  const { passed, failed, skipped } = results;
  console.log(`files of ws led to ${target}: ${[...files].sort().join(', ')}`);
  if (errors.length > 0) console.log(`\n${errors.join('\n')}`);
  if (passed.length === 0) errors.push('no test ran');
  console.log(
    `\n${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped` +
      `\n${Object.keys(expectedFailures).length} listed as expected failures, ` +
      `${errors.length === 0 ? 'nothing unexpected' : `${errors.length} unexpected`}`
  );
  process.exitCode = errors.length === 0 ? 0 : 1;
  // A test that failed may well have left something open.
  if (failed.length > 0) process.exit();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});

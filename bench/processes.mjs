// The child processes of a run: servers, and the load generator. None outlives this process.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { firstLine, root, run, Stop } from '../scripts/support/command.mjs';

/** @typedef {import('./cases.mjs').Case} Case */
/** @typedef {import('./contenders.mjs').Contender} Contender */

const crate = join(dirname(fileURLToPath(import.meta.url)), 'load');
const generator = join(crate, 'target', 'release', 'load');

const START_TIMEOUT_MS = 10_000;
/** What a load run may take beyond the time it was asked to measure. */
const LOAD_TIMEOUT_MS = 60_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

process.on('exit', endChildren);
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    console.error(`\nEnded by ${signal}.`);
    process.exit(1);
  });
}

/** Ends every child that still runs. */
function endChildren() {
  for (const child of children) child.kill('SIGKILL');
}

/**
 * Starts a child and keeps account of it.
 *
 * @param {string} command The program
 * @param {string[]} args Its arguments
 * @param {Record<string, string>} [env] Environment variables besides those of this process
 * @return {import('node:child_process').ChildProcessByStdio<
 *   import('node:stream').Writable, import('node:stream').Readable, null>} The child
 */
function start(command, args, env) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit']
  });
  children.add(child);
  child.on('close', () => children.delete(child));
  // A child that is ended breaks the pipe it is held by.
  child.stdin.on('error', () => {});
  return child;
}

/** Builds the load generator, if its sources have changed. */
export async function buildGenerator() {
  if (process.platform !== 'linux') {
    throw new Stop(
      "the benchmarks run on Linux only: a server's CPU time and memory are read from /proc."
    );
  }
  if (firstLine('cargo', ['--version']) === undefined) {
    throw new Stop(
      'cargo, which builds the load generator, is missing or does not run.\n' +
        '  Install Rust from https://rustup.rs, open a new terminal and run the command again.'
    );
  }
  const manifest = join(crate, 'Cargo.toml');
  const args = ['build', '--release', '--locked', '--quiet', '--manifest-path', manifest];
  const code = await run('cargo', args, {
    env: { ...process.env, CARGO_TARGET_DIR: join(crate, 'target') }
  });
  if (code !== 0) throw new Stop('the load generator did not build; the compiler says why above.');
}

/**
 * Has the load generator make a certificate.
 *
 * @param {string} folder Where `certificate.pem` and `key.pem` go
 */
export async function makeCertificate(folder) {
  const code = await run(generator, ['certificate', folder]);
  if (code !== 0) throw new Stop('the certificate for TLS could not be made.');
}

/**
 * @typedef {object} Server
 * @property {number} port Where it listens
 * @property {number} pid Its process
 * @property {string} version The version of what it runs on
 * @property {() => Promise<void>} end Ends it
 */

/**
 * Starts the server of a contender, or its client where that is what is measured.
 *
 * @param {Contender} contender The contender
 * @param {Case} which The case it is for
 * @param {string} certificates The folder of the certificate
 * @return {Promise<Server>} The server, listening
 */
export async function startServer(contender, which, certificates) {
  const options = JSON.stringify({
    package: contender.package,
    broadcast: which.broadcast === true,
    publish: which.publish === true,
    awaits: which.awaits ?? null,
    deflate: which.deflate ?? null,
    certificates: which.tls ? certificates : null,
    load: which.load
  });
  const args = which.mode === 'serve' ? (contender.clientArgs ?? []) : contender.args;
  const child = start(contender.command, [...args, options], contender.env);
  const closed = new Promise((resolve) => {
    child.on('close', resolve);
  });
  const end = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  try {
    const { port, version } = JSON.parse(await readLine(child));
    return { port, pid: /** @type {number} */ (child.pid), version, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * Reads the first line that a server prints.
 *
 * @param {ReturnType<typeof start>} child The server
 * @return {Promise<string>} The line
 */
function readLine(child) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`did not start within ${START_TIMEOUT_MS / 1000} s`)),
      START_TIMEOUT_MS
    );
    createInterface({ input: child.stdout }).once('line', resolve);
    child.on('error', reject);
    child.on('close', (code, signal) => reject(new Error(`ended with ${signal ?? code}`)));
    child.on('close', () => clearTimeout(timer));
  });
}

/**
 * @typedef {object} Timing
 * @property {number} seconds How long to measure
 * @property {number} warmUp How long to run before, in seconds
 */

/**
 * Runs the load generator against a server.
 *
 * @param {Server} server The server
 * @param {Case} which The case
 * @param {Timing} timing How long
 * @param {string} certificates The folder of the certificate
 * @return {Promise<Record<string, number>>} Its report
 */
export async function runLoad(server, which, timing, certificates) {
  const args = [which.mode, '--port', `${server.port}`, '--pid', `${server.pid}`];
  args.push('--seconds', `${timing.seconds}`, '--warm-up', `${timing.warmUp}`);
  if (which.tls) args.push('--certificate', join(certificates, 'certificate.pem'));
  for (const [name, value] of Object.entries(which.load)) {
    args.push(`--${name}`);
    if (value !== true) args.push(`${value}`);
  }
  const child = start(generator, args);
  const limit = (timing.seconds + timing.warmUp) * 1000 + LOAD_TIMEOUT_MS;
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(signal ?? status));
  });
  clearTimeout(timer);
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
  return JSON.parse(output);
}

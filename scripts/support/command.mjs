// Runs the commands that the other scripts are made of, from the root of the repository.

import { spawn, spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** An end that needs no stack trace: the message says what is wrong and what to do. */
export class Stop extends Error {}

/**
 * Runs a command with the terminal of this process and waits for its end.
 *
 * @param {string} command The program
 * @param {string[]} args Its arguments
 * @param {object} [options] Options of `child_process.spawn`
 * @return {Promise<number>} The exit code; 128 when a signal ended it
 */
export function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    // A terminal interrupts the child as well: this process only has to outlive it.
    const wait = () => {};
    const end = () => child.kill('SIGTERM');
    process.on('SIGINT', wait).on('SIGTERM', end);
    const settle = () => process.off('SIGINT', wait).off('SIGTERM', end);
    child.on('error', (error) => {
      settle();
      reject(new Stop(`${command} can't be started: ${error.message}`));
    });
    child.on('close', (code) => {
      settle();
      resolve(code === null ? 128 : code);
    });
  });
}

/**
 * Runs Node with a script of this repository or of one of its packages.
 *
 * @param {string[]} args The arguments of `node`
 * @param {object} [options] Options of `child_process.spawn`
 * @return {Promise<number>} The exit code
 */
export function runNode(args, options) {
  return run(process.execPath, args, options);
}

/**
 * Reads what a command prints on its first line.
 *
 * @param {string} command The program
 * @param {string[]} args Its arguments
 * @return {string | undefined} The line, `undefined` when the program is missing or fails
 */
export function firstLine(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (result.error || result.status !== 0) return undefined;
  return result.stdout.split('\n')[0].trim();
}

/**
 * Runs a command and reads all that it prints.
 *
 * @param {string} command The program
 * @param {string[]} args Its arguments
 * @param {object} [options] Options of `child_process.spawnSync`
 * @return {string} The text
 */
export function capture(command, args, options) {
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...options
  });
  if (error || status !== 0) {
    throw new Stop(`${command} ${args.join(' ')} failed: ${error || stderr}`);
  }
  return stdout;
}

/**
 * Names the command that starts npm: the running npm itself where there is one.
 *
 * @return {string[]} The program and its first arguments
 */
export function npmCommand() {
  const script = process.env.npm_execpath;
  return script && /npm-cli\.[cm]?js$/.test(script) ? [process.execPath, script] : ['npm'];
}

/**
 * Runs the main function of a script; a `Stop`, or a mistake in the arguments, ends it with its
 * message and exit code 1.
 *
 * @param {(args: string[]) => Promise<number | void>} body Takes the arguments, gives the exit code
 */
export async function main(body) {
  try {
    process.exitCode = (await body(process.argv.slice(2))) || 0;
  } catch (error) {
    if (!(error instanceof Stop || /^ERR_PARSE_ARGS_/.test(error?.code))) throw error;
    console.error(`\noxws: ${error.message}`);
    process.exitCode = 1;
  }
}

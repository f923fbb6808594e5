// Bundles the program with each tool, runs it in an empty folder, and prints a table of what
// carried it. Run by `npm test -- bundlers`, in a folder where the tools and the packed package are
// installed. The arguments are the file with the list of tools and that for the table.

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const here = process.cwd();
const [list, table] = process.argv.slice(2);
const { BUNDLES } = await import(pathToFileURL(list).href);
const elsewhere = await mkdtemp(join(tmpdir(), 'oxws-bundles-'));

/**
 * Bundles and runs the program with one tool.
 *
 * @param {import('./tools.mjs').Bundle} bundle The tool
 * @param {number} index Its number
 * @return {Promise<string>} What carried the program, or what went wrong
 */
async function check({ build, run = runNode, skip }, index) {
  if (skip) return `not run: ${skip}`;
  const out = join(here, 'bundles', String(index));
  await mkdir(out, { recursive: true });
  const file = await build(here, out);
  const copy = join(elsewhere, String(index));
  await cp(out, copy, { recursive: true, verbatimSymlinks: true });
  // Some tools write down where a file was.
  const [modules, away] = [join(here, 'node_modules'), join(here, 'away')];
  await rename(modules, away);
  const output = await run(join(copy, relative(out, file)), copy).finally(() =>
    rename(away, modules)
  );
  const { binding, text } = JSON.parse(output);
  return text === 'there and back' ? binding : `lost the message: ${text}`;
}

/** @type {NonNullable<import('./tools.mjs').Bundle['run']>} */
async function runNode(file, cwd) {
  const { NODE_PATH: _, ...env } = process.env;
  const options = { cwd, env, timeout: 20_000 };
  const { stdout } = await promisify(execFile)(process.execPath, [file], options);
  return stdout;
}

/**
 * @param {string} text A text
 * @return {string} Its first line
 */
function firstLine(text) {
  return text.split('\n').find((line) => line.trim() !== '') ?? '';
}

const rows = [];
let failures = 0;
for (const [index, bundle] of BUNDLES.entries()) {
  const result = await check(bundle, index).catch((error) => firstLine(String(error.message)));
  const isExpected = result === bundle.binding || bundle.skip;
  if (!isExpected) failures++;
  console.log(`${isExpected ? 'ok    ' : 'FAILED'} ${bundle.name}, ${bundle.settings}: ${result}`);
  rows.push(`| ${bundle.name} | ${bundle.settings} | ${result} |`);
}
await rm(elsewhere, { recursive: true });
await rm(join(here, 'bundles'), { recursive: true });
if (table !== undefined) {
  const head = ['| Bundler | Settings | `WebSocket.binding` |', '|---|---|---|'];
  await writeFile(table, `${[...head, ...rows].join('\n')}\n`);
}
console.log(`${BUNDLES.length - failures} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

// Bundles the program with each tool, runs it in an empty folder, and prints a table of what
// carried it. Run by `npm test -- bundlers`, in a folder where the tools and the packed package are
// installed.

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { BUNDLES } from './tools.mjs';

const here = import.meta.dirname ?? process.cwd();
const [table] = process.argv.slice(2);
const elsewhere = await mkdtemp(join(tmpdir(), 'oxws-bundles-'));

/**
 * Bundles and runs the program with one tool.
 *
 * @param {import('./tools.mjs').Bundle} bundle The tool
 * @param {number} index Its number
 * @return {Promise<string>} What carried the program, or what went wrong
 */
async function check({ build }, index) {
  const out = join(here, 'bundles', String(index));
  await mkdir(out, { recursive: true });
  const file = await build(here, out);
  const copy = join(elsewhere, String(index));
  await cp(out, copy, { recursive: true });
  const { NODE_PATH: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(copy, relative(out, file))],
    { cwd: copy, env, timeout: 20_000 }
  );
  const { binding, text } = JSON.parse(stdout);
  return text === 'there and back' ? binding : `lost the message: ${text}`;
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
  const isExpected = result === bundle.binding;
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

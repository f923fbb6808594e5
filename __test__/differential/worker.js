// @ts-check
'use strict';

// A process that runs programs: `node worker.js ws|ws-tick|ws-turn|ws-long|oxws`. Takes a line of
// JSON for each from stdin, and writes one with the trace to descriptor 3. Whoever asks decides how
// many run at a time.

const fs = require('node:fs');
const { createInterface } = require('node:readline');

const generate = require('./generate');
const holdWrites = require('./hold-writes');
const { removeFolder, Run } = require('./interpret');

const [name, when] = process.argv[2].split('-');
const isReference = name === 'ws';
const implementation = isReference ? require('../support/reference').ws : require('../..');
if (when) holdWrites(implementation, when);

process.on('exit', removeFolder);

/** Runs one program and reports its trace. */
async function serve({ id, seed, over, program = generate(seed, over), quietMs = 0 }) {
  const run = new Run(implementation, program, { isReference, quietMs });
  let answer;
  try {
    answer = { id, trace: await run.perform() };
  } catch (error) {
    answer = { id, failure: /** @type {Error} */ (error).stack };
  }
  fs.writeSync(3, `${JSON.stringify(answer)}\n`);
}

createInterface({ input: process.stdin }).on('line', (line) => serve(JSON.parse(line)));
process.stdin.on('end', () => process.exit());

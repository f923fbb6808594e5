// `npm test -- autobahn [server|client|both] [--cases '1.*,10.*']`: runs the Autobahn testsuite against
// oxws in one role or both, and passes only with no failed and no non-strict case.
//
// The testsuite is kept outside of this repository: in `../shared/autobahn`, or in the folder that
// OXWS_AUTOBAHN names, with a `run.sh` that runs it, an `echo-server.mjs` and a `testee-client.mjs`.
// With --target FOLDER the package in that folder is tested in place of oxws.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../../__test__/support/ports.js';
import { root, run, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

/** Framing, UTF-8, closing, limits: all but compression (12 and 13), which takes far longer. */
const DEFAULT_CASES = '1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*';

const suite = resolve(root, process.env.OXWS_AUTOBAHN || '../shared/autobahn');

/** Behaviours that are no fault: some cases only look what a peer does. */
const GOOD = new Set(['OK', 'INFORMATIONAL']);

/**
 * Fuzzes an echo server.
 *
 * @param {number} port The port to use
 * @param {string} target The folder of the package
 * @param {Record<string, string>} env The environment of the testsuite
 * @return {Promise<number>} The exit code of the testsuite
 */
async function runServer(port, target, env) {
  const args = [join(suite, 'echo-server.mjs'), String(port), target];
  const server = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit']
  });
  try {
    return await run(join(suite, 'run.sh'), ['server', String(port)], { env });
  } finally {
    server.kill();
  }
}

/**
 * Fuzzes a client that echoes.
 *
 * @param {number} port The port to use
 * @param {string} target The folder of the package
 * @param {Record<string, string>} env The environment of the testsuite
 * @return {Promise<number>} The exit code of the testsuite
 */
function runClient(port, target, env) {
  const client = [
    process.execPath,
    join(suite, 'testee-client.mjs'),
    String(port),
    'client',
    target
  ];
  return run(join(suite, 'run.sh'), ['client', String(port), '--', ...client], { env });
}

/**
 * Reads the reports and lists the cases in which the peer did not behave strictly as it should.
 *
 * @param {string} folder The folder with the reports
 * @return {{ total: number, faults: string[] }} The number of cases, and a line for each fault
 */
function readReports(folder) {
  const index = join(folder, 'index.json');
  const agents = existsSync(index) ? Object.values(JSON.parse(readFileSync(index, 'utf8'))) : [];
  const cases = agents.flatMap((results) => Object.entries(results));
  const faults = cases
    .filter(([, { behavior, behaviorClose }]) => !GOOD.has(behavior) || !GOOD.has(behaviorClose))
    .map(([id, { behavior, behaviorClose }]) => `  ${id}: ${behavior}, close ${behaviorClose}`);
  return { total: cases.length, faults };
}

/**
 * Runs the testsuite against one role.
 *
 * @param {'server' | 'client'} role Which end oxws is
 * @param {string} cases Patterns of cases, with commas between them
 * @param {string} target The folder of the package
 * @return {Promise<boolean>} Whether it passed
 */
async function runRole(role, cases, target) {
  console.log(`cases ${cases}`);
  const folder = join(root, `autobahn-report-${role}`);
  rmSync(folder, { recursive: true, force: true });
  const env = { ...process.env, AGENT: role, CASES: cases, OUT: folder };
  const code = await (role === 'server' ? runServer : runClient)(await freePort(), target, env);
  const { total, faults } = readReports(folder);
  const passed = code === 0 && total > 0 && faults.length === 0;
  if (faults.length > 0) console.log(`not strictly as it should be:\n${faults.join('\n')}`);
  console.log(
    `${role}: ${total - faults.length} passed, ${faults.length} failed (exit code ${code})`
  );
  return passed;
}

/**
 * @param {string[]} args The arguments
 * @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite
 */
export default async function autobahn(args) {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { cases: { type: 'string', default: DEFAULT_CASES }, target: { type: 'string' } }
  });
  const [role = 'both'] = positionals;
  if (!['server', 'client', 'both'].includes(role)) {
    throw new Stop("usage: npm test -- autobahn [server|client|both] [--cases '1.*,10.*']");
  }
  if (!existsSync(join(suite, 'run.sh'))) {
    throw new Stop(
      `the Autobahn testsuite is not there: ${join(suite, 'run.sh')}\n` +
        '  OXWS_AUTOBAHN=FOLDER says where it is.'
    );
  }
  const target = values.target ? resolve(process.env.INIT_CWD || '.', values.target) : root;
  await prepare({ addon: target === root });

  const steps = (role === 'both' ? ['server', 'client'] : [role]).map((one) => [
    `Autobahn, as the ${one}`,
    async () => ((await runRole(one, values.cases, target)) ? 0 : 1)
  ]);
  return Object.fromEntries(steps);
}

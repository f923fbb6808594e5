// `npm test -- autobahn [server|client|both] [--cases '1.*,10.*'] [--tls]`: runs the Autobahn
// testsuite against oxws in one role or both, and passes only with no failed and no non-strict
// case. With --tls oxws is reached over TLS, through a tunnel.
//
// The testsuite isn't part of this repository. OXWS_AUTOBAHN names a folder with a `run.sh` that
// runs it, `../shared/autobahn` when not set, or says `docker`: then its image is used. With
// --target FOLDER the package in that folder is tested in place of oxws.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort, isReachable } from '../../__test__/support/ports.js';
import until from '../../__test__/support/until.js';
import { root, run, runNode, Stop } from '../support/command.mjs';
import { prepare } from '../support/prepare.mjs';

/** Framing, UTF-8, closing, limits: all but compression (12 and 13), which takes far longer. */
const DEFAULT_CASES = '1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*';

const IMAGE = 'crossbario/autobahn-testsuite:25.10.1';

const place = process.env.OXWS_AUTOBAHN || '../shared/autobahn';
const script = join(resolve(root, place), 'run.sh');
const peers = join(root, '__test__', 'autobahn');

/** Behaviours that are no fault: some cases only look what a peer does. */
const GOOD = new Set(['OK', 'INFORMATIONAL']);

/**
 * What a run needs to know.
 *
 * @typedef {object} Plan
 * @property {'server' | 'client'} role Which end oxws is
 * @property {string} cases Patterns of cases, with commas between them
 * @property {string} target The folder of the package
 * @property {string} folder Where the reports go
 * @property {number} port The port to use
 * @property {string[]} over `['tls']` if oxws is to be reached over TLS
 */

/**
 * Runs the testsuite by its script.
 *
 * @param {Plan} plan What to run
 * @return {Promise<number>} The exit code
 */
async function runScript({ role, cases, target, folder, port, over }) {
  const env = { ...process.env, AGENT: role, CASES: cases, OUT: folder };
  if (role === 'client') {
    const client = [join(peers, 'client.mjs'), String(port), role, target, ...over];
    return run(script, [role, String(port), '--', process.execPath, ...client], { env });
  }
  return withServer({ port, target, over }, () => run(script, [role, String(port)], { env }));
}

/**
 * Runs the testsuite in a container.
 *
 * @param {Plan} plan What to run
 * @return {Promise<number>} The exit code
 */
async function runContainer({ role, cases, target, folder, port, over }) {
  const url = `ws://127.0.0.1:${port}`;
  const spec = {
    url,
    outdir: '/reports',
    cases: cases.split(','),
    'exclude-cases': [],
    servers: [{ url, agent: role }]
  };
  if ((await run('docker', ['pull', '--quiet', IMAGE])) !== 0) throw new Stop(`no image ${IMAGE}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'spec.json'), JSON.stringify(spec));
  const name = `oxws-autobahn-${process.pid}`;
  const mode = role === 'server' ? 'fuzzingclient' : 'fuzzingserver';
  const args = [
    'run',
    '--rm',
    '--name',
    name,
    '--network',
    'host',
    '--volume',
    `${folder}:/reports`
  ];
  const command = [...args, IMAGE, 'wstest', '-m', mode, '-u', '0', '-s', '/reports/spec.json'];
  if (role === 'server') return withServer({ port, target, over }, () => run('docker', command));

  const ended = run('docker', command);
  try {
    await until(() => isReachable(port), 'the testsuite to listen');
    return await runNode([join(peers, 'client.mjs'), String(port), role, target, ...over]);
  } finally {
    await run('docker', ['stop', name], { stdio: 'ignore' });
    await ended;
  }
}

/**
 * Does something while an echo server runs.
 *
 * @param {Pick<Plan, 'port' | 'target' | 'over'>} plan What it needs to know
 * @param {() => Promise<number>} body What to do
 * @return {Promise<number>} What that gives
 */
async function withServer({ port, target, over }, body) {
  const args = [join(peers, 'server.mjs'), String(port), target, ...over];
  const server = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit']
  });
  try {
    await until(() => isReachable(port), 'the server to listen');
    return await body();
  } finally {
    server.kill();
  }
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
 * @param {Pick<Plan, 'target' | 'over'>} rest The rest of the plan
 * @return {Promise<boolean>} Whether it passed
 */
async function runRole(role, cases, rest) {
  console.log(`cases ${cases}`);
  const folder = join(root, `autobahn-report-${role}`);
  rmSync(folder, { recursive: true, force: true });
  const plan = { role, cases, folder, port: await freePort(), ...rest };
  const code = await (place === 'docker' ? runContainer : runScript)(plan);
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
    options: {
      cases: { type: 'string', default: DEFAULT_CASES },
      target: { type: 'string' },
      tls: { type: 'boolean', default: false }
    }
  });
  const [role = 'both'] = positionals;
  if (!['server', 'client', 'both'].includes(role)) {
    throw new Stop("usage: npm test -- autobahn [server|client|both] [--cases '1.*,10.*'] [--tls]");
  }
  if (place !== 'docker' && !existsSync(script)) {
    throw new Stop(
      `the Autobahn testsuite is not there: ${script}\n` +
        '  OXWS_AUTOBAHN=FOLDER says where it is, OXWS_AUTOBAHN=docker uses a container.'
    );
  }
  const target = values.target ? resolve(process.env.INIT_CWD || '.', values.target) : root;
  await prepare({ addon: target === root });

  const rest = { target, over: values.tls ? ['tls'] : [] };
  const steps = (role === 'both' ? ['server', 'client'] : [role]).map((one) => [
    `Autobahn, as the ${one}`,
    async () => ((await runRole(one, values.cases, rest)) ? 0 : 1)
  ]);
  return Object.fromEntries(steps);
}

// Writes doc/compatibility.md.

import { WS_VERSION } from './install.mjs';
import { COMMANDS, PROGRAMS } from './programs.mjs';

/** What stands before the table. `%NAME%` is filled in. */
const INTRODUCTION = `# Compatibility

Programs that use ws, unmodified, once on ws %WS% and once on oxws. This page is written by

\`\`\`sh
npm test -- ecosystem
\`\`\`

which installs each program twice in \`.cache/ecosystem\`, with \`overrides\` that give every package
that asks for ws, in whatever version, either ws %WS% or this checkout, and runs the same script from
[\`__test__/ecosystem\`](../__test__/ecosystem) in both. A script writes down what happens: events with
their data, close codes, errors and their messages, what a program prints. The result on oxws is "same"
if all of that is equal, the process ended by itself with exit code 0, it left no process behind,
and oxws was loaded, ws nowhere. Each script is run on oxws three times: as it comes, with
\`OXWS_TRANSPORT=stream\` and with \`OXWS_DRIVER=tokio\`.

What isn't compared: the order of events of two parties that don't wait for each other, times, ports,
the bytes of compressed messages.

\`npm test -- ecosystem mqtt wscat\` runs some of them and leaves this page alone, \`--verbose\`
prints what happens, \`--quick\` is the part that \`.ci/run\` includes. The npm registry is needed for
the first run. The versions, all of which run on Node.js 20, are in
[\`programs.mjs\`](../__test__/ecosystem/programs.mjs).

Last run: %MACHINE%.
`;

/**
 * Describes the result on oxws.
 *
 * @param {import('./run.mjs').Result} result The result
 * @return {string} The text of the cell
 */
function verdict({ events, skipped, ws, wrong }) {
  if (skipped || ws) return 'not run';
  const faults = Object.entries(wrong);
  if (faults.length === 0) return `same, ${events} events`;
  return faults.map(([way, problem]) => `${way}: ${problem}`).join('; ');
}

/**
 * Makes a text fit for a cell.
 *
 * @param {string} text The text
 * @return {string} One line without the delimiter
 */
function cell(text) {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').trim();
}

/**
 * Writes the page.
 *
 * @param {import('./run.mjs').Result[]} results The results of all programs
 * @return {string} Its text
 */
export function table(results) {
  const versions = new Map(
    results.filter(({ needs }) => needs).map(({ needs }) => [needs.name, needs.version])
  );
  const software = Object.keys(COMMANDS).map(
    (name) => `${name} ${versions.get(name) ?? 'missing'}`
  );
  const machine = [
    `${process.platform} ${process.arch}`,
    `Node.js ${process.version}`,
    ...software
  ];
  const lines = results.map((result) => {
    const { does, packages, remark } = PROGRAMS[result.name];
    const programs = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
    const { needs, skipped, ws } = result;
    if (needs) programs.push(`${needs.name} ${needs.version ?? ''}`);
    const onWs = skipped ? `not run: ${skipped}` : ws ? `fails: ${ws}` : 'runs';
    const cells = [programs.join(', '), does, onWs, verdict(result), remark ?? ''];
    return `| ${cells.map(cell).join(' | ')} |`;
  });
  return [
    INTRODUCTION.replaceAll('%WS%', WS_VERSION).replace('%MACHINE%', machine.join(', ')),
    `| Program | What the test does | ws ${WS_VERSION} | oxws | Remark |`,
    '|---|---|---|---|---|',
    ...lines,
    ''
  ].join('\n');
}

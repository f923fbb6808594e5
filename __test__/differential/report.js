// @ts-check
'use strict';

// What is printed, and written to a file, about a difference.

/**
 * Describes a difference.
 *
 * @param {string} mode The mode
 * @param {string} kind The kind of difference
 * @param {string} title Where the program came from
 * @param {any} program The program, as small as it could be made
 * @param {import('./confirm').Verdict} verdict What differs
 * @return {string} A text in Markdown
 */
function describeFinding(mode, kind, title, program, verdict) {
  const lines = [
    `# ${mode}: ${kind}`,
    '',
    `From ${title}; oxws differs in ${verdict.times} of its runs.`,
    '',
    '```json',
    format(program),
    '```',
    ''
  ];
  for (const { lane, index, expected, actual } of verdict.found) {
    lines.push(`- \`${lane}\`, line ${index}: ws \`${expected}\`, oxws \`${actual}\``);
  }
  for (const [name, answer] of [
    ['ws', verdict.expected],
    ['oxws', verdict.actual]
  ]) {
    lines.push('', `## ${name}`, '```');
    if (answer.failure) lines.push(answer.failure);
    for (const [lane, entries] of Object.entries(answer.trace ?? {})) {
      lines.push(`${lane}:`, ...entries.map((entry) => `    ${entry}`));
    }
    lines.push('```');
  }
  return `${lines.join('\n')}\n`;
}

/** Formats a program: one line for each part that is a list. */
function format(program) {
  const parts = Object.entries(program).map(([name, value]) => {
    if (!Array.isArray(value)) return `  "${name}": ${JSON.stringify(value)}`;
    const items = value.map((item) => `    ${JSON.stringify(item)}`);
    return `  "${name}": [\n${items.join(',\n')}\n  ]`;
  });
  return `{\n${parts.join(',\n')}\n}`;
}

module.exports = { describeFinding, format };

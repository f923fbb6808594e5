// Runs what the suites consist of.

/** @typedef {Record<string, () => Promise<number>>} Steps What gives an exit code, by title */

/**
 * Runs steps one after the other and says how each ended.
 *
 * @param {Steps} steps The steps
 * @return {Promise<number>} 0 when all have passed, else 1
 */
export async function runSteps(steps) {
  const lines = [];
  let failed = false;
  for (const [title, step] of Object.entries(steps)) {
    console.log(`\n--- ${title}`);
    const start = performance.now();
    const passed = (await step()) === 0;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    lines.push(`${passed ? 'passed' : 'FAILED'}  ${title} (${seconds} s)`);
    failed ||= !passed;
  }
  console.log(`\n${lines.join('\n')}`);
  return failed ? 1 : 0;
}

// A reporter for `node --test`: the test files of which a test has failed, one a line.

/**
 * @param {AsyncIterable<{ type: string, data: { file?: string } }>} events What the runner reports
 * @yields {string} A line
 */
export default async function* failedFiles(events) {
  const seen = new Set();
  for await (const { type, data } of events) {
    if (type !== 'test:fail' || !data.file || seen.has(data.file)) continue;
    seen.add(data.file);
    yield `${data.file}\n`;
  }
}

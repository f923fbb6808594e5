// `npm test [-- SUITE ...]`: builds what is needed and runs suites of tests: without names those
// that ask for nothing but Node and Rust. What stands after a suite that takes arguments is its
// own.

import { main, Stop } from './support/command.mjs';
import { runSteps } from './support/steps.mjs';

/** The suites, each a file of `suites/`, and whether it takes arguments. */
const SUITES = {
  rust: false,
  protocol: false,
  js: false,
  models: false,
  types: false,
  imports: false,
  nodes: true,
  package: false,
  bundlers: true,
  managers: true,
  runtimes: true,
  target: true,
  asan: false,
  reproducible: false,
  ws: true,
  ecosystem: true,
  autobahn: true,
  interop: true,
  differential: true,
  chaos: true
};

/** The models compile everything once more, the protocol alone is a part of all features. */
const DEFAULT_SUITES = ['imports', 'rust', 'js', 'types'];

/**
 * Tells suites and their arguments apart.
 *
 * @param {string[]} words The command line
 * @return {[string, string[]][]} Suites, and the arguments of each
 */
function readArguments(words) {
  const suites = [];
  for (const [index, name] of words.entries()) {
    if (!Object.hasOwn(SUITES, name)) {
      throw new Stop(`no suite "${name}"; there are: ${Object.keys(SUITES).join(', ')}`);
    }
    if (SUITES[name]) return [...suites, [name, words.slice(index + 1)]];
    suites.push([name, []]);
  }
  return suites;
}

main(async (words) => {
  const steps = {};
  for (const [name, args] of readArguments(words.length > 0 ? words : DEFAULT_SUITES)) {
    const { default: suite } = await import(`./suites/${name}.mjs`);
    Object.assign(steps, await suite(args));
  }
  return runSteps(steps);
});

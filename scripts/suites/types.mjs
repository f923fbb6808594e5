// `npm test -- types`: programs written for ws and `@types/ws` compiled against our types.

import { runNode } from '../support/command.mjs';
import { requireDependencies } from '../support/dependencies.mjs';

/** The configurations that the type tests are compiled under, by name. */
const TYPE_CONFIGURATIONS = [
  'lib',
  'binding',
  'reference',
  'node16',
  'programs-cjs',
  'programs-esm',
  'bundler',
  'node10'
];

/** @return {Promise<import('../support/steps.mjs').Steps>} The steps of the suite */
export default async function types() {
  await requireDependencies();
  const compiler = 'node_modules/typescript/bin/tsc';
  return Object.fromEntries(
    TYPE_CONFIGURATIONS.map((name) => [
      `type tests, ${name}`,
      () => runNode([compiler, '-p', `__test__/types/${name}.json`])
    ])
  );
}

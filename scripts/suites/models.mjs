// `npm test -- models`: what threads of the engine share, in thousands of the orders in which their
// steps can come. The models are unit tests of the engine, compiled with primitives that try orders
// of steps.

import { run } from '../support/command.mjs';
import { requireRust } from '../support/toolchain.mjs';

const ARGUMENTS = ['--no-default-features', '--features', 'engine', '--lib', 'model'];

/** @return {import('../support/steps.mjs').Steps} The steps of the suite */
export default function models() {
  requireRust();
  const env = { ...process.env, RUSTFLAGS: '--cfg shuttle', CARGO_TARGET_DIR: 'target/shuttle' };
  return {
    'cargo test, models of what threads share': () =>
      run('cargo', ['test', '--quiet', ...ARGUMENTS], { env })
  };
}

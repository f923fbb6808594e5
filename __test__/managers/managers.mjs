// The package managers, and what each calls what they all have.

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname ?? process.cwd();
const [major, minor] = process.versions.node.split('.').map(Number);

/** The platform on which others have made the lock file: not the one that this runs on. */
export const OTHER = { os: 'win32', cpu: 'arm64' };

/**
 * @typedef {object} Manager
 * @property {string[]} command The program
 * @property {string[]} [args] What `install` is given always
 * @property {string} recipe How the README calls it
 * @property {string} [file] Where the recipe goes, if not into `package.json`
 * @property {string[]} [run] What runs a program with what is installed, if not Node.js itself
 * @property {NodeJS.ProcessEnv} [env] Settings of it
 * @property {string[]} [noScripts] Installs without scripts; it has no such option if not given
 * @property {string[]} [noOptional] Installs without optional dependencies; the same
 * @property {string} lock Its lock file
 * @property {string[]} [frozen] Installs what the lock file says
 * @property {(other: typeof OTHER, project: any) => Promise<void>} lockFor Makes a lock file as on
 *   another platform
 * @property {string | false} [skip] Why it can't run here
 */

/** The program of a manager that is written in JavaScript. */
function script(...path) {
  return [process.execPath, join(here, 'node_modules', ...path)];
}

/** The program of Bun, which is in a package for its platform. */
function bun() {
  const folder = join(here, 'node_modules', '@oven', `bun-${process.platform}-${process.arch}`);
  const program = join(folder, 'bin', process.platform === 'win32' ? 'bun.exe' : 'bun');
  return existsSync(program) ? [program] : undefined;
}

/**
 * @param {...string} args What `install` is given besides the platform
 * @return {Manager['lockFor']} Makes the lock file by installing for the other platform, and
 *   deletes what is installed
 */
function installFor(...args) {
  return async ({ cpu, os }, project) => {
    await project.install([`--os=${os}`, `--cpu=${cpu}`, ...args]);
    rmSync(join(project.folder, 'node_modules'), { force: true, recursive: true });
  };
}

const pnpm = {
  file: 'pnpm-workspace.yaml',
  frozen: ['--frozen-lockfile'],
  lock: 'pnpm-lock.yaml',
  noOptional: ['--no-optional'],
  noScripts: ['--ignore-scripts'],
  recipe: 'pnpm',
  async lockFor({ cpu, os }, project) {
    const platform = `supportedArchitectures: { os: [${os}], cpu: [${cpu}] }\n`;
    project.write('pnpm-workspace.yaml', platform);
    await project.install();
    rmSync(join(project.folder, 'node_modules'), { force: true, recursive: true });
    rmSync(join(project.folder, 'pnpm-workspace.yaml'));
  }
};
const yarn = {
  command: script('yarn', 'bin', 'yarn.js'),
  frozen: ['--immutable'],
  lock: 'yarn.lock',
  noScripts: ['--mode=skip-build'],
  recipe: 'Yarn',
  async lockFor({ cpu, os }, project) {
    project.write('.yarnrc.yml', `supportedArchitectures: { os: [${os}], cpu: [${cpu}] }\n`);
    await project.install();
    rmSync(join(project.folder, 'node_modules'), { force: true, recursive: true });
    rmSync(join(project.folder, '.yarnrc.yml'));
  }
};

/** @type {Record<string, Manager>} */
export const MANAGERS = {
  npm: {
    command: ['npm'],
    args: ['--no-audit', '--no-fund', '--install-links'],
    lock: 'package-lock.json',
    lockFor: installFor(),
    noOptional: ['--omit=optional'],
    noScripts: ['--ignore-scripts'],
    recipe: 'npm'
  },
  'pnpm 10': { ...pnpm, command: script('pnpm-10', 'bin', 'pnpm.cjs') },
  'pnpm 11': {
    ...pnpm,
    command: script('pnpm-11', 'bin', 'pnpm.mjs'),
    skip: (major < 22 || (major === 22 && minor < 13)) && 'needs Node.js 22.13'
  },
  'pnpm 12': { ...pnpm, command: script('pnpm-12', 'bin', 'pnpm.mjs') },
  'Yarn 1': {
    command: script('yarn-1', 'bin', 'yarn.js'),
    args: ['--no-progress', '--non-interactive'],
    frozen: ['--frozen-lockfile'],
    lock: 'yarn.lock',
    async lockFor(_, project) {
      // It knows no other platform than its own; its lock file names all that there are.
      await project.install();
      rmSync(join(project.folder, 'node_modules'), { recursive: true });
    },
    noOptional: ['--ignore-optional'],
    noScripts: ['--ignore-scripts'],
    recipe: 'Yarn'
  },
  "Yarn 4, Plug'n'Play": {
    ...yarn,
    env: { YARN_NODE_LINKER: 'pnp' },
    run: [...yarn.command, 'node']
  },
  'Yarn 4, node_modules': { ...yarn, env: { YARN_NODE_LINKER: 'node-modules' } },
  Bun: {
    command: bun(),
    frozen: ['--frozen-lockfile'],
    lock: 'bun.lock',
    lockFor: installFor(),
    noOptional: ['--omit=optional'],
    noScripts: ['--ignore-scripts'],
    recipe: 'npm',
    skip: bun() === undefined && 'there is no Bun for this'
  }
};

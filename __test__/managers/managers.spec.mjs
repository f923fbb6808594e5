// A package that depends on ws gets oxws, by what the README says for each package manager. Run by
// `npm test -- managers`, in a folder where the managers are installed and oxws is packed.

import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..');
const { startRegistry } = createRequire(import.meta.url)(
  join(root, '__test__', 'support', 'registry.js')
);
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [major, minor] = process.versions.node.split('.').map(Number);

/**
 * Finds what the README says for a manager: the lines after the comment that begins with its name.
 *
 * @param {string} name The manager
 * @return {string} The recipe
 */
function recipe(name) {
  const lines = readme.split('\n');
  const first = lines.findIndex((line) => line.startsWith(`// ${name}`)) + 1;
  assert.ok(first > 0, `no recipe for ${name} in the README`);
  const end = lines.findIndex((line, i) => i >= first && /^(?:```|\/\/)/.test(line));
  return lines.slice(first, end).join('\n');
}

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

const pnpm = { file: 'pnpm-workspace.yaml', recipe: 'pnpm', run: [process.execPath] };
const yarn = { command: script('yarn', 'bin', 'yarn.js'), recipe: 'Yarn' };
const MANAGERS = {
  npm: {
    command: ['npm'],
    args: ['--no-audit', '--no-fund', '--install-links'],
    recipe: 'npm'
  },
  'pnpm 10': { ...pnpm, command: script('pnpm-10', 'bin', 'pnpm.cjs') },
  'pnpm 11': {
    ...pnpm,
    command: script('pnpm-11', 'bin', 'pnpm.mjs'),
    skip: (major < 22 || (major === 22 && minor < 13)) && 'needs Node.js 22.13'
  },
  'pnpm 12': { ...pnpm, command: script('pnpm-12', 'bin', 'pnpm.mjs') },
  "Yarn 4, Plug'n'Play": {
    ...yarn,
    env: { YARN_NODE_LINKER: 'pnp' },
    run: [...yarn.command, 'node']
  },
  'Yarn 4, node_modules': { ...yarn, env: { YARN_NODE_LINKER: 'node-modules' } },
  Bun: { command: bun(), recipe: 'npm', skip: bun() === undefined && 'there is no Bun for this' }
};

const MAIN = `
const WebSocket = require('dependent');
const wss = new WebSocket.WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
  const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
  ws.on('message', (data) => {
    console.log(String(data), WebSocket.binding);
    ws.close();
    wss.close();
  });
});
wss.on('connection', (ws) => ws.send('there'));
`;

/** Runs a program to its end, and gives what it prints. */
async function execute([program, ...args], cwd, env) {
  const child = spawn(program, args, { cwd, env, timeout: 60_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.strictEqual(code, 0, output);
  return output;
}

describe('The recipes of the README', { skip: process.platform === 'win32' }, () => {
  let registry;
  before(async () => {
    registry = await startRegistry(join(here, 'packed'));
  });
  after(() => registry.close());

  for (const [name, manager] of Object.entries(MANAGERS)) {
    it(`give oxws to a package that depends on ws, ${name}`, { skip: manager.skip }, async (t) => {
      const project = mkdtempSync(join(tmpdir(), 'oxws-managers-'));
      t.after(() => rmSync(project, { force: true, recursive: true, maxRetries: 3 }));
      const write = (file, text) => writeFileSync(join(project, file), text);
      mkdirSync(join(project, 'dependent'));
      write(
        'dependent/package.json',
        '{ "name": "dependent", "version": "1.0.0", "dependencies": { "ws": "^8.0.0" } }'
      );
      write('dependent/index.js', "module.exports = require('ws');");
      const text = recipe(manager.recipe);
      const settings = manager.file ? {} : JSON.parse(text);
      if (manager.file) write(manager.file, text);
      const dependencies = { dependent: 'file:./dependent' };
      write('package.json', JSON.stringify({ private: true, dependencies, ...settings }));
      write('main.cjs', MAIN);
      write('.npmrc', `registry=${registry.url}/\n`);
      write('bunfig.toml', `[install]\nregistry = "${registry.url}/"\n`);
      if (manager.recipe === 'Yarn') write('yarn.lock', '');

      const kept = Object.entries(process.env).filter(
        ([each]) => !/^(?:npm_|CI$|NODE_)/i.test(each)
      );
      const env = {
        ...Object.fromEntries(kept),
        BUN_INSTALL_CACHE_DIR: join(project, '.bun'),
        HOME: project,
        XDG_CACHE_HOME: join(project, '.cache'),
        XDG_DATA_HOME: join(project, '.data'),
        XDG_STATE_HOME: join(project, '.state'),
        YARN_ENABLE_GLOBAL_CACHE: 'false',
        YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
        YARN_NPM_REGISTRY_SERVER: registry.url,
        YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
        ...manager.env
      };
      await execute([...manager.command, 'install', ...(manager.args ?? [])], project, env);
      const run = manager.run ?? [process.execPath];
      assert.match(await execute([...run, 'main.cjs'], project, env), /^there native$/m);
    });
  }
});

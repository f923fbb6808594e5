// Package managers install oxws in the place of ws, in each of the ways that people have: by what
// the README says, and with what goes wrong elsewhere. Run by `npm test -- managers`, in a folder
// where the managers are installed and oxws is packed. The variable ROOT names the repository,
// TABLE the file for the table of what came of it.

import assert from 'node:assert';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MANAGERS, OTHER } from './managers.mjs';

const here = import.meta.dirname ?? process.cwd();
const root = process.env.ROOT;
const { startRegistry } = createRequire(import.meta.url)(
  join(root, '__test__', 'support', 'registry.js')
);
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The dependency that gives the name to oxws. */
const ALIAS = 'npm:oxws@8.23.0';

/** Sends a message to and fro, and says what carried it. */
const MAIN = `
const name = process.argv[2];
const WebSocket = require(name);
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

/** The columns of the table. */
const COLUMNS = {
  recipe: 'recipe of the README',
  alias: '`ws@npm:oxws`',
  peer: 'next to `peer ws@^8`',
  scripts: '`--ignore-scripts`',
  optional: 'optional left out',
  lock: 'lock of another platform',
  copied: 'copied folder',
  deleted: 'binary deleted'
};

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

/**
 * Runs a program to its end.
 *
 * @param {string[]} command The program and its arguments
 * @param {string} cwd Where
 * @param {NodeJS.ProcessEnv} env The environment
 * @return {Promise<string>} What it prints
 */
async function execute([program, ...args], cwd, env) {
  const child = spawn(program, args, { cwd, env, timeout: 90_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.strictEqual(code, 0, `${args.join(' ')}: ${output}`);
  return output;
}

/** A project that installs with one of the managers, from the registry on loopback. */
class Project {
  /**
   * @param {import('./managers.mjs').Manager} manager The manager
   * @param {string} url The registry
   */
  constructor(manager, url) {
    this.manager = manager;
    this.folder = mkdtempSync(join(tmpdir(), 'oxws-managers-'));
    const { folder } = this;
    const kept = Object.entries(process.env).filter(
      ([each]) => !/^(?:npm_|CI$|NODE_|OXWS_)/i.test(each)
    );
    this.env = {
      ...Object.fromEntries(kept),
      BUN_INSTALL_CACHE_DIR: join(folder, '.bun'),
      HOME: folder,
      XDG_CACHE_HOME: join(folder, '.cache'),
      XDG_DATA_HOME: join(folder, '.data'),
      XDG_STATE_HOME: join(folder, '.state'),
      YARN_CACHE_FOLDER: join(folder, '.yarn-cache'),
      YARN_ENABLE_GLOBAL_CACHE: 'false',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_NPM_REGISTRY_SERVER: url,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      ...manager.env
    };
    this.write('main.cjs', MAIN);
    this.write('.npmrc', `registry=${url}/\n`);
    this.write('.yarnrc', `registry "${url}"\n`);
    this.write('bunfig.toml', `[install]\nregistry = "${url}/"\n`);
    if (manager.recipe === 'Yarn') this.write('yarn.lock', '');
  }

  /**
   * @param {string} file A path in the project
   * @param {string} text What it is to have
   */
  write(file, text) {
    writeFileSync(join(this.folder, file), text);
  }

  /**
   * Adds a package that gives what its `ws` is.
   *
   * @param {string} name Its name
   * @param {'dependencies' | 'peerDependencies'} kind How it wants ws
   */
  addUser(name, kind) {
    mkdirSync(join(this.folder, name));
    const manifest = { name, version: '1.0.0', [kind]: { ws: '^8.0.0' } };
    this.write(`${name}/package.json`, JSON.stringify(manifest));
    this.write(`${name}/index.js`, "module.exports = require('ws');");
  }

  /**
   * @param {object} manifest What `package.json` says
   */
  describe(manifest) {
    this.write('package.json', JSON.stringify({ private: true, ...manifest }));
  }

  /** Gives oxws to packages that depend on ws, as the README says. */
  useRecipe() {
    this.addUser('dependent', 'dependencies');
    const { file, recipe: name } = this.manager;
    const text = recipe(name);
    if (file) this.write(file, text);
    const dependencies = { dependent: 'file:./dependent' };
    this.describe({ dependencies, ...(file ? {} : JSON.parse(text)) });
  }

  /**
   * Installs what `package.json` says.
   *
   * @param {string[]} [args] Further arguments
   */
  async install(args = []) {
    const { args: always = [], command } = this.manager;
    await execute([...command, 'install', ...always, ...args], this.folder, this.env);
  }

  /**
   * Runs the program.
   *
   * @param {string} name What it requires
   * @param {string} [folder] Where
   * @return {Promise<string>} What carried its connections
   */
  async run(name, folder = this.folder) {
    const command = this.manager.run ?? [process.execPath];
    const output = await execute([...command, 'main.cjs', name], folder, this.env);
    const [, binding] = /^there (\w+)$/m.exec(output) ?? [];
    const warnings = output.match(/OXWS_FALLBACK\] OxwsWarning/g)?.length ?? 0;
    assert.strictEqual(warnings, binding === 'wasm' ? 1 : 0, output);
    return binding;
  }

  /** Deletes all binaries of the project. */
  deleteBinaries() {
    const files = readdirSync(this.folder, { recursive: true });
    const binaries = files.filter((name) => name.endsWith('.node'));
    assert.ok(binaries.length > 0, 'there is no binary');
    for (const name of binaries) rmSync(join(this.folder, name), { force: true });
  }

  /** Deletes it. */
  remove() {
    rmSync(this.folder, { force: true, recursive: true, maxRetries: 3 });
  }
}

describe('oxws in the place of ws', { skip: process.platform === 'win32' }, () => {
  let registry;
  /** @type {Map<string, Record<string, string>>} What came of it, by manager and column. */
  const results = new Map();
  before(async () => {
    registry = await startRegistry(join(here, 'packed'));
  });
  after(() => {
    registry.close();
    if (process.env.TABLE) writeFileSync(process.env.TABLE, table());
  });

  /** @return {string} The table. */
  function table() {
    const columns = Object.values(COLUMNS);
    const rows = Array.from(results, ([name, row]) => [
      name,
      ...Object.keys(COLUMNS).map((column) => row[column] ?? 'fails')
    ]);
    return [['Manager', ...columns], ['', ...columns].map(() => '---'), ...rows]
      .map((cells) => `| ${cells.join(' | ')} |\n`)
      .join('');
  }

  for (const [name, manager] of Object.entries(MANAGERS)) {
    const row = {};
    const options = { skip: manager.skip };
    const note = (column, found, expected) => {
      row[column] = found;
      assert.strictEqual(found, expected);
    };
    const project = (t) => {
      const made = new Project(manager, registry.url);
      t.after(() => made.remove());
      return made;
    };

    describe(name, options, () => {
      before(() => results.set(name, row));

      it('installs it by the recipe, to run without its binary, too', async (t) => {
        const made = project(t);
        made.useRecipe();
        await made.install();
        note('recipe', await made.run('dependent'), 'native');

        made.deleteBinaries();
        note('deleted', await made.run('dependent'), 'wasm');
      });

      it('installs it under the name, next to one with a peer, to be copied', async (t) => {
        const made = project(t);
        made.addUser('peered', 'peerDependencies');
        made.describe({ dependencies: { ws: ALIAS, peered: 'file:./peered' } });
        await made.install();
        note('alias', await made.run('ws'), 'native');
        note('peer', await made.run('peered'), 'native');

        const copy = `${made.folder}-copy`;
        t.after(() => rmSync(copy, { force: true, recursive: true }));
        // As `cp -rL` does: links become what they lead to.
        cpSync(made.folder, copy, { recursive: true, dereference: true, filter: notACache });
        note('copied', await made.run('ws', copy), 'native');
      });

      it('installs it without scripts', async (t) => {
        if (manager.noScripts === undefined) {
          row.scripts = '–';
          return;
        }
        const made = project(t);
        made.describe({ dependencies: { ws: ALIAS } });
        await made.install(manager.noScripts);
        note('scripts', await made.run('ws'), 'native');
      });

      it('installs it without what is optional', async (t) => {
        if (manager.noOptional === undefined) {
          row.optional = '–';
          return;
        }
        const made = project(t);
        made.describe({ dependencies: { ws: ALIAS } });
        await made.install(manager.noOptional);
        note('optional', await made.run('ws'), 'wasm');
      });

      it('installs it by a lock file of another platform', async (t) => {
        const made = project(t);
        made.describe({ dependencies: { ws: ALIAS } });
        await manager.lockFor(OTHER, made);
        const { lock } = manager;
        assert.ok(existsSync(join(made.folder, lock)), 'there is no lock file');
        const before = readFileSync(join(made.folder, lock), 'utf8');
        await made.install(manager.frozen);
        assert.strictEqual(readFileSync(join(made.folder, lock), 'utf8'), before);
        note('lock', await made.run('ws'), 'native');
      });
    });
  }
});

/**
 * @param {string} path A path
 * @return {boolean} Whether it isn't in the cache of a manager
 */
function notACache(path) {
  return !/\/\.(?:bun|cache|data|npm|state)$/.test(path);
}

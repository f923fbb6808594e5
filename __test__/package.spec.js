// @ts-check
'use strict';

// Packs the package with the binary of this platform, and installs it as a user would: from a
// registry, on machines with and without Rust.

const assert = require('node:assert/strict');
const { execFile, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { promisify } = require('node:util');

const { platformName } = require('../lib/platform');
const { startRegistry } = require('./support/registry');

const ROOT = path.join(__dirname, '..');
const { version } = require('../package.json');
const BINARY = path.join(ROOT, `binding.${platformName()}.node`);
const BINARY_PACKAGE = `@oxws/binding-${platformName()}`;

const run = promisify(execFile);

/** Sends a message to and fro, by the name that the package has in a project. */
const ECHO = (/** @type {string} */ name) => `
  import WebSocket, { WebSocketServer } from '${name}';
  import { createRequire } from 'node:module';
  if (createRequire(import.meta.url)('${name}') !== WebSocket) throw new Error('two classes');
  const wss = new WebSocketServer({ port: 0 }, () => {
    const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
    ws.on('open', () => ws.send('there and back'));
    ws.on('message', (data) => { console.log(data.toString()); ws.close(); wss.close(); });
  });
  wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));`;

/** In place of cargo: checks that it's given sources, and "builds" the binary that there is. */
const CARGO = `#!/bin/sh
[ "$1" = build ] || { echo 'cargo 99.0.0'; exit; }
echo "$@" > cargo-arguments
[ -f Cargo.lock ] && [ -f build.rs ] && [ -f src/lib.rs ] && [ -f crates/deflate/src/lib.rs ] || exit 101
while [ "$1" != --target-dir ]; do shift; done
mkdir -p "$2/release" && cp '${BINARY}' "$2/release/liboxws.so"
cp '${BINARY}' "$2/release/liboxws.dylib"`;

const skip =
  (process.platform === 'win32' && 'uses shell scripts') ||
  (!fs.existsSync(BINARY) && `${path.basename(BINARY)} is not there`);

describe('The packed package', { skip, timeout: 240_000 }, () => {
  /** @type {string} */
  let folder;
  /** @type {string} */
  let packed;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-package-'));
    packed = path.join(folder, 'packed');
    const binaries = path.join(folder, 'binaries');
    fs.mkdirSync(binaries);
    fs.copyFileSync(BINARY, path.join(binaries, path.basename(BINARY)));
    const args = ['scripts/pack.mjs', '--partial', '--binaries', binaries, '--out', packed];
    execFileSync(process.execPath, args, { cwd: ROOT, stdio: 'pipe' });
  });

  after(() => {
    fs.rmSync(folder, { force: true, recursive: true });
  });

  /**
   * Finds the npm that belongs to this machine.
   *
   * @return {string} Its script
   */
  function npmScript() {
    const { npm_execpath: running } = process.env;
    if (running && /npm-cli\.[cm]?js$/.test(running)) return running;
    const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
    return fs.realpathSync(npm);
  }

  /**
   * Makes an empty project on a machine that has Node, a shell and the given programs.
   *
   * @param {Record<string, string>} [programs] Shell scripts by name
   * @return {{ project: string, env: NodeJS.ProcessEnv }} Its folder, and the environment
   */
  function makeProject(programs = {}) {
    const project = fs.mkdtempSync(path.join(folder, 'project-'));
    const bin = fs.mkdtempSync(path.join(folder, 'bin-'));
    for (const name of ['sh', 'cp', 'mkdir']) {
      const found = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
      fs.symlinkSync(found.trim(), path.join(bin, name));
    }
    fs.symlinkSync(process.execPath, path.join(bin, 'node'));
    for (const [name, text] of Object.entries(programs)) {
      fs.writeFileSync(path.join(bin, name), text, { mode: 0o755 });
    }
    fs.writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
    fs.writeFileSync(path.join(project, '.npmrc'), '');
    const inherited = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    return { project, env: { ...Object.fromEntries(inherited), PATH: bin } };
  }

  /**
   * Installs a package into a project.
   *
   * @param {{ project: string, env: NodeJS.ProcessEnv }} machine The project
   * @param {string[]} args The arguments of `npm install`
   * @param {Set<string>} [unpublished] Names of packages that the registry doesn't have
   * @return {Promise<{ stdout: string, stderr: string }>} What npm said
   */
  async function install({ project, env }, args, unpublished) {
    const registry = await startRegistry(packed, unpublished);
    try {
      const options = ['--no-audit', '--no-fund', '--foreground-scripts', '--loglevel=error'];
      options.push(`--registry=${registry.url}`, `--cache=${path.join(project, '.npm')}`);
      return await run(process.execPath, [npmScript(), 'install', ...options, ...args], {
        cwd: project,
        env
      });
    } finally {
      registry.close();
    }
  }

  /**
   * Runs a module in a project.
   *
   * @param {{ project: string, env: NodeJS.ProcessEnv }} machine The project
   * @param {string} code The module
   * @return {Promise<string>} What it printed
   */
  async function runModule({ project, env }, code) {
    const { NODE_PATH: _, ...rest } = env;
    fs.writeFileSync(path.join(project, 'main.mjs'), code);
    const { stdout } = await run(process.execPath, ['main.mjs'], { cwd: project, env: rest });
    return stdout;
  }

  it('works in the place of ws without Rust', async () => {
    const machine = makeProject();
    await install(machine, ['ws@npm:oxws']);

    assert.equal(await runModule(machine, ECHO('ws')), 'there and back\n');
    const modules = path.join(machine.project, 'node_modules');
    assert.deepEqual(fs.readdirSync(path.join(modules, '@oxws')), [path.basename(BINARY_PACKAGE)]);
    assert.ok(!fs.existsSync(path.join(modules, 'ws', path.basename(BINARY))));
    const command = path.join(modules, '.bin', 'oxws');
    const { stdout } = await run(command, ['--version'], { env: machine.env });
    assert.equal(stdout, `${version}\n`);
  });

  it('has a README whose links lead somewhere', () => {
    const readme = fs.readFileSync(path.join(packed, 'oxws', 'README.md'), 'utf8');
    const links = Array.from(readme.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link);

    assert.ok(links.length > 30);
    for (const link of links) assert.match(link, /^(?:https:\/\/|#)/);
    const own = `https://github.com/OWNER/oxws/blob/v${version}/`;
    const files = links.filter((link) => link.startsWith(own));
    assert.ok(files.length > 15);
    for (const link of files) {
      const [file] = link.slice(own.length).split('#');
      assert.ok(fs.existsSync(path.join(ROOT, file)), link);
    }
  });

  it('has the command oxws', async () => {
    const machine = makeProject();
    await install(machine, ['ws@npm:oxws']);

    const args = [npmScript(), 'exec', '--offline', '--', 'oxws', '--version'];
    const { stdout } = await run(process.execPath, args, {
      cwd: machine.project,
      env: machine.env
    });
    assert.ok(stdout.includes(version), stdout);
  });

  it('works for a package that depends on ws, by overrides', async () => {
    const machine = makeProject();
    const dependent = path.join(machine.project, 'dependent');
    fs.mkdirSync(dependent);
    fs.writeFileSync(
      path.join(dependent, 'package.json'),
      '{ "name": "dependent", "version": "1.0.0", "dependencies": { "ws": "^8.0.0" } }'
    );
    fs.writeFileSync(path.join(dependent, 'index.js'), "module.exports = require('ws');");
    fs.writeFileSync(
      path.join(machine.project, 'package.json'),
      JSON.stringify({ private: true, overrides: { ws: `npm:oxws@${version}` } })
    );
    await install(machine, ['--install-links', './dependent']);

    const code = "import WebSocket from 'dependent'; console.log(WebSocket.Server.name)";
    assert.equal(await runModule(machine, code), 'WebSocketServer\n');
  });

  it('works from tarballs', async () => {
    const machine = makeProject();
    const tarballs = [`oxws-${version}.tgz`, `oxws-binding-${platformName()}-${version}.tgz`];
    const [main, binary] = tarballs.map((name) => `file:${path.join(packed, name)}`);
    await install(machine, [`ws@${main}`, binary]);

    assert.equal(await runModule(machine, ECHO('ws')), 'there and back\n');
  });

  it('is built from source by its command, and runs as WebAssembly until then', async () => {
    const machine = makeProject({ cargo: CARGO, rustc: "#!/bin/sh\necho 'rustc 99.0.0'" });
    await install(machine, ['oxws'], new Set([BINARY_PACKAGE]));
    const code = "import WebSocket from 'oxws'; console.log(WebSocket.binding)";
    assert.equal(await runModule(machine, code), 'wasm\n');
    assert.equal(await runModule(machine, ECHO('oxws')), 'there and back\n');

    const installed = path.join(machine.project, 'node_modules/oxws');
    const args = [path.join(installed, 'bin/oxws.js'), 'build'];
    const { stdout } = await run(process.execPath, args, { env: machine.env });
    assert.match(stdout, /building the addon for/);
    const used = fs.readFileSync(path.join(installed, 'cargo-arguments'), 'utf8');
    assert.match(used, /^build --release --locked --lib /);
    assert.ok(!fs.existsSync(path.join(installed, 'target')));
    assert.equal(await runModule(machine, code), 'native\n');
  });

  it('says what is missing where it is to be built without Rust', async () => {
    const machine = makeProject();
    await install(machine, ['oxws'], new Set([BINARY_PACKAGE]));

    const args = [path.join(machine.project, 'node_modules/oxws/bin/oxws.js'), 'build'];
    const { NODE_PATH: _, ...env } = machine.env;
    await assert.rejects(run(process.execPath, args, { env }), ({ stderr }) => {
      assert.match(stderr, /no Rust toolchain: cargo is missing/);
      assert.match(stderr, /https:\/\/rustup\.rs/);
      assert.doesNotMatch(stderr, /\n {4}at /);
      return true;
    });
  });

  it('warns once where its binary was left out, and runs as WebAssembly', async () => {
    const machine = makeProject();
    await install(machine, ['oxws', '--ignore-scripts', '--omit=optional']);
    fs.writeFileSync(path.join(machine.project, 'echo.mjs'), ECHO('oxws'));
    const env = { ...machine.env, NODE_PATH: '' };

    const options = { cwd: machine.project, env };
    const { stderr, stdout } = await run(process.execPath, ['echo.mjs'], options);
    assert.equal(stdout, 'there and back\n');
    assert.equal(stderr.match(/OXWS_FALLBACK\] OxwsWarning/g)?.length, 1, stderr);
    assert.match(stderr, new RegExp(`npm install ${BINARY_PACKAGE}@${version}`));
    assert.match(stderr, /npx oxws build/);

    const failing = { ...options, env: { ...env, OXWS_FALLBACK: 'error' } };
    await assert.rejects(run(process.execPath, ['echo.mjs'], failing), /ERR_OXWS_NATIVE/);
    const silent = { ...options, env: { ...env, OXWS_FALLBACK: 'silent' } };
    assert.equal((await run(process.execPath, ['echo.mjs'], silent)).stderr, '');
  });

  it('works by the commands at the top of the README, for other packages, too', async () => {
    const machine = makeProject();
    const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
    const [, first, second] = /^npm (install \S+) .*\nnpm (pkg set \S+) /m.exec(readme) ?? [];
    assert.equal(first, 'install ws@npm:oxws');
    await install(machine, first.split(' ').slice(1));
    const set = [npmScript(), ...second.replaceAll("'", '').split(' ')];
    await run(process.execPath, set, { cwd: machine.project, env: machine.env });
    const dependent = path.join(machine.project, 'dependent');
    fs.mkdirSync(dependent);
    fs.writeFileSync(
      path.join(dependent, 'package.json'),
      '{ "name": "dependent", "version": "1.0.0", "dependencies": { "ws": "^7.0.0" } }'
    );
    fs.writeFileSync(path.join(dependent, 'index.js'), "module.exports = require('ws');");
    await install(machine, ['--install-links', './dependent']);

    const code = "import WebSocket from 'dependent'; console.log(WebSocket.binding)";
    assert.equal(await runModule(machine, code), 'native\n');
  });

  it('is below 1.5 MB', () => {
    const { size } = fs.statSync(path.join(packed, `oxws-${version}.tgz`));
    assert.ok(size < 1_500_000, `${size} bytes`);
  });

  it('goes on as WebAssembly, with one warning, once its binary is deleted', async () => {
    const machine = makeProject();
    await install(machine, ['oxws']);
    fs.writeFileSync(path.join(machine.project, 'echo.mjs'), ECHO('oxws'));
    const binary = path.join(machine.project, 'node_modules', BINARY_PACKAGE);
    fs.rmSync(path.join(binary, path.basename(BINARY)));

    const options = { cwd: machine.project, env: { ...machine.env, NODE_PATH: '' } };
    const { stderr, stdout } = await run(process.execPath, ['echo.mjs'], options);
    assert.equal(stdout, 'there and back\n');
    assert.equal(stderr.match(/OXWS_FALLBACK\] OxwsWarning/g)?.length, 1, stderr);
  });

  it('needs no script when it is installed', () => {
    const file = path.join(packed, 'oxws', 'package.json');
    assert.equal(JSON.parse(fs.readFileSync(file, 'utf8')).scripts, undefined);
  });
});

describe('A release', { skip: process.platform === 'win32' && 'uses shell scripts' }, () => {
  /** @type {string} */
  let folder;

  before(() => {
    fs.mkdirSync(path.join(ROOT, '.cache'), { recursive: true });
    folder = fs.mkdtempSync(path.join(ROOT, '.cache', 'release-'));
  });

  after(() => fs.rmSync(folder, { force: true, recursive: true }));

  /**
   * Makes what has the header of a binary, and the names that are looked for.
   *
   * @param {{ platform: string, arch: string, abi: string | null }} target What it is for
   * @param {number} [glibc] The minor version of glibc that it names
   * @return {Buffer} The file
   */
  function fakeBinary({ platform, arch, abi }, glibc = 17) {
    const header = Buffer.alloc(128);
    if (platform === 'linux') {
      header.write('\x7fELF', 'latin1');
      header.writeUInt16LE({ arm: 40, x64: 62, arm64: 183 }[arch] || 0, 18);
    } else if (platform === 'darwin') {
      header.writeUInt32LE(0xfeedfacf);
      header.writeUInt32LE({ x64: 0x01000007, arm64: 0x0100000c }[arch] || 0, 4);
    } else {
      header.write('MZ');
      header.writeUInt32LE(64, 60);
      header.writeUInt16LE({ x64: 0x8664, arm64: 0xaa64 }[arch] || 0, 68);
    }
    const version = platform === 'linux' && abi?.startsWith('gnu') ? `\0GLIBC_2.${glibc}` : '';
    return Buffer.concat([header, Buffer.from(`napi_register_module_v1${version}`)]);
  }

  /**
   * Runs a script of the repository.
   *
   * @param {string[]} args The script and its arguments
   * @param {NodeJS.ProcessEnv} [env] Further environment
   * @return {Promise<{ stdout: string, stderr: string }>} What it said
   */
  function runScript(args, env) {
    return run(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } });
  }

  it('has a binary for each platform, and is published whole, binaries first', async () => {
    const { publishedTargets } = await import('../scripts/support/targets.mjs');
    const binaries = path.join(folder, 'binaries');
    const out = path.join(folder, 'out');
    fs.mkdirSync(binaries);
    const pack = ['scripts/pack.mjs', '--binaries', binaries, '--out', out];
    const [last, ...targets] = publishedTargets().reverse();
    for (const target of targets) {
      fs.writeFileSync(path.join(binaries, `binding.${target.name}.node`), fakeBinary(target));
    }
    await assert.rejects(runScript(pack), new RegExp(`no binary for: @oxws/binding-${last.name}`));

    fs.writeFileSync(path.join(binaries, `binding.${last.name}.node`), fakeBinary(targets[0]));
    await assert.rejects(runScript(pack), /it is for/);

    fs.writeFileSync(path.join(binaries, `binding.${last.name}.node`), fakeBinary(last));
    await runScript(pack);
    const names = [...targets, last].map(({ name }) => `@oxws/binding-${name}`);
    const registry = await startRegistry(out, new Set(['oxws', ...names]));
    try {
      const publish = ['scripts/publish.mjs', '--from', out];
      const env = { npm_config_registry: registry.url, npm_config_loglevel: 'error' };
      const { stdout } = await runScript([...publish, '--dry-run'], env);
      const published = stdout.match(/^\+ .*(?=@)/gm) || [];
      assert.equal(published.length, 10, stdout);
      assert.equal(published.pop(), '+ oxws');
      assert.ok(published.every((line) => line.startsWith('+ @oxws/binding-')));

      await assert.rejects(runScript(publish, { ...env, GITHUB_REF_NAME: 'v0.0.0' }), /the tag is/);
      const tagged = { ...env, GITHUB_REF_NAME: `v${version}` };
      await assert.rejects(runScript(publish, tagged), /still name OWNER/);
    } finally {
      registry.close();
    }
  });

  it('is described in npm/ as package.json has it, by npm run pack:packages -- --update', async () => {
    const { expectedFiles, presentFiles } = await import('../scripts/support/binary-packages.mjs');

    assert.deepEqual(presentFiles(), expectedFiles());
  });

  it('has its crates checked for each platform, deny.toml', async () => {
    const { publishedTargets } = await import('../scripts/support/targets.mjs');
    const [, list = ''] =
      /^targets = \[(.*?)\]/ms.exec(fs.readFileSync(path.join(ROOT, 'deny.toml'), 'utf8')) ?? [];

    assert.deepEqual(
      list.match(/[\w-]+/g),
      publishedTargets().map(({ triple }) => triple)
    );
  });

  it('has no binary that asks for a glibc that is too new', async () => {
    const { faultsOf } = await import('../scripts/support/binary.mjs');
    const target = { triple: '', name: '', platform: 'linux', arch: 'x64', abi: 'gnu' };

    assert.deepEqual(faultsOf(fakeBinary(target), target), []);
    assert.match(faultsOf(fakeBinary(target, 34), target)[0], /glibc 2\.34, newer than 2\.17/);
    assert.deepEqual(faultsOf(fakeBinary(target), { ...target, abi: 'musl' }), [
      'it asks for glibc'
    ]);
  });
});

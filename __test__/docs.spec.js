// @ts-check

// Holds the documents and the types against each other and against the code.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { promisify } = require('node:util');

const ROOT = path.join(__dirname, '..');
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'bench/README.md',
  'crates/deflate/README.md',
  'examples/README.md'
].concat(
  fs
    .readdirSync(path.join(ROOT, 'doc'), { encoding: 'utf8', recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `doc/${name.replaceAll('\\', '/')}`)
);

/** The options of ws 8.23.0, by the interface of `index.d.ts` that has them. */
const OPTIONS = {
  ConnectionOptions: [
    'allowSynchronousEvents',
    'autoPong',
    'backpressurePolicy',
    'closeTimeout',
    'heartbeat',
    'highWaterMark',
    'jitter',
    'maxBackpressure',
    'maxBufferedChunks',
    'maxFragments',
    'maxLifetime',
    'maxPayload',
    'maxPendingAutoPongs',
    'promises',
    'skipUTF8Validation'
  ],
  ServerOptions: [
    'addressOf',
    'allowedOrigins',
    'backlog',
    'broker',
    'clientTracking',
    'handleProtocols',
    'host',
    'maxConnections',
    'maxConnectionsPerAddress',
    'maxHandshakes',
    'noServer',
    'path',
    'perMessageDeflate',
    'port',
    'server',
    'upgrade',
    'verifyClient',
    'WebSocket'
  ],
  ClientOptions: [
    'finishRequest',
    'followRedirects',
    'generateMask',
    'handshakeTimeout',
    'http2',
    'lifetimeSignal',
    'maxRedirects',
    'origin',
    'perMessageDeflate',
    'protocols',
    'protocolVersion'
  ],
  PerMessageDeflateOptions: [
    'clientMaxWindowBits',
    'clientNoContextTakeover',
    'concurrencyLimit',
    'memoryLimit',
    'serverMaxWindowBits',
    'serverNoContextTakeover',
    'threshold',
    'zlibDeflateOptions',
    'zlibInflateOptions'
  ],
  ReceiverOptions: ['binaryType', 'extensions', 'isServer'],
  FrameOptions: ['fin', 'mask', 'maskBuffer', 'opcode', 'readOnly', 'rsv1'],
  SendAsyncOptions: ['signal'],
  SendOptions: ['binary', 'compress', 'droppable', 'fin', 'mask'],
  PublishOptions: ['droppable', 'except'],
  ShutdownOptions: ['code', 'reason', 'signal', 'spread', 'timeout']
};

const EVENTS = {
  WebSocketEvents: [
    'close',
    'drain',
    'dropped',
    'error',
    'message',
    'open',
    'ping',
    'pong',
    'redirect',
    'unexpected-response',
    'upgrade'
  ],
  ServerEvents: [
    'brokerError',
    'close',
    'connection',
    'error',
    'headers',
    'listening',
    'subscription',
    'upgradeError',
    'wsClientError'
  ],
  ReceiverEvents: ['conclude', 'error', 'message', 'ping', 'pong']
};

/**
 * Reads a file of the repository.
 *
 * @param {string} name Its path below the root
 * @return {string} Its text
 */
function read(name) {
  return fs.readFileSync(path.join(ROOT, name), 'utf8');
}

/**
 * Reads the code below some folders.
 *
 * @param {...string} folders The folders, below the root
 * @return {string[]} The texts of the files in JavaScript and Rust
 */
function sourcesBelow(...folders) {
  return folders
    .flatMap((folder) =>
      fs
        .readdirSync(path.join(ROOT, folder), { encoding: 'utf8', recursive: true })
        .map((name) => path.join(folder, name))
    )
    .filter((name) => /\.(?:js|rs)$/.test(name) && !name.includes('node_modules'))
    .map(read);
}

/**
 * Finds the code blocks of a document.
 *
 * @param {string} text The document
 * @param {string} language What the fence says
 * @return {string[]} The code
 */
function codeBlocks(text, language) {
  return [...text.matchAll(/^```(\S*)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , code]) => code);
}

/**
 * Gives the anchors of a document's headings, as GitHub makes them.
 *
 * @param {string} text The document
 * @return {Set<string>} The anchors
 */
function anchors(text) {
  const found = new Set();
  for (const [, heading] of text.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let name = anchor;
    for (let i = 1; found.has(name); i++) name = `${anchor}-${i}`;
    found.add(name);
  }
  return found;
}

/**
 * Finds the relative links of a document, outside of code.
 *
 * @param {string} text The document
 * @return {string[]} Where they lead
 */
function links(text) {
  const prose = text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, 'code');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/**
 * Lists the suites of `npm test`.
 *
 * @return {string[]} Their names
 */
function suiteNames() {
  return fs
    .readdirSync(path.join(ROOT, 'scripts/suites'))
    .map((name) => path.basename(name, '.mjs'));
}

/**
 * Gives the body of an interface of `index.d.ts`.
 *
 * @param {string} name The interface
 * @return {string} The text between its braces
 */
function interfaceBody(name) {
  const types = read('index.d.ts');
  const start = types.search(new RegExp(`^  interface ${name}\\b`, 'm'));
  assert.notStrictEqual(start, -1, `no interface ${name}`);
  return types.slice(start, types.indexOf('\n  }\n', start));
}

describe('The documents', () => {
  const run = promisify(execFile);
  /** @type {string} */
  let folder;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-docs-'));
  });

  after(() => fs.rmSync(folder, { recursive: true }));

  for (const document of DOCUMENTS) {
    it(`have code that can be parsed: ${document}`, async () => {
      await Promise.all(
        codeBlocks(read(document), 'js').map(async (code, i) => {
          const isModule = /^(?:import .* from '|export )/m.test(code);
          const file = path.join(
            folder,
            `${path.basename(document)}-${i}.${isModule ? 'm' : 'c'}js`
          );
          fs.writeFileSync(file, code);
          await run(process.execPath, ['--check', file]);
        })
      );
    });

    it(`have links that lead somewhere: ${document}`, () => {
      for (const link of links(read(document))) {
        const [file, anchor] = link.split('#');
        const target = file === '' ? document : path.join(path.dirname(document), file);
        assert.ok(fs.existsSync(path.join(ROOT, target)), `${document}: ${link}`);
        if (anchor !== undefined) {
          assert.ok(anchors(read(target)).has(anchor), `${document}: ${link}`);
        }
      }
    });
  }

  it('stay short where they are to be read first: doc/architecture.md', () => {
    assert.ok(read('doc/architecture.md').split('\n').length <= 201);
  });

  it('have a place for each file, doc/architecture.md', () => {
    const map = read('doc/architecture.md');
    const isKnown = (/** @type {string} */ file) => {
      const folder = path.dirname(file);
      // By its name, or with its whole folder.
      const names = [path.basename(file), `\`${folder}/\``, `\`${folder.replace(/^\w+\//, '')}/\``];
      return names.some((name) => map.includes(name)) || /(?:mod|lib|tests)\.rs$/.test(file);
    };
    const files = ['lib', 'src'].flatMap((folder) =>
      fs
        .readdirSync(path.join(ROOT, folder), { recursive: true })
        .map(String)
        .filter((name) => /\.(?:js|rs)$/.test(name) && !/\btests\b/.test(name))
        .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    );
    assert.deepStrictEqual(
      files.filter((file) => !isKnown(file)),
      []
    );
  });

  it('name in each row a test of what ships, doc/conformance.md', () => {
    const sources = sourcesBelow('crates', 'src', 'tests').join('');
    const specs = sourcesBelow('__test__').join('');
    const rows = read('doc/conformance.md').match(/^\|.*\|$/gm) || [];
    const cells = rows.map((row) => row.split(' | ')).filter((columns) => columns.length === 4);

    assert.ok(cells.length > 30);
    for (const columns of cells) {
      if (columns[0] === '| Section' || columns[0].startsWith('|---')) continue;
      assert.match(columns[3], /`[a-z0-9_]+`|"[^"]+"|ws's own suite/, columns[1]);
      // Only what ships does anything: no reference, no test.
      const places = links(columns[2]).filter((place) => !/^\.\.\/(lib|src|crates)\//.test(place));
      assert.deepStrictEqual(places, [], columns[1]);
      for (const [, name] of columns[3].matchAll(/`([a-z0-9_]+)`/g)) {
        assert.ok(sources.includes(`fn ${name}(`), name);
      }
      for (const [, title] of columns[3].matchAll(/"([^"]+)"/g)) {
        assert.ok(specs.includes(`it('${title}'`), title);
      }
    }
  });

  it('say of each difference what ws does, what oxws does and what to do, doc/differences.md', () => {
    const [, ...entries] = read('doc/differences.md').split(/^### /m);

    assert.ok(entries.length > 20);
    for (const entry of entries) {
      const labels = entry.match(/(?<=^- \*\*).*?(?=:\*\*)/gm);
      assert.deepStrictEqual(labels, ['ws', 'oxws', 'What to do'], entry.split('\n')[0]);
    }
  });

  it('begin with what everybody wants to know, README.md', () => {
    const lines = read('README.md').split('\n');
    const contents = lines.indexOf('## Contents');

    assert.ok(lines.length <= 401, `${lines.length} lines`);
    assert.ok(contents > 0 && contents <= 36, `the contents are in line ${contents + 1}`);
  });

  it('have tests in files of at most 700 lines, CONTRIBUTING.md', () => {
    const isTest =
      /^__test__\/.*\.m?js$|^tests\/.*\.rs$|^(?:src|crates)\/(?:.*\/)?tests(?:\/.*)?\.rs$/;

    for (const folder of ['__test__', 'crates', 'src', 'tests']) {
      const names = fs
        .readdirSync(path.join(ROOT, folder), { encoding: 'utf8', recursive: true })
        .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
      for (const name of names.filter((each) => isTest.test(each))) {
        if (name.includes('/node_modules/')) continue;
        const lines = read(name).split('\n').length - 1;
        assert.ok(lines <= 700, `${name}: ${lines} lines`);
      }
    }
  });

  it('name the version of ws that is replaced', () => {
    const { version } = require('ws/package.json');

    assert.ok(read('README.md').includes(`**ws ${version}**`));
    assert.ok(read('doc/api.md').includes(`ws ${version}`));
    assert.ok(read('CHANGELOG.md').includes(`ws ${version}`));
  });

  it('have a changelog entry for the version of the package', () => {
    const { version } = require('../package.json');

    assert.match(read('CHANGELOG.md'), new RegExp(`^## ${version}\\b`, 'm'));
  });

  it('name only scripts and suites that there are', () => {
    const { scripts } = require('../package.json');
    const suites = suiteNames();

    const workflows = fs.readdirSync(path.join(ROOT, '.github/workflows'));
    const commands = ['.ci/run', ...workflows.map((name) => `.github/workflows/${name}`)];
    for (const document of DOCUMENTS.concat(commands)) {
      for (const [, name] of read(document).matchAll(/npm run ([\w:-]+)/g)) {
        assert.ok(name in scripts, `${document}: npm run ${name}`);
      }
      for (const [, name] of read(document).matchAll(/npm test -- (\w+)/g)) {
        assert.ok(suites.includes(name), `${document}: npm test -- ${name}`);
      }
    }
  });

  it('have each fuzz target run at night', () => {
    const targets = fs.readdirSync(path.join(ROOT, 'fuzz/fuzz_targets'));
    const workflow = read('.github/workflows/nightly.yml');

    for (const name of targets)
      assert.ok(workflow.includes(` ${path.basename(name, '.rs')},`), name);
  });

  it('name each script and each suite', () => {
    const { scripts } = require('../package.json');
    const text = DOCUMENTS.map(read).join('');

    for (const name of Object.keys(scripts)) {
      if (['install', 'start', 'test'].includes(name)) continue;
      assert.match(text, new RegExp(`npm run ${name}(?![\\w:-])`), name);
    }
    for (const name of suiteNames()) assert.ok(text.includes(`npm test -- ${name}`), name);
  });
});

describe('The API reference and the types', () => {
  it('have each export', () => {
    const names = Object.keys(require('..'));
    const reference = read('doc/api.md');
    const types = read('index.d.ts');
    const moduleTypes = read('index.d.mts');

    assert.ok(names.length >= 13);
    for (const name of names) {
      assert.ok(reference.includes(`\`${name}\``), `doc/api.md: ${name}`);
      assert.match(types, new RegExp(`\\b(?:class|const|function|readonly) ${name}\\b`));
      if (name === name.toUpperCase()) continue;
      assert.match(moduleTypes, new RegExp(`\\b${name}\\b`));
    }
  });

  it('have what the module exports', async () => {
    const names = Object.keys(await import('../wrapper.mjs'));
    const declared = read('index.d.mts');

    for (const name of names) assert.match(declared, new RegExp(`^export .*\\b${name}\\b`, 'm'));
  });

  for (const [name, options] of Object.entries(OPTIONS)) {
    it(`have each option of ${name}`, () => {
      const reference = read('doc/api.md');
      const body = interfaceBody(name);

      for (const option of options) {
        assert.match(reference, new RegExp(`^(?:\\| |\\s+- )\`${option}\``, 'm'));
        // Besides the declaration, a comment right above it.
        assert.match(body, new RegExp(`\\*/\\s+${option}\\b`));
      }
    });
  }

  for (const [name, events] of Object.entries(EVENTS)) {
    it(`have each event of ${name}`, () => {
      const reference = read('doc/api.md');
      const body = interfaceBody(name);

      for (const event of events) {
        assert.ok(reference.includes(`'${event}'`), event);
        assert.match(body, new RegExp(`^    '?${event}'?:`, 'm'));
      }
    });
  }

  it('have each member', () => {
    const { Receiver: _, ...exported } = require('..');
    const reference = read('doc/api.md');
    const types = read('index.d.ts');

    for (const [prefix, Class] of Object.entries({
      websocket: require('..'),
      server: exported.WebSocketServer,
      sender: exported.Sender,
      permessagedeflate: exported.PerMessageDeflate
    })) {
      for (const name of Object.getOwnPropertyNames(Class.prototype)) {
        if (name.startsWith('_') || INTERNALS.has(name) || name === name.toUpperCase()) continue;
        assert.match(reference, new RegExp(`^### ${prefix}\\.${name}\\b`, 'm'));
        assert.match(types, new RegExp(`\\b${name}\\b`));
      }
    }
  });

  it('have each environment variable that is read', () => {
    const reference = read('doc/api.md');
    const names = new Set(
      sourcesBelow('lib', 'src').flatMap((source) =>
        [...source.matchAll(VARIABLE)].map(([, one, other]) => one ?? other)
      )
    );

    assert.ok(names.has('OXWS_TRANSPORT'));
    for (const name of names) assert.match(reference, new RegExp(`^### ${name}$`, 'm'));
  });

  it('have each error code of the protocol', () => {
    const source = read('src/protocol/error.rs');
    const codes = new Set(source.match(/\bWS_ERR_\w+/g));

    assert.strictEqual(codes.size, 12);
    for (const code of codes) {
      assert.match(read('doc/api.md'), new RegExp(`^### ${code}$`, 'm'));
      assert.match(interfaceOfErrorCodes(), new RegExp(`'${code}'`));
    }
  });
});

/** Where an environment variable is read, in JavaScript or Rust. */
const VARIABLE = /\bprocess\.env(?:\.|\[')(\w+)|\benv::var(?:_os)?\("(\w+)"/g;

/** Methods of prototypes that ws has, too, and doesn't document. */
const INTERNALS = new Set([
  'completeUpgrade',
  'constructor',
  'coalesce',
  'dequeue',
  'dispatch',
  'emitClose',
  'enqueue',
  'flush',
  'getBlobData',
  'setSocket'
]);

/**
 * @return {string} The declaration of `ErrorCode`
 */
function interfaceOfErrorCodes() {
  const types = read('index.d.ts');
  return types.slice(types.indexOf('type ErrorCode ='));
}

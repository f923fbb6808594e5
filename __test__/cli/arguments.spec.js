// @ts-check
'use strict';

// The arguments of the command `oxws`.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const { parse } = require('../../bin/cli/arguments');
const { CAT_OPTIONS } = require('../../bin/cli/options');
const { run } = require('../support/command');

describe('The arguments of oxws', () => {
  it('are read in all forms that wscat takes', () => {
    /** @type {[string[], Record<string, any>][]} */
    const cases = [
      [['-c', 'ws://a'], { connect: 'ws://a' }],
      [['--connect=ws://a'], { connect: 'ws://a' }],
      [['-w', '-1'], { wait: '-1' }],
      [['-w-1'], { wait: '-1' }],
      [['-nLP'], { 'no-check': true, location: true, 'show-ping-pong': true }],
      [['-Pw', '3'], { 'show-ping-pong': true, wait: '3' }],
      [['-x', '--help', '-x', ''], { execute: ['--help', ''] }],
      [['-s', 'a', '--subprotocol', 'b'], { subprotocol: ['a', 'b'] }],
      [['--passphrase', '-n'], { passphrase: true, 'no-check': true }],
      [['--passphrase', 'secret'], { passphrase: 'secret' }],
      [['--passphrase='], { passphrase: '' }],
      [['--max-redirects', '3'], { 'max-redirects': '3' }]
    ];
    for (const [args, values] of cases) {
      assert.deepEqual({ ...parse(args, CAT_OPTIONS).values }, values, args.join(' '));
    }
  });

  it('are refused with exit code 1 and a line that says why', async () => {
    /** @type {[string[], RegExp][]} */
    const cases = [
      [['--nonsense'], /^error: unknown option '--nonsense'\n$/],
      [['--toString'], /^error: unknown option '--toString'\n$/],
      [['--connect'], /^error: option '-c, --connect <url>' argument missing\n$/],
      [['--slash=1'], /^error: option '--slash' takes no value\n$/],
      [['ws://localhost'], /^error: unexpected argument 'ws:\/\/localhost'/],
      [['-c', 'http://['], /^error: Invalid URL: http:\/\/\[\n$/],
      [['-c', 'ftp://a'], /^error: The URL's protocol must be one of /],
      [['-c', 'ws://a', '-p', '9'], /^error: Unsupported protocol version: 9 /],
      [['-c', 'ws://a', '-H', 'nothing'], /^error: 'nothing' is no header/],
      [['-c', 'ws://a', '-w', 'soon'], /^error: wait: 'soon' is not possible\n$/],
      [['-c', 'ws://a', '--ca', '/nowhere'], /^error: ENOENT: .*nowhere/],
      [['-c', 'ws://a', '--proxy', 'socks://a'], /^error: proxy: 'socks:\/\/a' is not possible/],
      [['-l', '70000'], /^error: listen: '70000' is not possible\n$/],
      [['-l', '0', '-x', 'hi'], /^error: --execute does nothing with --listen\n$/],
      [['bench'], /^error: oxws bench takes one address/],
      [['bench', 'ws://a', '--size', '-1'], /^error: size: '-1' is not possible\n$/]
    ];
    await Promise.all(
      cases.map(async ([args, pattern]) => {
        const { code, stdout, stderr } = await run(...args);
        assert.match(stderr, pattern);
        assert.deepEqual({ code, stdout }, { code: 1, stdout: '' }, args.join(' '));
      })
    );
  });

  it('of both roles end in exit code 255, as with wscat', async () => {
    const { code, stderr } = await run('-c', 'ws://a', '-l', '1');

    assert.deepEqual([code, stderr], [255, 'error: Use either --listen or --connect\n']);
  });

  it('are explained', async () => {
    const [help, nothing, bench, version] = await Promise.all([
      run('--help'),
      run(),
      run('bench', '--help'),
      run('--version')
    ]);

    assert.equal(help.code, 0);
    assert.equal(nothing.stdout, help.stdout);
    for (const name of Object.keys(CAT_OPTIONS)) assert.ok(help.stdout.includes(`--${name}`), name);
    assert.ok(help.stdout.split('\n').every((line) => line.length <= 100));
    const document = fs.readFileSync(path.join(__dirname, '../..', 'doc', 'command.md'), 'utf8');
    for (const { stdout } of [help, bench]) assert.ok(document.includes(stdout), stdout);
    assert.equal(version.stdout, `${require('../../package.json').version}\n`);
  });
});

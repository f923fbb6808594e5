// @ts-check
'use strict';

// An npm registry on the loopback interface with the packages that `scripts/pack.mjs` has made.

const { createHash } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

/**
 * Reads the packages in a folder of `scripts/pack.mjs`.
 *
 * @param {string} folder The folder
 * @return {Map<string, { manifest: any, tarball: string }>} By name; a tarball may not be there
 */
function readPackages(folder) {
  const packages = new Map();
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const text = fs.readFileSync(path.join(folder, entry.name, 'package.json'), 'utf8');
    const manifest = JSON.parse(text);
    const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
    packages.set(manifest.name, { manifest, tarball: path.join(folder, file) });
  }
  return packages;
}

/**
 * Serves the packages.
 *
 * @param {string} folder The folder of `scripts/pack.mjs`
 * @param {Set<string>} [unpublished] Names of packages that it doesn't have
 * @return {Promise<{ url: string, close: () => void }>} Where it is, and how to end it
 */
async function startRegistry(folder, unpublished = new Set()) {
  const packages = readPackages(folder);
  const server = http.createServer((request, response) => {
    const [, kind, rest] = /^\/(-|)\/?(.*)$/.exec(decodeURIComponent(request.url || '')) || [];
    const found = packages.get(rest);
    if (found === undefined || unpublished.has(rest)) {
      response.writeHead(404).end('{}');
      return;
    }
    const { manifest, tarball } = found;
    // Managers ask for those of other platforms, too, unless they know a hash for their lock file.
    const bytes = fs.existsSync(tarball) ? fs.readFileSync(tarball) : '';
    if (kind === '-') {
      response.writeHead(bytes === '' ? 404 : 200).end(bytes);
      return;
    }
    const { name, version } = manifest;
    const dist = {
      tarball: `${url}/-/${encodeURIComponent(name)}`,
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`
    };
    const hasInstallScript = manifest.scripts?.install !== undefined;
    response.end(
      JSON.stringify({
        name,
        'dist-tags': { latest: version },
        // Some managers don't take what is too new.
        time: { [version]: '2020-01-01T00:00:00.000Z' },
        versions: { [version]: { ...manifest, dist, hasInstallScript } }
      })
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    close: () => {
      server.close();
      server.closeAllConnections();
    }
  };
}

module.exports = { startRegistry };

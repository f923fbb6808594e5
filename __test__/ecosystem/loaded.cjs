// Preloaded into every process and thread of a scenario: writes down which ws was loaded.

const { mkdirSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { threadId } = require('node:worker_threads');

process.on('exit', () => {
  const folder = process.env.ECOSYSTEM_LOADED;
  if (!folder) return;
  const packages = Object.keys(require.cache)
    .filter((file) => /[\\/]lib[\\/]websocket\.js$/.test(file))
    .map((file) => dirname(dirname(file)));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${process.pid}-${threadId}.json`), JSON.stringify(packages));
});

// @ts-check
'use strict';

// A real Chromium, without a screen: the one that `CHROMIUM` names, or the system's.

const fs = require('node:fs');

const findProgram = require('./programs');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * Finds a Chromium.
 *
 * @return {string | undefined} Its path
 */
function findChromium() {
  const { CHROMIUM: named } = process.env;
  return named && fs.existsSync(named) ? named : findProgram(...NAMES);
}

/**
 * Starts the browser. Its own traffic, which a test machine may have no way for, is switched off.
 *
 * @param {string} executablePath The browser
 * @return {Promise<import('playwright-core').Browser>} The browser
 */
function launch(executablePath) {
  const { chromium } = require('playwright-core');
  return chromium.launch({
    executablePath,
    args: [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-gpu',
      '--disable-quic',
      '--disable-sync',
      '--no-first-run',
      // Chromium has no sandbox for root, who runs containers.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])
    ]
  });
}

module.exports = { findChromium, launch };

// @ts-check
'use strict';

// Drives the demo as a person would: real windows of a real Chromium, without a screen.
//
// The browser is the one that `CHROMIUM` names, or the system's. Where there is none the tests are
// skipped, and say so.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { createDemo } = require('../examples/demo/server');
const { findChromium, launch } = require('./support/browser');
const until = require('./support/until');

/**
 * Reads the text of an element.
 *
 * @param {import('playwright-core').Locator} locator The element
 * @return {Promise<string>} The text
 */
async function textOf(locator) {
  return (await locator.textContent()) ?? '';
}

const executablePath = findChromium();
const skip = executablePath === undefined && 'no Chromium found (CHROMIUM=PATH names one)';

describe('The demo', { skip, timeout: 180_000 }, () => {
  /** @type {ReturnType<typeof createDemo>} */
  let demo;
  /** @type {import('playwright-core').Browser} */
  let browser;
  /** @type {string} */
  let url;
  /** @type {string[]} */
  const pageErrors = [];

  before(async () => {
    demo = createDemo();
    await new Promise((resolve) => demo.server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const { port } = /** @type {import('node:net').AddressInfo} */ (demo.server.address());
    url = `http://127.0.0.1:${port}/`;
    browser = await launch(/** @type {string} */ (executablePath));
  });

  after(async () => {
    await browser?.close();
    await demo?.close();
  });

  /**
   * Opens a window of a person.
   *
   * @param {string} name What the person calls themselves
   * @return {Promise<import('playwright-core').Page>} The page, connected
   */
  async function openWindow(name) {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.on('pageerror', (error) => pageErrors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') pageErrors.push(message.text());
    });
    await page.goto(url);
    await page.locator('#state[data-state=open]').waitFor();
    await page.fill('#name', name);
    await page.locator('#name').blur();
    await page.locator('#people', { hasText: `${name}(you)` }).waitFor();
    return page;
  }

  /**
   * Says something in a window.
   *
   * @param {import('playwright-core').Page} page The window
   * @param {string} text What to say
   */
  async function say(page, text) {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
  }

  /**
   * Waits until a figure on the page is as wanted.
   *
   * @param {import('playwright-core').Page} page The window
   * @param {string} id The element that shows it
   * @param {(value: number) => boolean} wanted Tells whether it is
   */
  async function waitForFigure(page, id, wanted) {
    let text = '';
    await until(
      async () => {
        text = await textOf(page.locator(`#${id}`));
        return wanted(Number(text.replaceAll(',', '')));
      },
      () => `another figure of ${id} than ${text}`
    );
  }

  it('lets two windows chat, and shows live figures', async () => {
    const ada = await openWindow('Ada');
    const bob = await openWindow('Bob');
    await ada.locator('#people', { hasText: 'Bob' }).waitFor();

    for (const ws of demo.wss.clients) {
      assert.match(ws.extensions, /^permessage-deflate/);
    }
    assert.match(await textOf(ada.locator('#extensions')), /^permessage-deflate/);

    await say(ada, 'Hello Bob, ünïcödé 👋');
    await bob.locator('.line', { hasText: 'Hello Bob, ünïcödé 👋' }).waitFor();
    await say(bob, '<img src=x onerror=alert(1)>');
    const line = ada.locator('.line', { hasText: '<img src=x onerror=alert(1)>' });
    await line.waitFor();
    assert.equal(await line.locator('img').count(), 0);
    assert.match(await textOf(line.locator('.who')), /^Bob/);

    await waitForFigure(ada, 'connections', (value) => value === 2);
    await waitForFigure(ada, 'round-trip', (value) => value > 0);
    await waitForFigure(ada, 'messages', (value) => value > 0);

    // How fast a burst goes is the machine's affair; without one the two windows make 12 messages a
    // second.
    await ada.click('#load');
    await waitForFigure(bob, 'messages', (value) => value > 60);
    await until(async () => {
      const echoed = /^([\d,]+) echoed/.exec(await textOf(ada.locator('#load-detail')));
      return echoed && Number(echoed[1].replaceAll(',', '')) > 128; // more than are on their way at once
    }, 'no echo was followed by another');
    await ada.click('#load');

    await bob.context().close();
    await ada.locator('.event', { hasText: 'Bob left' }).waitFor();
    await waitForFigure(ada, 'connections', (value) => value === 1);
    await ada.context().close();
    assert.deepEqual(pageErrors, []);
  });

  it('races ws and oxws under the same load', async () => {
    const ada = await openWindow('Ada');
    const bob = await openWindow('Bob');
    await ada.click('#race');
    await ada.locator('#race:disabled').waitFor();
    await bob.locator('.run.ws').waitFor();

    const result = ada.locator('#race-result:not(:empty)');
    await result.waitFor({ timeout: 60_000 });
    assert.match(
      await textOf(result),
      /^[\d.]+ times as many messages, [\d.]+ instead of [\d.]+ µs/
    );
    for (const page of [ada, bob]) {
      for (const name of ['ws', 'oxws']) {
        assert.match(
          await textOf(page.locator(`.run.${name}`)),
          new RegExp(`^${name}[\\d,]+ / s$`)
        );
      }
    }
    await ada.context().close();
    await bob.context().close();
    assert.deepEqual(pageErrors, []);
  });

  it('says what carries the connection, and what compression saves', async () => {
    const page = await openWindow('Dora');
    await page.locator('#carrier', { hasText: /engine|socket/ }).waitFor();
    await page.locator('#saved', { hasText: /^\d+ % of the bytes$/ }).waitFor();
    const { homepage } = require('../package.json');
    assert.equal(await page.locator('#source').getAttribute('href'), homepage);
    await page.context().close();
  });

  it('fits a screen of 320 pixels, and goes grey without a connection', async () => {
    const page = await openWindow('Emil');
    await page.setViewportSize({ width: 320, height: 640 });
    await page.locator('#saved', { hasText: '%' }).waitFor();
    const tooWide = await page.evaluate(() => {
      const isCut = (/** @type {Element} */ each) => each.scrollWidth > each.clientWidth + 1;
      const texts = document.querySelectorAll('h1, h2, p, dd, dt, button, label, .label');
      const cut = [...texts].filter((each) => each.clientWidth > 0 && isCut(each));
      const page = document.documentElement;
      return [...(isCut(page) ? ['the page'] : []), ...cut.map((each) => each.outerHTML)];
    });
    assert.deepEqual(tooWide, []);

    const opacity = () =>
      page.evaluate(() => {
        return getComputedStyle(/** @type {Element} */ (document.querySelector('.tiles'))).opacity;
      });
    assert.equal(await opacity(), '1');
    await page.click('#toggle');
    await page.locator('#state[data-state=closed]').waitFor();
    assert.equal(await opacity(), '0.5');
    await page.context().close();
  });

  it('reconnects after the connection was lost', async () => {
    const page = await openWindow('Cleo');
    for (const ws of demo.wss.clients) ws.terminate();
    await page.locator('#state[data-state=connecting]').waitFor();
    await page.locator('#state[data-state=open]').waitFor();
    await say(page, 'Back again');
    await page.locator('.line', { hasText: 'Back again' }).waitFor();

    await page.click('#toggle');
    await page.locator('#state[data-state=closed]').waitFor();
    await page.click('#toggle');
    await page.locator('#state[data-state=open]').waitFor();
    await page.context().close();
    assert.deepEqual(pageErrors, []);
  });
});

import puppeteer from 'puppeteer-core';
import { WebSocketServer } from 'ws';
import { close, track } from '../kit.mjs';
import { CHROMIUM_FLAGS, servePage, talkInPage } from '../page.mjs';

const { http, url } = await servePage(WebSocketServer);

const browser = await puppeteer.launch({
  args: CHROMIUM_FLAGS,
  executablePath: process.env.ECOSYSTEM_COMMAND
});
const log = track('puppeteer');
log('transport', new URL(browser.wsEndpoint()).protocol);
const page = await browser.newPage();
page.on('console', (message) => log('console', message.text()));
page.on('pageerror', (error) => log('pageerror', error.message));
const session = await page.createCDPSession();
await session.send('Network.enable');
const frames = track('frames in the page');
session.on('Network.webSocketFrameReceived', ({ response }) =>
  frames('received', response.opcode, response.payloadData)
);
session.on('Network.webSocketFrameSent', ({ response }) =>
  frames('sent', response.opcode, response.payloadData)
);

await page.goto(url);
log('title', await page.title());
log('evaluate', await page.evaluate((a, b) => a + b, 'ünï', 'cödé \u{1f600}'));
log('large', (await page.evaluate(() => 'x'.repeat(3_000_000))).length);
log('large back', await page.evaluate((text) => text.length, 'y'.repeat(2_000_000)));
log('screenshot', (await page.screenshot()).length > 1000);
await page.exposeFunction('fromThePage', (...args) => {
  log('exposed', ...args);
  return args.length;
});
log('call', await page.evaluate(() => globalThis.fromThePage(1, 'two', [3])));
log(
  'many',
  await Promise.all(Array.from({ length: 100 }, (_, i) => page.evaluate((n) => n * 2, i)))
);
await page.evaluate(() => console.log('logged', 1)).then(() => page.evaluate('1'));
await page
  .evaluate(() => {
    throw new Error('it failed');
  })
  .catch((error) => log('error', error.message.split('\n')[0]));

log('WebSocket of the page', await page.evaluate(talkInPage));

// Another connection to the same browser, then the browser goes away under both.
const other = await puppeteer.connect({ browserWSEndpoint: browser.wsEndpoint() });
log('pages seen by the other', (await other.pages()).length);
const gone = new Promise((resolve) => other.once('disconnected', resolve));
await browser.close();
await gone;
log('the other is disconnected');
await close(http);

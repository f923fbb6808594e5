import { chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { close, freePort, track } from '../kit.mjs';
import { CHROMIUM_FLAGS, servePage, talkInPage } from '../page.mjs';

const { http, url } = await servePage(WebSocketServer);
const launch = { args: CHROMIUM_FLAGS, executablePath: process.env.ECOSYSTEM_COMMAND };

/** Has a page talk to the server and listens to its frames. */
async function browse(name, browser) {
  const log = track(name);
  const page = await browser.newPage();
  const frames = track(`${name}, frames`);
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => frames('sent', payload));
    socket.on('framereceived', ({ payload }) => frames('received', payload));
    socket.on('close', () => frames('close'));
  });
  await page.goto(url);
  log('title', await page.title());
  log('large', (await page.evaluate(() => 'x'.repeat(1_000_000))).length);
  log('WebSocket of the page', await page.evaluate(talkInPage));
  await page.close();
}

// Through a pipe: no WebSocket of Node takes part.
const piped = await chromium.launch(launch);
await browse('pipe', piped);
await piped.close();

// Through the WebSocket of Chromium's DevTools.
const port = await freePort();
const owner = await chromium.launch({
  ...launch,
  args: [...CHROMIUM_FLAGS, `--remote-debugging-port=${port}`]
});
const devtools = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
await browse('DevTools', devtools);
await devtools.close();
await owner.close();

// Through a server of playwright.
const server = await chromium.launchServer({ ...launch, host: '127.0.0.1' });
const remote = await chromium.connect(server.wsEndpoint());
await browse('server', remote);
await remote.close();
await server.close();
await close(http);

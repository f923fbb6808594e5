import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { close, echo, freePort, listen, track } from '../kit.mjs';

const http = createServer((_request, response) => {
  response
    .setHeader('Content-Type', 'text/html')
    .end('<!doctype html><title>a page</title><h1>Hello</h1>');
});
const wss = new WebSocketServer({ perMessageDeflate: true, server: http });
wss.on('connection', echo('server'));
const url = `http://127.0.0.1:${await listen(http)}/`;

const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
const launch = { args, executablePath: process.env.ECOSYSTEM_COMMAND };

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
  log(
    'WebSocket of the page',
    await page.evaluate(
      async (address) => {
        const socket = new WebSocket(address);
        socket.binaryType = 'arraybuffer';
        const events = [];
        socket.onopen = () => {
          events.push(`open ${socket.extensions}`);
          socket.send('text');
          socket.send(new Uint8Array(100_000).fill(7));
          socket.send('x'.repeat(100_000));
        };
        socket.onmessage = ({ data }) => {
          events.push(typeof data === 'string' ? data.length : data.byteLength);
          if (events.length === 4) socket.close(4000, 'enough');
        };
        await new Promise((resolve) => {
          socket.onclose = ({ code, reason, wasClean }) => {
            resolve(events.push(code, reason, wasClean));
          };
        });
        return events;
      },
      url.replace('http', 'ws')
    )
  );
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
  args: [...args, `--remote-debugging-port=${port}`]
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

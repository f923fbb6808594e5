// A conversation for tracers to see. Copied beside the installs.

import { once } from 'node:events';
import { delay, noise } from './kit.mjs';

/**
 * Talks, compressed and not, over connections that each end closes.
 *
 * @param {any} WebSocket The class that `require('ws')` gives
 */
export async function traced(WebSocket) {
  for (const perMessageDeflate of [false, { threshold: 0 }]) {
    const wss = new WebSocket.Server({ host: '127.0.0.1', perMessageDeflate, port: 0 });
    await once(wss, 'listening');
    wss.on('connection', (peer) => {
      peer.on('message', (data, isBinary) => {
        if (String(data) === 'close') peer.close(4001, 'enough');
        else peer.send(data, { binary: isBinary });
      });
    });
    for (const closes of ['client', 'server']) {
      const url = `ws://127.0.0.1:${wss.address().port}/path`;
      const ws = new WebSocket(url, { perMessageDeflate });
      await once(ws, 'open');
      for (const data of ['text', Buffer.from('bytes'), 'x'.repeat(50_000), noise(100)]) {
        ws.send(data);
        await once(ws, 'message');
        await delay(30);
      }
      if (closes === 'client') ws.close(4000, 'enough');
      else ws.send('close');
      await once(ws, 'close');
    }
    wss.close();
    await once(wss, 'close');
  }
  await delay(200);
}

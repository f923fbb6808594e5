// What vitest runs, in each of its pools.

import WebSocket, { WebSocketServer } from 'oxws';
import { expect, test } from 'vitest';

test('a message comes back', async () => {
  const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
  await new Promise((resolve) => wss.on('listening', resolve));
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  ws.on('open', () => ws.send('there and back'));
  const data = await new Promise((resolve) => ws.on('message', resolve));
  expect(String(data)).toBe('there and back');
  ws.close();
  await new Promise((resolve) => wss.close(resolve));
  console.log(JSON.stringify({ binding: WebSocket.binding, failures: [] }));
});

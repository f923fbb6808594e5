// What a route of a server does: sends a message to and fro, compressed, and says what carried it.

import WebSocket, { WebSocketServer } from 'ws';

/** @return {Promise<{ binding: string, text: string }>} What came of it */
export async function converse() {
  const wss = new WebSocketServer({ port: 0, perMessageDeflate: { threshold: 0 } });
  wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
  await new Promise((resolve) => wss.on('listening', resolve));
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  ws.on('open', () => ws.send('there and back'));
  const data = await new Promise((resolve, reject) => {
    ws.on('message', resolve);
    ws.on('error', reject);
  });
  ws.close();
  wss.close();
  return { binding: WebSocket.binding, text: data.toString() };
}

// What TypeScript is run without being compiled before.

import type { RawData } from 'oxws';

import WebSocket = require('oxws');

const wss = new WebSocket.WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
  const { port } = wss.address() as { port: number };
  const ws = new WebSocket(`ws://127.0.0.1:${port}`);
  ws.on('message', (data: RawData) => {
    const failures = String(data) === 'there' ? [] : [`lost the message: ${data}`];
    console.log(JSON.stringify({ binding: WebSocket.binding, failures }));
    ws.close();
    wss.close();
  });
});
wss.on('connection', (ws) => ws.send('there'));

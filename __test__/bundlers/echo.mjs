// What is bundled: sends a message to and fro, compressed, and says what carried it.

import WebSocket, { WebSocketServer } from 'ws';

const wss = new WebSocketServer({ port: 0, perMessageDeflate: { threshold: 0 } }, () => {
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  ws.on('open', () => ws.send('there and back'));
  ws.on('message', (data) => {
    console.log(JSON.stringify({ binding: WebSocket.binding, text: data.toString() }));
    ws.close();
    wss.close();
  });
});
wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));

// What is bundled for Node: sends a message to and fro, and prints it.

import WebSocket, { WebSocketServer } from 'oxws';

const wss = new WebSocketServer({ port: 0 }, () => {
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  ws.on('open', () => ws.send('there and back'));
  ws.on('message', (data) => {
    console.log(data.toString());
    ws.close();
    wss.close();
  });
});
wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));

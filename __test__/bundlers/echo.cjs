// As echo.mjs, by require().

const WebSocket = require('ws');

const wss = new WebSocket.Server({ port: 0, perMessageDeflate: { threshold: 0 } }, () => {
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);
  ws.on('open', () => ws.send('there and back'));
  ws.on('message', (data) => {
    console.log(JSON.stringify({ binding: WebSocket.binding, text: data.toString() }));
    ws.close();
    wss.close();
  });
});
wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));

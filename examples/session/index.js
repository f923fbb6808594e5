'use strict';

// WebSockets for those who have logged in with Express: the handshake is an HTTP request, so it
// carries the cookie of the session. Logging out ends the connections of that session.

const { randomBytes } = require('node:crypto');
const { createServer, ServerResponse } = require('node:http');
const path = require('node:path');
const express = require('express');
const session = require('express-session');
const { WebSocketServer } = require('oxws');

const app = express();
const server = createServer(app);
const wss = new WebSocketServer({ noServer: true });

/** Connections by the id of their session: one person may have several windows. */
const connections = new Map();

const withSession = session({
  cookie: { httpOnly: true, sameSite: 'strict' },
  resave: false,
  saveUninitialized: false,
  secret: randomBytes(32).toString('hex') // of your own, and the same after a restart, in earnest
});

app.use(withSession, express.json());

app.get('/', (_request, response) => {
  response.sendFile(path.join(__dirname, 'page.html'));
});

app.post('/login', (request, response, next) => {
  const name = String(request.body?.name ?? '').trim();
  if (name === '') return response.status(400).end();
  // A new id, so that nobody can use one that was known before.
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.name = name;
    response.json({ name });
  });
});

app.post('/logout', (request, response, next) => {
  const { id } = request.session;
  request.session.destroy((error) => {
    if (error) return next(error);
    for (const ws of connections.get(id) ?? []) ws.close(4001, 'Logged out');
    response.status(204).end();
  });
});

server.on('upgrade', (request, socket, head) => {
  socket.on('error', console.error);

  withSession(request, new ServerResponse(request), () => {
    if (request.session?.name === undefined) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
      return;
    }
    socket.off('error', console.error);
    wss.handleUpgrade(request, socket, head, (ws) => wss.emit('connection', ws, request));
  });
});

wss.on('connection', (ws, { session: { id, name } }) => {
  const own = connections.get(id) ?? new Set();
  connections.set(id, own.add(ws));

  ws.on('error', console.error);
  ws.on('close', () => {
    own.delete(ws);
    if (own.size === 0) connections.delete(id);
  });
  ws.on('message', (data) => ws.send(`${name}, you said: ${data}`));
  ws.send(`Welcome, ${name}`);
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`);
});

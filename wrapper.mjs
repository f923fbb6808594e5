// The package for `import`: the class `WebSocket` as default, everything as named exports.
//
// All of it comes from `index.js`, so that `WebSocket.Server` and its like are there, too: with ws
// they are only once somebody has called `require()`.

import WebSocket from './index.js';

export const {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  subprotocol,
  WebSocketServer
} = WebSocket;
export { WebSocket };
export default WebSocket;

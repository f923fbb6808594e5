// What oxws declares beyond `@types/ws`, and what it refuses, in an ECMAScript module.

import * as namespace from 'oxws';
import WebSocket, {
  type ConnectionOptions,
  createWebSocketStream,
  type ErrorCode,
  extension,
  WebSocket as Named,
  PerMessageDeflate,
  Receiver,
  Sender,
  type SendOptions,
  subprotocol,
  WebSocketServer
} from 'oxws';

// Each export of wrapper.mjs, and no other value.

type Values =
  | 'createWebSocketStream'
  | 'default'
  | 'extension'
  | 'PerMessageDeflate'
  | 'Receiver'
  | 'Sender'
  | 'subprotocol'
  | 'WebSocket'
  | 'WebSocketServer';
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
const same: Same<keyof typeof namespace, Values> = true;
const identical: typeof WebSocket = Named;
new WebSocket.Server({ noServer: true }).close();

const options: ConnectionOptions = { closeTimeout: 0, maxPendingAutoPongs: 0 };
const send: SendOptions = { fin: true };
const code: ErrorCode = 'WS_ERR_TOO_MANY_BUFFERED_PARTS';
const ws = new WebSocket('ws://127.0.0.1', { ...options, protocols: 'chat' });
ws.binaryType = 'blob';
ws.on('message', (data, isBinary) => isBinary && (data as unknown as Blob).size);
ws.send('x', send);
createWebSocketStream(ws, { allowHalfOpen: false }).resume();
new WebSocketServer({ noServer: true, ...options }).close();
new Receiver({ isServer: true }).on('error', (error) => error.code === code);
Sender.frame('text', { opcode: 1, fin: true })[0]?.length;
new PerMessageDeflate().params?.server_no_context_takeover;
extension.format(extension.parse('a; b=1, a; c'));
subprotocol.parse('a').has('a');

class Connection extends WebSocket {
  declare readonly extra?: string;
}
new WebSocketServer<typeof Connection>({ noServer: true, WebSocket: Connection }).on(
  'connection',
  (connection) => connection.extra
);

// What is refused.

// @ts-expect-error: no named export of this name, as in ws; `Server` is a type here
new namespace.Server({ noServer: true });
// @ts-expect-error: an unknown error code
const unknown: ErrorCode = 'WS_ERR_UNKNOWN';
// @ts-expect-error: no such option
new Receiver({ maxPaylod: 1 });
// @ts-expect-error: not a function without new
WebSocket('ws://127.0.0.1');
// @ts-expect-error: not the name of an extension
PerMessageDeflate.extensionName = 'x';

export { identical, same, unknown };

// Brokers.

import type { Broker, BrokerHandlers } from 'oxws';
import { createNatsBroker, type JetStream } from 'oxws/nats';
import { createRedisBroker } from 'oxws/redis';

declare const client: Parameters<typeof createRedisBroker>[0];
declare const connection: Parameters<typeof createNatsBroker>[0];
declare const jetstream: JetStream;
const brokers: Broker[] = [
  createRedisBroker(client, { prefix: 'a' }),
  createRedisBroker(client, { stream: 'a', maxLength: 100 }),
  createNatsBroker(connection, { jetstream, stream: 'a' }),
  createNatsBroker(connection)
];
const own: Broker = {
  listen: ({ message, error }: BrokerHandlers) => {
    message('topic', new Uint8Array());
    error(new Error());
  },
  publish: async (_topic, payload, isBinary) => [payload.length, isBinary],
  subscribe() {},
  unsubscribe() {}
};
const scaled = new WebSocketServer({ broker: own, noServer: true });
scaled.on('brokerError', (error) => error.lost?.toFixed());
// @ts-expect-error
createRedisBroker({});
// @ts-expect-error
new WebSocketServer({ broker: {}, noServer: true });
brokers.push(own);

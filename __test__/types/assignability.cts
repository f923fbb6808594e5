// Each type of `@types/ws` 8.18.2 against ours, in both directions.
//
// What `@types/ws` has wrong, so that ours can't go where theirs is expected:
// - `ClientOptions.checkServerIdentity` returns an error or nothing (`tls.connect()`), not a
//   boolean;
// - `PerMessageDeflateOptions`: `clientMaxWindowBits` and `serverMaxWindowBits` may be `false`, and
//   so `ServerOptions` and `ClientOptions` may name it.
//
// And so that theirs can't go where ours is expected: the class lacks `extension`, `Receiver`,
// `PerMessageDeflate`, `Sender` and `subprotocol`, and so the server's option `WebSocket` does.
//
// Connections go both ways, and a server of ours goes where one of theirs is expected, so that oxws
// works with packages that are typed against `@types/ws`.

import type Ours = require('oxws');
import type Theirs = require('ws');

/** Whether a value of type `From` may be used where one of type `To` is expected. */
type Assignable<From, To> = [From] extends [To] ? true : false;

/** Whether values may go both ways. */
type Mutual<A, B> = Assignable<A, B> extends true ? Assignable<B, A> : false;

const mutual: {
  AddressInfo: Mutual<Ours.AddressInfo, Theirs.AddressInfo>;
  CertMeta: Mutual<Ours.CertMeta, Theirs.CertMeta>;
  CloseEvent: Mutual<Ours.CloseEvent, Theirs.CloseEvent>;
  Data: Mutual<Ours.Data, Theirs.Data>;
  ErrorEvent: Mutual<Ours.ErrorEvent, Theirs.ErrorEvent>;
  Event: Mutual<Ours.Event, Theirs.Event>;
  EventListenerOptions: Mutual<Ours.EventListenerOptions, Theirs.EventListenerOptions>;
  FinishRequestCallback: Mutual<Ours.FinishRequestCallback, Theirs.FinishRequestCallback>;
  MessageEvent: Mutual<Ours.MessageEvent, Theirs.MessageEvent>;
  RawData: Mutual<Ours.RawData, Theirs.RawData>;
  VerifyClientCallbackAsync: Mutual<
    Ours.VerifyClientCallbackAsync,
    Theirs.VerifyClientCallbackAsync
  >;
  VerifyClientCallbackSync: Mutual<Ours.VerifyClientCallbackSync, Theirs.VerifyClientCallbackSync>;
  WebSocket: Mutual<Ours, Theirs>;
  WebSocketEventMap: Mutual<Ours.WebSocketEventMap, Theirs.WebSocketEventMap>;
  createWebSocketStream: Mutual<
    typeof Ours.createWebSocketStream,
    typeof Theirs.createWebSocketStream
  >;
} = {
  AddressInfo: true,
  CertMeta: true,
  CloseEvent: true,
  Data: true,
  ErrorEvent: true,
  Event: true,
  EventListenerOptions: true,
  FinishRequestCallback: true,
  MessageEvent: true,
  RawData: true,
  VerifyClientCallbackAsync: true,
  VerifyClientCallbackSync: true,
  WebSocket: true,
  WebSocketEventMap: true,
  createWebSocketStream: true
};

const fromTheirs: {
  ClientOptions: Assignable<Theirs.ClientOptions, Ours.ClientOptions>;
  PerMessageDeflateOptions: Assignable<
    Theirs.PerMessageDeflateOptions,
    Ours.PerMessageDeflateOptions
  >;
} = { ClientOptions: true, PerMessageDeflateOptions: true };

const fromOurs: {
  ClientOptions: Assignable<
    Omit<Ours.ClientOptions, 'checkServerIdentity' | 'perMessageDeflate'>,
    Theirs.ClientOptions
  >;
  Constructor: Assignable<typeof Ours, typeof Theirs>;
  PerMessageDeflateOptions: Assignable<
    Omit<Ours.PerMessageDeflateOptions, 'clientMaxWindowBits' | 'serverMaxWindowBits'>,
    Theirs.PerMessageDeflateOptions
  >;
  Server: Assignable<Ours.Server, Theirs.Server>;
  ServerOptions: Assignable<Omit<Ours.ServerOptions, 'perMessageDeflate'>, Theirs.ServerOptions>;
  WebSocketServer: Assignable<Ours.WebSocketServer, Theirs.WebSocketServer>;
} = {
  ClientOptions: true,
  Constructor: true,
  PerMessageDeflateOptions: true,
  Server: true,
  ServerOptions: true,
  WebSocketServer: true
};

/** The list above: this fails once `@types/ws` has caught up. */
const wrong: {
  checkServerIdentity: Assignable<
    Pick<Ours.ClientOptions, 'checkServerIdentity'>,
    Pick<Theirs.ClientOptions, 'checkServerIdentity'>
  >;
  clientMaxWindowBits: Assignable<
    Ours.PerMessageDeflateOptions['clientMaxWindowBits'],
    Theirs.PerMessageDeflateOptions['clientMaxWindowBits']
  >;
  Constructor: Assignable<typeof Theirs, typeof Ours>;
  serverMaxWindowBits: Assignable<
    Ours.PerMessageDeflateOptions['serverMaxWindowBits'],
    Theirs.PerMessageDeflateOptions['serverMaxWindowBits']
  >;
} = {
  checkServerIdentity: false,
  clientMaxWindowBits: false,
  Constructor: false,
  serverMaxWindowBits: false
};

/** Each value that theirs exports, ours exports. */
type Missing = Exclude<keyof typeof Theirs, keyof typeof Ours>;
const missing: [Missing] extends [never] ? true : false = true;

export { fromOurs, fromTheirs, missing, mutual, wrong };

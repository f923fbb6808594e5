// The module face of `@types/ws` 8.18.2 against ours: each name that it exports, we export.

import type * as ours from 'oxws';
import type {
  AddressInfo,
  CertMeta,
  ClientOptions,
  CloseEvent,
  Data,
  ErrorEvent,
  Event,
  EventListenerOptions,
  FinishRequestCallback,
  MessageEvent,
  PerMessageDeflateOptions,
  RawData,
  Server,
  ServerOptions,
  VerifyClientCallbackAsync,
  VerifyClientCallbackSync
} from 'oxws';
import type * as theirs from 'ws';

type Missing = Exclude<keyof typeof theirs, keyof typeof ours>;
const missing: [Missing] extends [never] ? true : false = true;

/** Uses each name, so that the compiler looks it up. */
interface Names {
  AddressInfo: AddressInfo;
  CertMeta: CertMeta;
  ClientOptions: ClientOptions;
  CloseEvent: CloseEvent;
  Data: Data;
  ErrorEvent: ErrorEvent;
  Event: Event;
  EventListenerOptions: EventListenerOptions;
  FinishRequestCallback: FinishRequestCallback;
  MessageEvent: MessageEvent;
  PerMessageDeflateOptions: PerMessageDeflateOptions;
  RawData: RawData;
  Server: Server;
  ServerOptions: ServerOptions;
  VerifyClientCallbackAsync: VerifyClientCallbackAsync;
  VerifyClientCallbackSync: VerifyClientCallbackSync;
}

const fromTheirs: theirs.ClientOptions extends ours.ClientOptions ? true : false = true;
const instance: theirs.WebSocket extends ours.WebSocket ? true : false = true;

export { fromTheirs, instance, missing, type Names };

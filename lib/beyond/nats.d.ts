import { Broker } from '../..';

/** What is needed of a connection that `connect()` of `@nats-io/transport-node` gives. */
export interface NatsConnection {
  publish(subject: string, payload?: unknown): void;
  subscribe(subject: string, options?: unknown): unknown;
  status(): AsyncIterable<unknown>;
  isClosed(): boolean;
  flush(): Promise<void>;
}

export interface NatsBrokerOptions {
  /** What comes before a topic in its subject. @default '' */
  prefix?: string | undefined;
}

/**
 * Makes a broker of a connection to NATS, for the option `broker` of `WebSocketServer`.
 *
 * @param connection The connection. It stays the caller's: to be closed after the servers.
 * @throws {TypeError} If it's no connection, or the prefix is no string
 */
export function createNatsBroker(connection: NatsConnection, options?: NatsBrokerOptions): Broker;

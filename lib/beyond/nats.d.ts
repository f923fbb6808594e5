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
  /** What `jetstream()` of `@nats-io/jetstream` gave for the connection. */
  jetstream?: JetStream | undefined;
  /**
   * The name of a stream of JetStream that keeps the subjects: a process that has had no connection
   * for some time gets what it has missed.
   */
  stream?: string | undefined;
}

/** What is needed of a client that `jetstream()` of `@nats-io/jetstream` gives. */
export interface JetStream {
  publish(subject: string, payload?: unknown): Promise<unknown>;
  jetstreamManager(): Promise<unknown>;
  consumers: { get(stream: string, options?: object): Promise<unknown> };
}

/**
 * Makes a broker of a connection to NATS, for the option `broker` of `WebSocketServer`.
 *
 * @param connection The connection. It stays the caller's: to be closed after the servers.
 * @throws {TypeError} If it's no connection, or an option is of the wrong type
 */
export function createNatsBroker(connection: NatsConnection, options?: NatsBrokerOptions): Broker;

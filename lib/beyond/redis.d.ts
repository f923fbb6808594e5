import { Broker } from '../..';

/** What is needed of a client of `redis` or `ioredis`. */
export interface RedisClient {
  publish(channel: unknown, message: unknown): Promise<unknown>;
  duplicate(...options: unknown[]): unknown;
}

export interface RedisBrokerOptions {
  /** What comes before a topic in the name of its channel. @default '' */
  prefix?: string | undefined;
  /**
   * The key of a stream that messages go through instead of channels: a process that has had no
   * connection for some time gets what it has missed.
   */
  stream?: string | undefined;
  /** About how many messages the stream keeps, the latest ones. @default 10000 */
  maxLength?: number | undefined;
}

/**
 * Makes a broker of a client of Redis, for the option `broker` of `WebSocketServer`.
 *
 * @param client A client of `redis` (4 or newer) or `ioredis` (5 or newer). It stays the caller's:
 *   to be connected, and to be closed after the servers. A duplicate of it subscribes; another one
 *   publishes, where it is of `ioredis`.
 * @throws {TypeError} If the client is neither, or an option is of the wrong type
 * @throws {RangeError} If `maxLength` is no positive integer
 */
export function createRedisBroker(client: RedisClient, options?: RedisBrokerOptions): Broker;

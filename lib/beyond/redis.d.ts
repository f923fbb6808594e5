import { Broker } from '../..';

/** What is needed of a client of `redis` or `ioredis`. */
export interface RedisClient {
  publish(channel: unknown, message: unknown): Promise<unknown>;
  duplicate(...options: unknown[]): unknown;
}

export interface RedisBrokerOptions {
  /** What comes before a topic in the name of its channel. @default '' */
  prefix?: string | undefined;
}

/**
 * Makes a broker of a client of Redis, for the option `broker` of `WebSocketServer`.
 *
 * @param client A client of `redis` (4 or newer) or `ioredis` (5 or newer), which messages are
 *   published by. It stays the caller's: to be connected, and to be closed after the servers. A
 *   duplicate of it subscribes.
 * @throws {TypeError} If the client is neither, or the prefix is no string
 */
export function createRedisBroker(client: RedisClient, options?: RedisBrokerOptions): Broker;

import { Broker } from '../..';

export interface ThreadBrokerOptions {
  /** Brokers of the same name share their topics. @default '' */
  name?: string | undefined;
}

/**
 * Makes a broker between the worker threads of this process, for the option `broker` of
 * `WebSocketServer`: each thread makes one.
 *
 * @throws {TypeError} If the name is no string
 */
export function createThreadBroker(options?: ThreadBrokerOptions): Broker;

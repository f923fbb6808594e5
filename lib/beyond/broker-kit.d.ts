import { Broker } from '../..';

/** What is tested. */
export interface BrokerSubject {
  /** Makes a broker. All that it makes are connected, as those of several processes are. */
  create(): Promise<Broker>;
  /** Ends what was made, after the servers are closed. */
  end?(): Promise<void>;
}

/**
 * Declares the tests that every broker has to pass, for `node --test`.
 *
 * @param name What the broker is
 * @param prepare Called for each test
 */
export function testBroker(name: string, prepare: () => Promise<BrokerSubject>): void;

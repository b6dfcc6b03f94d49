import dns from 'node:dns';

/** A host name whose address a test can change; other names are not affected. */
export interface MovingName {
  address: string;
  /** How often it was looked up. */
  readonly lookups: number;
  release(): void;
}

/**
 * Replaces the one function with which grpc-js looks names up; the machine's own
 * resolver is not changed.
 */
export function overrideName(name: string, address: string): MovingName {
  const { lookup } = dns.promises;
  const moving = {
    address,
    lookups: 0,
    release: () => {
      dns.promises.lookup = lookup;
    },
  };
  const moved = async (host: string, ...rest: [never]) => {
    if (host !== name) return lookup(host, ...rest);
    moving.lookups += 1;
    return [{ address: moving.address, family: 4 }];
  };
  dns.promises.lookup = moved as unknown as typeof lookup;
  return moving;
}

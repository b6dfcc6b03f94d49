import dns from 'node:dns';

/** A host name whose address changes on order, while every other name stays as it is. */
export interface MovingName {
  address: string;
  /** Times it was looked up. */
  readonly lookups: number;
  release(): void;
}

/**
 * Stands in for the machine's own resolver at the one function that grpc-js
 * looks names up with; nothing of the machine is changed.
 */
export function takeName(name: string, address: string): MovingName {
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

import { lookup as dnsLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

const notPublicV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
/** Within global unicast: addresses that hold an IPv4 address, or are for documents. */
const notPublicV6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const refusedV4 = new BlockList();
for (const [net, prefix] of notPublicV4) refusedV4.addSubnet(net, prefix, 'ipv4');
const refusedV6 = new BlockList();
for (const [net, prefix] of notPublicV6) refusedV6.addSubnet(net, prefix, 'ipv6');
/** All of IPv6 that is routed to the public today. What maps or translates IPv4 is outside of it. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** Whether an IP address is one of the public internet: no private, local, shared or translated one. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refusedV4.check(address, 'ipv4');
    case 6:
      return (
        !address.includes('%') &&
        globalUnicast.check(address, 'ipv6') &&
        !refusedV6.check(address, 'ipv6')
      );
    default:
      return false;
  }
}

/** The failure of a name that does not lead to the public internet. */
export class NotPublicError extends Error {
  override readonly name = 'NotPublicError';
}

/** Resolves a name to every address that it has. */
export type Resolve = (
  host: string,
  callback: (
    error: Error | null,
    addresses: readonly { readonly address: string; readonly family: number }[],
  ) => void,
) => void;

const resolveByDns: Resolve = (host, callback) => dnsLookup(host, { all: true }, callback);

/**
 * The lookup of a connection that may only go to the public internet. The
 * addresses are judged here, where they are dialled: judged earlier, the name
 * could lead elsewhere by then.
 */
export function publicLookup(resolve: Resolve = resolveByDns): LookupFunction {
  return (host, { all }, callback) => {
    resolve(host, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) {
        callback(error ?? new Error('the name has no address'), '', 4);
      } else if (!addresses.every(({ address }) => isPublicAddress(address))) {
        callback(new NotPublicError('the name leads to an address that is not public'), '', 4);
      } else if (all === true) {
        callback(null, [...addresses]);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

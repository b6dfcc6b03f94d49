import { isIPv6 } from 'node:net';

const mappedIpv4 = /^::ffff:([0-9.]+)$/i;

/**
 * The address that connections are counted under. Of IPv6 the first 64 bits:
 * one machine may have all the addresses that share them.
 */
export function peerAddress(remoteAddress: string | undefined): string {
  if (remoteAddress === undefined) return 'unknown';
  const [, mapped] = mappedIpv4.exec(remoteAddress) ?? [];
  if (mapped !== undefined) return mapped;
  const [address = ''] = remoteAddress.split('%', 1);
  return isIPv6(address) ? `${networkOf(address)}::/64` : remoteAddress;
}

/** The first four groups, where `::` stands for as many zeros as are missing. */
function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 address at the end takes the place of two groups.
  const missing = 8 - groups.length - rest.length - (address.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array<string>(Math.max(missing, 0)).fill('0');
  const all = [...groups, ...zeros, ...rest];
  return all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':');
}

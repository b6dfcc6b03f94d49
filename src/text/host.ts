/** A network address as settings write it. */
export interface HostAndPort {
  readonly scheme: 'http' | 'https' | undefined;
  /** IPv6 in brackets. */
  readonly host: string;
  /** 1 … 65535. */
  readonly port: number;
}

const hostAndPort = /^(?:(https?):\/\/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$/;
const allAddresses: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);
const loopback = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|::1|\[::1\])$/i;

/** `host:port`, `http://host:port` or `https://host:port`; undefined for anything else. */
export function hostAndPortFromText(text: string): HostAndPort | undefined {
  const [, scheme, host = '', digits = ''] = hostAndPort.exec(text) ?? [];
  const port = Number(digits);
  if (host === '' || port < 1 || port > 65_535) return undefined;
  return { scheme: scheme as HostAndPort['scheme'], host, port };
}

/** Whether only this machine reaches a server that listens on this host. */
export function isLoopbackHost(host: string): boolean {
  return loopback.test(host);
}

/**
 * A host under which this machine reaches a server that listens on `host`, as a
 * URL takes it: a server that listens on all addresses is reached by loopback.
 */
export function reachableHost(host: string): string {
  const reachable = allAddresses.has(host) ? '127.0.0.1' : host;
  return hostInUrl(reachable);
}

/** A host as URLs take it: IPv6 in brackets. */
export function hostInUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/**
 * A host that a server can listen on, as Node takes it: a name, an IPv4 address,
 * or an IPv6 address without its brackets. Undefined for anything else, such as a host with a port.
 */
export function hostToListenOnFromText(text: string): string | undefined {
  const [, address = '', zone = ''] = /^\[?([^[\]%]+)(%[A-Za-z0-9._-]+)?\]?$/.exec(text) ?? [];
  const isNameOrAddress = /^(?:[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+)$/.test(address);
  const url = `http://${hostInUrl(address)}`;
  if (!isNameOrAddress || !URL.canParse(url)) return undefined;
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') + zone;
}

/** Where a gRPC service is, and whether the way there is encrypted. */
export interface UpstreamAddress {
  /** As grpc-js takes it: `dns:///host:port`. */
  readonly target: string;
  readonly isPlaintext: boolean;
}

const pattern = /^(?:(https?):\/\/)?((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5}))$/;

/**
 * `host:port` and `https://host:port` are TLS; only an explicit `http://` is not. The
 * credential is then sent in the clear: that is the operator's choice, for an
 * upstream on the same machine or behind a proxy that encrypts.
 *
 * @throws Error for anything else.
 */
export function upstreamAddressFromText(text: string): UpstreamAddress {
  const match = pattern.exec(text.trim().replace(/\/$/, ''));
  const [, scheme, hostAndPort = '', port = ''] = match ?? [];
  if (hostAndPort === '' || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error('an upstream address must be host:port or http://host:port');
  }
  return { target: `dns:///${hostAndPort}`, isPlaintext: scheme === 'http' };
}

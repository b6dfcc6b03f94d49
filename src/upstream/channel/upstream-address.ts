import { hostAndPortFromText } from '../../text/host.ts';

/** Where a gRPC service is, and whether the connection is encrypted. */
export interface UpstreamAddress {
  /** As grpc-js takes it: `dns:///host:port`. */
  readonly target: string;
  readonly isPlaintext: boolean;
}

/**
 * Reads the address of a gRPC service.
 *
 * `host:port` and `https://host:port` are TLS; only an explicit `http://` is
 * plaintext. The credential is then sent unencrypted: the operator's choice, for
 * an upstream on the same machine or behind a proxy that encrypts.
 *
 * @throws Error for anything else.
 */
export function upstreamAddressFromText(text: string): UpstreamAddress {
  const address = hostAndPortFromText(text.trim().replace(/\/$/, ''));
  if (address === undefined) {
    throw new Error('an upstream address must be host:port or http://host:port');
  }
  const { scheme, host, port } = address;
  return { target: `dns:///${host}:${port}`, isPlaintext: scheme === 'http' };
}

import type { IncomingHttpHeaders } from 'node:http';
import type { PresentedCredential } from '../callers/authenticator.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { isVisibleAscii } from '../text/visible-ascii.ts';

/**
 * The credential of a request, from `Authorization: Bearer …`, `Authorization:
 * Api-Key …` or `X-Api-Key: …`; undefined when there is none. How long it may be
 * is decided by the limit of all headers alone.
 *
 * @throws GatewayError `unauthenticated` for two that differ, or one that can't be read.
 */
export function presentedCredentialFromHeaders(
  headers: IncomingHttpHeaders,
): PresentedCredential | undefined {
  const { authorization } = headers;
  const apiKey = headers['x-api-key'];
  const inHeader = apiKey === undefined ? undefined : fromText('Api-Key', String(apiKey).trim());
  if (authorization === undefined) return inHeader;
  const match = /^(bearer|api-key) +(\S+) *$/i.exec(authorization);
  if (match === null) {
    throw new GatewayError('unauthenticated', 'Authorization must be Bearer and one credential');
  }
  const scheme = match[1]?.toLowerCase() === 'bearer' ? 'Bearer' : 'Api-Key';
  const presented = fromText(scheme, match[2] ?? '');
  if (inHeader === undefined || inHeader.text === presented.text) return presented;
  throw new GatewayError('unauthenticated', 'Authorization and X-Api-Key differ; send one of them');
}

function fromText(scheme: PresentedCredential['scheme'], text: string): PresentedCredential {
  if (isVisibleAscii(text)) return { scheme, text };
  throw new GatewayError('unauthenticated', 'the credential must be visible ASCII without spaces');
}

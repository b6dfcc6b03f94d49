import fc from 'fast-check';
import { apiKeysFile } from '../../support/api-keys.ts';
import { anonymousTenant, checkResponse, openFuzzedGateway, sealedIds } from '../fuzzed-gateway.ts';
import { openTarget, type FuzzTarget } from '../fuzz-target.ts';
import { oddHeaders, type OddHeaders } from '../odd-headers.ts';
import { InstantUpstream } from '../instant-upstream.ts';
import { KeptConnection } from '../kept-connection.ts';
import { createSurfaces } from '../surfaces.ts';

interface HeadersInput {
  /** Which of the two gateways: one with AUTH=none, and one with AUTH=keys. */
  readonly auth: 'none' | 'keys';
  readonly method: string;
  readonly path: string;
  readonly headers: OddHeaders;
  readonly body: string;
}

const id = sealedIds.seal(
  { upstreamId: 'upstream1', seed: 7n, acceptedAtMs: 1_800_000_000_000, form: 'native' },
  anonymousTenant,
);

const creates = fc.constantFrom(...createSurfaces).chain(({ path, bodies }) =>
  fc.record({
    method: fc.constant('POST'),
    path: fc.constant(path),
    body: fc.constantFrom(...bodies),
  }),
);
const reads = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'GET', 'OPTIONS'),
  path: fc.constantFrom(
    ...['', '/image', '/image?download=1', '/events', '?include=image'].map(
      (suffix) => `/operations/${id}${suffix}`,
    ),
    ...['/v1/models', '/', '/openapi.json', '/problems/not_found', '/livez', '/nowhere'],
  ),
  body: fc.constant(''),
});
const cancels = fc.record({
  method: fc.constant('POST'),
  path: fc.constantFrom(`/operations/${id}/cancel`, `/operations/${id}:cancel`, '/v1/tokens'),
  body: fc.constantFrom('', '{}', '{"scopes":["operations:read"],"ttlSeconds":60}'),
});

/** Headers that the gateway reads, over a real socket, before callers that are known and that are not. */
export const headers: FuzzTarget = {
  name: 'headers',
  share: 0.1,
  async open() {
    const upstream = new InstantUpstream();
    const keys = await apiKeysFile({ shop: {} });
    const gateways = {
      none: await openFuzzedGateway({ CORS_ORIGINS: 'https://example.org' }, upstream),
      keys: await openFuzzedGateway({ AUTH: 'keys', API_KEYS_FILE: keys.path }, upstream),
    };
    const clients = {
      none: new KeptConnection(gateways.none.origin),
      keys: new KeptConnection(gateways.keys.origin),
    };
    return openTarget<HeadersInput>({
      inputs: fc
        .tuple(
          fc.constantFrom<'none' | 'keys'>('none', 'none', 'none', 'keys'),
          fc.oneof(creates, reads, cancels),
          oddHeaders,
        )
        .map(([auth, request, given]) => ({ auth, ...request, headers: given })),
      async check({ auth, method, path, headers: given, body }) {
        const spentBefore = upstream.spent;
        const hasBody = body !== '';
        const response = await clients[auth].send({
          method,
          path,
          headers: {
            ...(hasBody && {
              'content-type': 'application/json',
              'content-length': String(Buffer.byteLength(body, 'latin1')),
            }),
            ...given,
          },
          ...(hasBody && { body: Buffer.from(body, 'latin1') }),
        });
        const spent = upstream.spent - spentBefore;
        checkResponse(response, { method, path, spent }, gateways[auth].takeViolations());
      },
      async close() {
        clients.none.close();
        clients.keys.close();
        await gateways.none.close();
        await gateways.keys.close();
        await keys.remove();
      },
    });
  },
};

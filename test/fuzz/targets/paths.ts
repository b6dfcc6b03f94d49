import fc, { type Arbitrary } from 'fast-check';
import { anyBytes, mutatedTexts } from '../byte-mutation.ts';
import { anonymousTenant, checkResponse, openFuzzedGateway, sealedIds } from '../fuzzed-gateway.ts';
import type { OperationForm } from '../../../src/operations/operation-id.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { InstantUpstream } from '../instant-upstream.ts';
import { KeptConnection } from '../kept-connection.ts';

interface PathInput {
  readonly method: string;
  readonly path: string;
}

function idOf(upstreamId: string, form: OperationForm, tenant = anonymousTenant): string {
  const seed = 9_007_199_254_740_993n;
  return sealedIds.seal({ upstreamId, seed, acceptedAtMs: 1_700_000_000_000, form }, tenant);
}

const own = [idOf('upstream1', 'native'), idOf('upstream2', 'vendor'), idOf('gone', 'native')];
const foreign = idOf('upstream1', 'native', 'k:shop');
const ids = [...own, foreign];

const pieces = fc.oneof(
  anyBytes,
  fc.constantFrom('%00', '%2F', '%2f..%2f', '%', '%zz', '%C0%AF', '%ED%A0%80', '%F0%9F%98%80'),
  fc.constantFrom(
    ':',
    '::',
    ':cancel',
    '/',
    '//',
    '/../',
    ';',
    '?',
    '#',
    '&',
    '=',
    '+',
    '@',
    '*',
    '.',
  ),
  fc.constantFrom('x'.repeat(1_000), 'op_', '__proto__', 'constructor', '%3Acancel', '\\'),
);
const id: Arbitrary<string> = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...ids) },
  { weight: 3, arbitrary: mutatedTexts(ids, { pieces, mutationsMax: 3, charactersMax: 3_000 }) },
);
const queries = [
  ...[
    '',
    '',
    '',
    '?',
    '?wait=0',
    '?wait=1',
    '?wait=NaN',
    '?wait=-1',
    '?wait=1e18',
    '?wait=Infinity',
  ],
  ...['?include=image', '?include=image&include=image', '?include=x', '?download=1', '?download=2'],
  ...[
    '?token=x',
    '?token=',
    '?token=x&token=y',
    '?unknown=1',
    '?__proto__=1',
    '?wait[]=1',
    '?a.b=c',
  ],
  ...['?wait=0.1', '?wait=00', '?wait=9'.padEnd(400, '9'), '?%', '?%zz=%', '?wait=%31', '?&&&=&'],
];
const query: Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...queries) },
  {
    weight: 1,
    arbitrary: mutatedTexts(queries.filter(Boolean), {
      pieces,
      mutationsMax: 3,
      charactersMax: 3_000,
    }),
  },
);
const operationPath = fc
  .tuple(
    fc.constantFrom('/operations/', '/operations/', '/v1/operations/'),
    id,
    fc.constantFrom('', '', '/image', '/events', '/cancel', ':cancel', '/', '/x', ':x'),
    query,
  )
  .map((parts) => parts.join(''));
const knownPaths = [
  ...['/', '/v1/images', '/v1/images/generations', '/foundationModels/v1/imageGenerationAsync'],
  ...['/v1/models', '/v1/models/yandex-art', '/v1/tokens', '/livez', '/readyz', '/openapi.json'],
  ...['/docs', '/docs/', '/docs/static/index.html', '/problems/not_found', '/playground.js'],
];
const otherPath = fc
  .tuple(mutatedTexts(knownPaths, { pieces, mutationsMax: 3, charactersMax: 3_000 }), query)
  .map((parts) => parts.join(''));

/** What a request line can hold once an HTTP parser let it through. */
function asRequestTarget(text: string): string {
  const visible = text.replace(/[^\x21-\x7e]/g, '').slice(0, 6_000);
  return visible.startsWith('/') ? visible : `/${visible}`;
}

/** Ids, paths and queries over a real socket: whatever is not ours is the same 404. */
export const paths: FuzzTarget = {
  name: 'paths',
  share: 0.1,
  async open() {
    const upstream = new InstantUpstream();
    const gateway = await openFuzzedGateway({}, upstream);
    const client = new KeptConnection(gateway.origin);
    return openTarget<PathInput>({
      inputs: fc.record({
        method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
        path: fc.oneof(
          { weight: 4, arbitrary: operationPath.map(asRequestTarget) },
          { weight: 1, arbitrary: otherPath.map(asRequestTarget) },
        ),
      }),
      async check({ method, path }) {
        const response = await client.send({ method, path });
        const asked = { method, path, spent: upstream.spent };
        checkResponse(response, asked, gateway.takeViolations());
        const segment = /^(?:\/v1)?\/operations\/([^/?#]+)(?:\/image|\/events)?(?:\?|$)/.exec(
          path,
        )?.[1];
        // Percent-encoding is another way to write the same id, and the vendor's cancel is a GET too.
        const named = segment && decodedOrSame(segment).replace(/:cancel$/, '');
        const isRead = method === 'GET' && response.status < 300;
        const isOwn = named !== undefined && own.includes(named);
        promise(!isRead || named === undefined || isOwn, `${path} reads an operation of its own`);
      },
      async close() {
        client.close();
        await gateway.close();
      },
    });
  },
};

function decodedOrSame(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

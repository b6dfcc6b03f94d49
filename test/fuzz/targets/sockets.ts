import fc from 'fast-check';
import { anyBytes, mutatedTexts } from '../byte-mutation.ts';
import { anonymousTenant, openFuzzedGateway, sealedIds, shortened } from '../fuzzed-gateway.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { InstantUpstream } from '../instant-upstream.ts';
import { exchangePieces } from '../../support/raw-exchange.ts';
import { KeptConnection } from '../kept-connection.ts';
import { createSurfaces } from '../surfaces.ts';

interface SocketInput {
  /** What is written to one connection, in latin1. */
  readonly text: string;
  /** Where it is divided into packets, as fractions of 1,000. */
  readonly splits: readonly number[];
}

const id = sealedIds.seal(
  { upstreamId: 'upstream1', seed: 7n, acceptedAtMs: 1_700_000_000_000, form: 'native' },
  anonymousTenant,
);

function lines(...all: readonly string[]): string {
  return `${all.join('\r\n')}\r\n\r\n`;
}

function post(path: string, body: string): string {
  const length = `Content-Length: ${body.length}`;
  return lines(`POST ${path} HTTP/1.1`, 'Host: a', 'Content-Type: application/json', length) + body;
}

const json = 'Content-Type: application/json';
const chunkedBody = '14\r\n{"prompt":"a red cat\r\n2\r\n"}\r\n0\r\n\r\n';
const requests = [
  ...createSurfaces.map(({ path, bodies: [body = ''] }) => post(path, body)),
  lines('POST /v1/images HTTP/1.1', 'Host: a', json, 'Transfer-Encoding: chunked') + chunkedBody,
  lines('POST /v1/images HTTP/1.1', 'Host: a', json, 'Expect: 100-continue', 'Content-Length: 2') +
    '{}',
  lines(`GET /operations/${id} HTTP/1.1`, 'Host: a'),
  lines(`GET /operations/${id}/image HTTP/1.1`, 'Host: a', 'Range: bytes=0-3', 'Accept: image/*'),
  lines(`GET /operations/${id}/events HTTP/1.1`, 'Host: a', 'Accept: text/event-stream'),
  lines(`HEAD /operations/${id}/image HTTP/1.1`, 'Host: a', 'Connection: keep-alive'),
  lines('GET / HTTP/1.0'),
  lines('GET http://a/livez HTTP/1.1', 'Host: a'),
  lines('OPTIONS * HTTP/1.1', 'Host: a'),
  lines('CONNECT a:443 HTTP/1.1', 'Host: a'),
  lines(
    'GET /livez HTTP/1.1',
    'Host: a',
    'Connection: Upgrade',
    'Upgrade: h2c',
    'HTTP2-Settings: AA',
  ),
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  '\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03',
];
const pipelined = requests.slice(0, 4).map((first) => first + (requests[5] ?? '') + first);
const pieces = fc.oneof(
  anyBytes,
  fc.constantFrom(
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    ': ',
    ' ',
    '\t',
    '\0',
    ' HTTP/1.1\r\n',
    ';a=b\r\n',
  ),
  fc.constantFrom(
    ...[
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Host: b\r\n',
      'Connection: close\r\n',
    ],
    ...[
      'Transfer-Encoding: gzip, chunked\r\n',
      'Content-Length: -1\r\n',
      'Content-Length: 1e3\r\n',
    ],
    ...['0\r\n\r\n', 'fffffffff\r\n', `X: ${'x'.repeat(9_000)}\r\n`, 'X: 1\r\n'.repeat(150)],
    ...['GET /livez HTTP/1.1\r\nHost: a\r\n\r\n', ' folded\r\n', 'Idempotency-Key: k\r\n'],
  ),
);

/** Every response on a connection must begin like one. */
function statusesOf(text: string): readonly number[] {
  promise(text === '' || /^HTTP\/1\.1 [1-5][0-9]{2} /.test(text), () => text.slice(0, 80));
  // An image may hold anything, but its bytes are known and hold no status line.
  return Array.from(text.matchAll(/HTTP\/1\.1 ([1-5][0-9]{2}) /g), ([, status]) => Number(status));
}

const askEvery = 64;

/** Bytes that were a request once, over a connection of their own. */
export const sockets: FuzzTarget = {
  name: 'sockets',
  share: 0.06,
  async open() {
    const upstream = new InstantUpstream();
    const gateway = await openFuzzedGateway({}, upstream);
    const client = new KeptConnection(gateway.origin);
    let inputs = 0;
    let creates = 0;
    return openTarget<SocketInput>({
      inputs: fc.record({
        text: mutatedTexts([...requests, ...pipelined], {
          pieces,
          mutationsMax: 5,
          charactersMax: 6_000,
        }),
        splits: fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 3 }),
      }),
      async check({ text, splits }) {
        const bytes = Buffer.from(text, 'latin1');
        const ends = [...splits, 1_000]
          .toSorted((a, b) => a - b)
          .map((split) => Math.round((split / 1_000) * bytes.length));
        const writes = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        const limits = { ends: true, limitMs: 30_000 };
        const { text: received } = await exchangePieces(gateway.origin.href, writes, limits);
        const statuses = statusesOf(received);
        const isOwnFailure = statuses.some((status) => status >= 500);
        promise(!isOwnFailure, () => received.slice(0, 800));
        // The one method that Node reads and Fastify's router responds to by itself: a bare 404.
        const violations = gateway.takeViolations().filter((text) => !text.startsWith('PRI '));
        promise(violations.length === 0, () => `broken contract: ${shortened(violations)}`);
        // Over all inputs: a create goes on behind a connection that was closed.
        creates += text.split(/\/v1\/images|imageGenerationAsync/).length - 1;
        const isSpentOnCreates = upstream.spent <= 10 * creates;
        promise(isSpentOnCreates, () => `${upstream.spent} paid for ${creates} creates`);
        inputs += 1;
        if (inputs % askEvery !== 0) return;
        const live = await client.send({ method: 'GET', path: '/livez' });
        promise(live.status === 200, `no longer alive: ${live.status}`);
      },
      async close() {
        client.close();
        await gateway.close();
      },
    });
  },
};

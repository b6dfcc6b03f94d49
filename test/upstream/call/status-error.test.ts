import { toBinary } from '@bufbuild/protobuf';
import { constants } from 'node:http2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { silenceGrpcLogger } from '../../../src/upstream/channel/silence-grpc-logger.ts';
import type { UpstreamClient } from '../../../src/upstream/upstream-client.ts';
import { runningOperation } from '../../support/fake-upstream.ts';
import * as raw from '../../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../../support/raw-upstream.ts';
import { catRequest, clientOf, failureOf } from '../../support/upstream-client.ts';

// grpc-js would write to standard error that it was asked to slow down.
silenceGrpcLogger({ debug: () => undefined, warn: () => undefined });

/** Far longer than a response takes on a busy machine. */
const patienceMs = 30_000;
/** For upstreams that stay silent. */
const silentMs = 300;

let upstream: RawUpstream;
let client: UpstreamClient;
let hasty: UpstreamClient;

beforeEach(async () => {
  upstream = await startRawUpstream();
  client = clientOf(upstream.address, { generateTimeoutMs: patienceMs, getTimeoutMs: patienceMs });
  hasty = clientOf(upstream.address, { generateTimeoutMs: silentMs, getTimeoutMs: silentMs });
});

afterEach(async () => {
  await client.close();
  await hasty.close();
  await upstream.close();
});

const accepted = toBinary(OperationSchema, runningOperation('fbv1'));
const tooManyPings = raw.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, Buffer.from('too_many_pings'));

/** What ends a call → the reason, and the gRPC code where the upstream itself sent it. */
type Row = [name: string, response: raw.RawResponse, reason: string, grpcCode?: string];

/** The upstream refused: nothing was spent. */
const refusals: Row[] = [
  ['INVALID_ARGUMENT', raw.status(3), 'invalid_request', 'INVALID_ARGUMENT'],
  ['NOT_FOUND', raw.status(5), 'upstream_error', 'NOT_FOUND'],
  ['ALREADY_EXISTS', raw.status(6), 'upstream_error', 'ALREADY_EXISTS'],
  ['PERMISSION_DENIED', raw.status(7), 'upstream_auth', 'PERMISSION_DENIED'],
  ['RESOURCE_EXHAUSTED', raw.status(8), 'quota_exceeded', 'RESOURCE_EXHAUSTED'],
  ['FAILED_PRECONDITION', raw.status(9), 'invalid_request', 'FAILED_PRECONDITION'],
  ['OUT_OF_RANGE', raw.status(11), 'invalid_request', 'OUT_OF_RANGE'],
  ['UNIMPLEMENTED', raw.status(12), 'upstream_error', 'UNIMPLEMENTED'],
  ['UNAUTHENTICATED', raw.status(16), 'upstream_auth', 'UNAUTHENTICATED'],
  ['a status after headers', raw.statusInTrailers(3), 'invalid_request', 'INVALID_ARGUMENT'],
  ['a page with 401', raw.html(401), 'upstream_auth'],
  ['a page with 403', raw.html(403), 'upstream_auth'],
  ['a page with 404', raw.html(404), 'upstream_error'],
];

/** The request may have been accepted. */
const unknowns: Row[] = [
  ['CANCELLED', raw.status(1), 'upstream_error', 'CANCELLED'],
  ['UNKNOWN', raw.status(2), 'upstream_error', 'UNKNOWN'],
  ['DEADLINE_EXCEEDED', raw.status(4), 'upstream_timeout', 'DEADLINE_EXCEEDED'],
  ['ABORTED', raw.status(10), 'upstream_error', 'ABORTED'],
  ['INTERNAL', raw.status(13), 'upstream_error', 'INTERNAL'],
  ['UNAVAILABLE', raw.status(14), 'upstream_unavailable', 'UNAVAILABLE'],
  ['DATA_LOSS', raw.status(15), 'upstream_error', 'DATA_LOSS'],
  ['the code 17', raw.status(17), 'bad_upstream_result', '17'],
  ['the code 99', raw.status(99), 'bad_upstream_result', '99'],
  ['the code -1', raw.status(-1), 'bad_upstream_result', '-1'],
  ['the code banana', raw.status('banana'), 'bad_upstream_result'],
  // A text that proves something when grpc-js writes it, and nothing when a server sends it.
  [
    'a relayed refusal',
    relayed('No connection established'),
    'upstream_unavailable',
    'UNAVAILABLE',
  ],
  ['OK without a message', raw.response([]), 'bad_upstream_result'],
  ['two messages', raw.response([accepted, accepted]), 'upstream_timeout'],
  ['bytes that are no operation', raw.ok(Buffer.of(255, 255)), 'bad_upstream_result'],
  ['a message of 64 KiB and a byte', raw.announce(65_537), 'upstream_message_too_large'],
  ['a gzip bomb', raw.gzipBomb(10_000_000), 'upstream_message_too_large'],
  ['broken gzip', raw.brokenGzip, 'bad_upstream_result'],
  ['gzip that is not announced', unannouncedGzip(), 'bad_upstream_result'],
  ['a length of 4 GiB', raw.announce(0xffff_ffff), 'bad_upstream_result'],
  ['a page with 200', raw.html(200), 'bad_upstream_result'],
  ['a page with 400', raw.html(400), 'upstream_error'],
  ['a page with 500', raw.html(500), 'upstream_error'],
  ['a page with 429', raw.html(429), 'upstream_unavailable'],
  ['a page with 502', raw.html(502), 'upstream_unavailable'],
  ['a page with 503', raw.html(503), 'upstream_unavailable'],
  ['a page with 504', raw.html(504), 'upstream_unavailable'],
  ['no trailers', raw.withoutTrailers(accepted), 'bad_upstream_result'],
  ['trailers without a status', raw.bytes(raw.frame(accepted), { a: 'b' }), 'upstream_error'],
  ['headers and silence', raw.hangAfterHeaders, 'upstream_timeout'],
  ['silence', raw.hang, 'upstream_timeout'],
  ['a reset with INTERNAL_ERROR', raw.reset(2), 'upstream_error'],
  ['a reset with PROTOCOL_ERROR', raw.reset(1), 'upstream_error'],
  ['a reset with CANCEL', raw.reset(8), 'upstream_error'],
  ['a reset with INADEQUATE_SECURITY', raw.reset(12), 'upstream_unavailable'],
  ['a reset with ENHANCE_YOUR_CALM', raw.enhanceYourCalm, 'upstream_unavailable'],
  ['a reset after headers', raw.reset(2, 'headers'), 'upstream_error'],
  ['a reset after half a message', raw.reset(2, 'half a message'), 'upstream_error'],
  ['a cut before the request', raw.cutAtOnce, 'upstream_unavailable'],
  ['a cut after the request', raw.cut('request'), 'upstream_unavailable'],
  ['a cut after headers', raw.cut('headers'), 'upstream_unavailable'],
  ['a cut after half a message', raw.cut('half a message'), 'upstream_unavailable'],
  ['GOAWAY and silence', raw.goaway(constants.NGHTTP2_NO_ERROR), 'upstream_timeout'],
  ['GOAWAY for too many pings', tooManyPings, 'upstream_unavailable'],
];

function relayed(words: string): raw.RawResponse {
  return raw.status(14, words);
}

function unannouncedGzip(): raw.RawResponse {
  return raw.bytes(raw.frame(accepted, { isCompressed: true }));
}

/** The client that gives up soon, for an upstream that never responds. */
function clientFor(reason: string, grpcCode: string | undefined): UpstreamClient {
  return reason === 'upstream_timeout' && grpcCode === undefined ? hasty : client;
}

describe('a Generate that ends with', () => {
  it.each(refusals)('%s was not started', async (_, response, reason, grpcCode) => {
    upstream.on('Generate', response);
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual([reason, 'not_started']);
    expect(error.upstream?.grpcCode).toBe(grpcCode);
    // A refusal of one request says nothing about those of others.
    if (grpcCode !== undefined) expect(error.isUpstreamFailure).toBe(false);
    expect([upstream.streamsOpened, upstream.spent]).toEqual([1, 0]);
  });

  it.each(unknowns)('%s may have been paid for', async (_, response, reason, grpcCode) => {
    upstream.on('Generate', response);
    const error = await failureOf(clientFor(reason, grpcCode).generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual([reason, 'unknown']);
    expect(error.upstream?.grpcCode).toBe(grpcCode);
    expect(upstream.streamsOpened).toBe(1);
  });

  it.each([
    ['no id', raw.ok(new Uint8Array())],
    [
      'an id too long to keep',
      raw.ok(toBinary(OperationSchema, runningOperation('x'.repeat(1_025)))),
    ],
  ])('OK and %s was paid for and is lost', async (_, response) => {
    upstream.on('Generate', response);
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['bad_upstream_result', 'unknown']);
    expect(upstream.spent).toBe(1);
  });

  it('REFUSED_STREAM was not started and is not sent again', async () => {
    upstream.refuseStreams(5);
    const error = await failureOf(client.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect([upstream.streamsOpened, upstream.spent]).toEqual([1, 0]);
  });

  it('a request that can not be serialized was not started', async () => {
    const request = catRequest();
    request.messages[0]!.weight = Number.NaN;
    request.generationOptions!.seed = 2n ** 63n;
    const error = await failureOf(client.generate(request));
    expect([error.reason, error.outcome]).toEqual(['internal_error', 'not_started']);
    expect(upstream.calls).toEqual([]);
  });

  it('a request over the size limit was not started', async () => {
    const request = catRequest();
    request.messages[0]!.text = 'a'.repeat(1_048_577);
    const error = await failureOf(client.generate(request));
    expect([error.reason, error.outcome]).toEqual(['payload_too_large', 'not_started']);
    expect(upstream.calls).toEqual([]);
  });

  it('no upstream at the address was not started', async () => {
    const { port } = upstream;
    await upstream.close();
    const unreachable = clientOf(`http://127.0.0.1:${port}`);
    const error = await failureOf(unreachable.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(error.retryAfterS).toBe(2);
    await unreachable.close();
    upstream = await startRawUpstream();
  });

  it('a name without an address was not started', async () => {
    const lost = clientOf('http://upstream.invalid:443');
    const error = await failureOf(lost.generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(error.detail).not.toContain('invalid');
    await lost.close();
  });
});

describe('an error', () => {
  it.each([...refusals, ...unknowns])(
    'for %s holds no address',
    async (_, response, reason, grpcCode) => {
      upstream.on('Get', response);
      // failureOf checks that.
      const error = await failureOf(clientFor(reason, grpcCode).getOperation('fbv1'));
      expect(error.detail).toMatch(/^(?:the upstream|the connection|a proxy|another service) /);
      expect(error.outcome).toBeUndefined();
    },
  );

  it('of the connection says when to try again', async () => {
    upstream.on('Get', raw.cut());
    for (const [fraction, retryAfterS] of [
      [0, 1],
      [0.5, 2],
      [0.999, 3],
    ] as const) {
      const other = clientOf(upstream.address, { random: () => fraction });
      expect((await failureOf(other.getOperation('fbv1'))).retryAfterS).toBe(retryAfterS);
      await other.close();
    }
  });

  it('holds no credential that the upstream quotes, in the log too', async () => {
    upstream.on('Get', raw.status(16, 'the key canary-credential is not known'));
    const error = await failureOf(client.getOperation('fbv1'));
    expect(String(error.cause)).toBe('Error: UNAUTHENTICATED: the key [redacted] is not known');
    expect(error.detail).toBe('the upstream does not accept the credentials of the gateway');
  });

  it('holds no prompt that the upstream quotes, in the log too', async () => {
    const request = catRequest();
    const [{ text } = { text: '' }] = request.messages;
    upstream.on('Generate', raw.status(13, `no image of «${text}» today`));
    const error = await failureOf(client.generate(request));
    expect(text).not.toBe('');
    expect(String(error.cause)).toBe('Error: INTERNAL: no image of «[prompt]» today');
  });
});

describe('a credential that stands in the text of an error', () => {
  const message = raw.announce(65_537);
  const quota = raw.status(8, 'Quota exceeded');
  it.each([
    ['Bearer x', message, 'upstream_message_too_large', 'unknown'],
    ['Api-Key Received', message, 'upstream_message_too_large', 'unknown'],
    ['Bearer e', raw.cut(), 'upstream_unavailable', 'unknown'],
    ['Bearer RST_STREAM', raw.reset(2), 'upstream_error', 'unknown'],
    ['Bearer HTTP', raw.html(503), 'upstream_unavailable', 'unknown'],
    ['Bearer message', raw.response([]), 'bad_upstream_result', 'unknown'],
    ['Bearer Quota', quota, 'quota_exceeded', 'not_started'],
    [
      'Bearer terms',
      raw.status(3, 'it may violate the terms of use'),
      'content_policy_violation',
      'not_started',
    ],
  ] as const)(
    'does not change what the error means: %s',
    async (authorization, response, ...expected) => {
      upstream.on('Generate', response);
      const error = await failureOf(client.generate(catRequest(), { authorization }));
      expect([error.reason, error.outcome]).toEqual(expected);
    },
  );

  it('is shown to no one', async () => {
    upstream.on('Generate', raw.status(8, 'no more for the key canary-own today'));
    const authorization = 'Bearer canary-own';
    const error = await failureOf(client.generate(catRequest(), { authorization }));
    expect(error.detail).toBe('no more for the key [redacted] today');
    expect(String(error.cause)).not.toContain('canary-own');
  });
});

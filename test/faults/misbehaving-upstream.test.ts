import { toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import {
  failedOperation,
  runningOperation,
  succeededOperation,
  tinyPng,
} from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';

let upstream: RawUpstream;
let gateway: Gateway;

beforeEach(async () => {
  upstream = await startRawUpstream();
  gateway = await startGateway({
    UPSTREAM_ADDRESS: upstream.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    GENERATE_TIMEOUT_MS: '500',
    GET_TIMEOUT_MS: '300',
    IMAGE_BYTES_MAX: '1500000',
  });
});

afterEach(async () => {
  await gateway.close();
  await upstream.close();
});

type Json = Record<string, unknown>;
const json = async (response: Response) => (await response.json()) as Json;
const operation = (bytes?: Uint8Array) =>
  toBinary(OperationSchema, succeededOperation('up1', bytes));
const accepted = raw.ok(toBinary(OperationSchema, runningOperation('up1')));
const running = accepted;
const gets = () => upstream.calls.filter(({ path }) => path.endsWith('/Get')).length;
const generates = () => upstream.calls.filter(({ path }) => path.endsWith('/Generate')).length;

/** A field of a wire message. */
function lengthDelimited(number: number, payload: Uint8Array): Buffer {
  const head = [number * 8 + 2];
  let { length } = payload;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), payload]);
}

async function created(): Promise<string> {
  upstream.on('Generate', accepted);
  return String((await json(await gateway.create({ prompt: 'a cat' })))['id']);
}

describe('a create', () => {
  it.each([
    ['INVALID_ARGUMENT', raw.status(3, 'bad'), 400, 'invalid_request', 'not_started'],
    [
      'moderation',
      raw.status(3, 'may violate the terms of usage'),
      422,
      'content_policy_violation',
      'not_started',
    ],
    ['UNAUTHENTICATED', raw.status(16, 'x'), 502, 'upstream_auth', 'not_started'],
    ['RESOURCE_EXHAUSTED', raw.status(8, 'x'), 429, 'quota_exceeded', 'not_started'],
    ['UNAVAILABLE', raw.status(14, 'x'), 503, 'upstream_unavailable', 'unknown'],
    ['INTERNAL', raw.status(13, 'x'), 502, 'upstream_error', 'unknown'],
    ['the code 99', raw.status(99, 'x'), 502, 'bad_upstream_result', 'unknown'],
    ['no id', raw.ok(new Uint8Array()), 502, 'bad_upstream_result', 'unknown'],
    ['a cut connection', raw.cutConnection, 503, 'upstream_unavailable', 'unknown'],
    ['silence', raw.hang, 504, 'upstream_timeout', 'unknown'],
  ])(
    'that ends with %s reports whether money was spent, and is sent once',
    async (_, bad, status, code, outcome) => {
      upstream.on('Generate', bad);
      const response = await gateway.create({ prompt: 'a cat' });
      const problem = await json(response);
      expect([response.status, problem['code'], problem['outcome']]).toEqual([
        status,
        code,
        outcome,
      ]);
      // An image that may be paid for is never reported retryable.
      const mayRetry = outcome === 'not_started' && status === 429;
      expect([problem['retryable'], response.headers.has('retry-after')]).toEqual([
        mayRetry,
        mayRetry,
      ]);
      expect(JSON.stringify(problem)).not.toMatch(/127\.0\.0\.1:(?!\d+\/(?:problems|v1))/);
      expect(generates()).toBe(1);
    },
  );

  it.each([
    ['NOT_FOUND', raw.status(5, 'no such thing')],
    ['ALREADY_EXISTS', raw.status(6, 'there is one')],
    ['UNIMPLEMENTED', raw.status(12, 'not with these options')],
    ['ABORTED', raw.status(10, 'a conflict')],
    ['PERMISSION_DENIED', raw.status(7, 'not this one')],
  ])(
    'that the upstream refuses with %s stops the creates of no other caller',
    async (_, refusal) => {
      upstream.on('Generate', refusal);
      for (let count = 0; count < 8; count += 1) {
        expect((await gateway.create({ prompt: 'a cat' })).status).toBe(502);
      }
      upstream.on('Generate', accepted);
      expect((await gateway.create({ prompt: 'a cat' })).status).toBe(202);
    },
  );

  it('that fails inside the upstream counts against it', async () => {
    upstream.on('Generate', raw.status(13, 'x'));
    for (let count = 0; count < 5; count += 1) await gateway.create({ prompt: 'a cat' });
    upstream.on('Generate', accepted);
    expect(await json(await gateway.create({ prompt: 'a cat' }))).toMatchObject({
      code: 'upstream_unavailable',
      outcome: 'not_started',
    });
  });

  it('continues after its caller has left, and its result is kept', async () => {
    upstream.on('Generate', accepted);
    upstream.on('Get', running);
    const caller = new AbortController();
    const request = gateway.fetch('/v1/images', {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30' },
      body: '{"prompt":"a cat"}',
      signal: caller.signal,
    });
    // The gateway polls once the upstream has accepted.
    await expect.poll(gets, { timeout: 10_000 }).toBeGreaterThan(0);
    caller.abort();
    await expect(request).rejects.toThrow();
    const line = () =>
      gateway.logLines
        .map((text) => JSON.parse(text) as Json)
        .find(({ route }) => route === '/v1/images');
    await expect.poll(line).toMatchObject({ outcome: 'accepted' });
    const id = String(line()?.['operationId']);
    upstream.on('Get', raw.ok(operation()));
    expect(await json(await gateway.fetch(`/operations/${id}?wait=5`))).toMatchObject({
      status: 'succeeded',
    });
    expect(generates()).toBe(1);
  });
});

describe('an image', () => {
  it.each([
    ['UNAVAILABLE', raw.status(14, 'x')],
    ['INTERNAL', raw.status(13, 'x')],
    ['a reset', raw.reset(2)],
    ['a cut connection', raw.cutConnection],
    ['silence', raw.hang],
    ['a web page', raw.html(502)],
    ['nothing', raw.ok(new Uint8Array())],
    ['another operation', raw.ok(toBinary(OperationSchema, succeededOperation('up2')))],
    ['bytes that are no protobuf', raw.ok(Buffer.from('ffffffff', 'hex'))],
    ['a gzip bomb', raw.gzipBomb(1_000_000)],
    ['a result that is no image', raw.ok(operation(Buffer.from('<svg onload=alert(1)>')))],
  ])('is served after a poll with %s', async (_, bad) => {
    const id = await created();
    upstream.on('Get', bad, raw.ok(operation()));
    const response = await gateway.fetch(`/operations/${id}/image?wait=20`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(bytes.equals(tinyPng)).toBe(true);
  });

  it('over the limit is a final failure that names the limit', async () => {
    const id = await created();
    upstream.on('Get', raw.ok(operation(Buffer.concat([tinyPng, Buffer.alloc(1_600_000)]))));
    const response = await gateway.fetch(`/operations/${id}/image?wait=5`);
    expect([response.status, (await json(response))['code']]).toEqual([
      502,
      'upstream_message_too_large',
    ]);
    expect(await json(await gateway.fetch(`/operations/${id}`))).toMatchObject({
      status: 'failed',
      error: { reason: 'upstream_message_too_large', retryable: false },
    });
  });

  it.each([
    ['one line', tinyPng.toString('base64')],
    ['lines as MIME has them', tinyPng.toString('base64').replace(/.{20}/g, '$&\r\n')],
    ['a line with white space behind it', `${tinyPng.toString('base64')} \r\n\r\n  `],
    ['the alphabet for URLs', tinyPng.toString('base64url')],
    ['a data URL', `data:image/png;base64,${tinyPng.toString('base64')}`],
  ])('that is sent as base64 text in %s is decoded', async (_, text) => {
    const id = await created();
    upstream.on('Get', raw.ok(operation(Buffer.from(text))));
    const response = await gateway.fetch(`/operations/${id}/image?wait=5`);
    expect(Buffer.from(await response.arrayBuffer()).equals(tinyPng)).toBe(true);
  });

  it('that is no image in repeated reads is a bad result', async () => {
    const id = await created();
    upstream.on('Get', raw.ok(operation(Buffer.from('<html><script>alert(1)</script>'))));
    const response = await gateway.fetch(`/operations/${id}/image?wait=20`);
    expect([response.status, (await json(response))['code']]).toEqual([502, 'bad_upstream_result']);
  });
});

describe('an operation', () => {
  it('is served in its last known state while the upstream is unavailable', async () => {
    const id = await created();
    upstream.on('Get', running);
    await json(await gateway.fetch(`/operations/${id}?wait=0.1`));
    upstream.on('Get', raw.status(14, 'x'));
    const response = await gateway.fetch(`/operations/${id}?wait=0.2`);
    expect(response.status).toBe(200);
    expect(await json(response)).toMatchObject({ status: 'running' });
    expect(response.headers.get('retry-after')).toBeTruthy();
  });

  it('with a megabyte of empty details has failed, with the upstream’s code and words', async () => {
    const id = await created();
    const crowded = Buffer.concat([
      Buffer.of(0x08, 3, 0x12, 2),
      Buffer.from('no'),
      Buffer.alloc(1_048_576, '1a00', 'hex'),
    ]);
    upstream.on(
      'Get',
      raw.ok(Buffer.concat([Buffer.from('0a037570313001', 'hex'), lengthDelimited(8, crowded)])),
    );
    const startMs = performance.now();
    expect(await json(await gateway.fetch(`/operations/${id}?wait=30`))).toMatchObject({
      status: 'failed',
      error: { code: 3, message: 'no', reason: 'invalid_request' },
    });
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  it('with a result that is no protobuf has failed, and its upstream id is in the log', async () => {
    const id = await created();
    const done = succeededOperation('up1');
    if (done.result.case === 'response') done.result.value.value = Buffer.from('ffffffff', 'hex');
    upstream.on('Get', raw.ok(toBinary(OperationSchema, done)));
    const startMs = performance.now();
    expect(await json(await gateway.fetch(`/operations/${id}?wait=30`))).toMatchObject({
      status: 'failed',
      error: { reason: 'bad_upstream_result' },
    });
    expect(performance.now() - startMs).toBeLessThan(10_000);
    const lines = gateway.logLines.map((line) => JSON.parse(line) as Json);
    expect(
      lines.find(({ level, upstreamId }) => level === 50 && upstreamId === 'up1'),
    ).toMatchObject({
      operationId: id,
      reason: 'bad_upstream_result',
    });
  });

  it('with an error has failed even when the upstream does not report it done', async () => {
    const id = await created();
    upstream.on(
      'Get',
      raw.ok(toBinary(OperationSchema, failedOperation('up1', 13, 'broken', false))),
    );
    const response = await gateway.fetch(`/operations/${id}?wait=5`);
    expect(await json(response)).toMatchObject({
      status: 'failed',
      done: true,
      error: { code: 13, message: 'broken', reason: 'upstream_error' },
    });
  });
});

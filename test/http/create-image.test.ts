import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

let emulator: Emulator;
let gateway: Gateway;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 300, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    IMAGE_MEDIA_TYPES: 'image/jpeg,image/png,image/webp',
    UPSTREAM_POLL_INTERVAL_MS: '50',
  });
});

afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

const cat = { prompt: 'a red cat' };

async function json(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>;
}

/** Sends a create that must be refused, and shows that it spent nothing. */
async function refused(body: unknown, headers: Record<string, string> = {}) {
  const before = emulator.ledger.generates;
  const response = await gateway.create(body, headers);
  const problem = await json(response);
  expect(emulator.ledger.generates).toBe(before);
  expect(problem).toMatchObject({ outcome: 'not_started', retryable: false });
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return { status: response.status, problem };
}

describe('POST /v1/images', () => {
  it('responds 202 with the operation and its links', async () => {
    const response = await gateway.create(cat);
    const operation = await json(response);
    expect(response.status).toBe(202);
    expect(operation).toMatchObject({ status: 'running', done: false, metadata: null });
    expect(response.headers.get('location')).toBe(
      `${gateway.origin}/operations/${String(operation['id'])}`,
    );
    expect(response.headers.get('x-operation-id')).toBe(operation['id']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(operation['urls']).toEqual({
      self: `${gateway.origin}/operations/${String(operation['id'])}`,
      image: `${gateway.origin}/operations/${String(operation['id'])}/image`,
      events: `${gateway.origin}/operations/${String(operation['id'])}/events`,
      cancel: `${gateway.origin}/operations/${String(operation['id'])}/cancel`,
    });
  });

  it('responds 200 with the finished operation within Prefer: wait', async () => {
    const response = await gateway.create(
      { ...cat, seed: '1863', aspectRatio: '16:9' },
      { prefer: 'wait=10' },
    );
    const operation = await json(response);
    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBe('wait=10');
    expect(operation).toMatchObject({
      status: 'succeeded',
      done: true,
      response: { mimeType: 'image/jpeg', seed: '1863' },
    });
    const { width, height } = operation['response'] as { width: number; height: number };
    expect(width / height).toBeCloseTo(16 / 9, 1);
  });

  it('responds 202 when the wait runs out, and the operation goes on', async () => {
    const response = await gateway.create(cat, { prefer: 'wait=0' });
    expect(response.status).toBe(202);
    const { id } = await json(response);
    const later = await gateway.fetch(`/operations/${String(id)}?wait=10`);
    expect(await json(later)).toMatchObject({ status: 'succeeded' });
  });

  it.each([
    ['image/*', 'image/jpeg'],
    ['image/jpg', 'image/jpeg'],
    ['image/png', 'image/png'],
    ['image/avif, image/webp;q=0.9, image/jpeg;q=0.5', 'image/webp'],
  ])('responds to Accept: %s with the image as %s', async (accept, mediaType) => {
    const response = await gateway.create({ ...cat, seed: 7 }, { accept });
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(mediaType);
    expect(imageFactsFromBytes(bytes)?.mediaType).toBe(mediaType);
    expect(response.headers.get('content-length')).toBe(String(bytes.length));
    expect(response.headers.get('x-image-seed')).toBe('7');
    expect(response.headers.get('x-operation-id')).toMatch(/^op_/);
  });

  it('responds 202 to an image request with respond-async', async () => {
    const response = await gateway.create(cat, { accept: 'image/*', prefer: 'respond-async' });
    expect(response.status).toBe(202);
    expect(response.headers.get('preference-applied')).toBe('respond-async');
    expect(await json(response)).toMatchObject({ status: 'running' });
  });

  it('responds 504 with Location when only an image is acceptable and the wait runs out', async () => {
    const response = await gateway.create(cat, { accept: 'image/*', prefer: 'wait=0' });
    expect(response.status).toBe(504);
    expect(await json(response)).toMatchObject({ code: 'generation_timeout', outcome: 'accepted' });
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const location = response.headers.get('location') ?? '';
    const image = await fetch(`${location}?wait=10`);
    expect(image.headers.get('content-type')).toBe('image/jpeg');
    await image.arrayBuffer();
  });

  it('responds 202 when the wait runs out and JSON is acceptable too', async () => {
    const headers = { accept: 'image/*, application/json;q=0.5', prefer: 'wait=0' };
    const response = await gateway.create(cat, headers);
    expect(response.status).toBe(202);
    expect(await json(response)).toMatchObject({ status: 'running' });
  });

  it('draws a seed and returns it', async () => {
    const seeds = await Promise.all(
      [cat, { ...cat, seed: 0 }].map(async (body) => {
        const response = await gateway.create(body, { prefer: 'wait=10' });
        return BigInt(((await json(response))['response'] as { seed: string }).seed);
      }),
    );
    for (const seed of seeds) {
      expect(seed).toBeGreaterThan(0n);
      expect(seed).toBeLessThan(2n ** 53n);
    }
    expect(seeds[0]).not.toBe(seeds[1]);
  });

  it('keeps a seed above 2^53 exact all the way', async () => {
    const response = await gateway.create('{"prompt":"a cat","seed":9007199254740993}', {
      prefer: 'wait=10',
    });
    expect(await json(response)).toMatchObject({ response: { seed: '9007199254740993' } });
  });

  it('makes the same image from the seed that it returned', async () => {
    const first = await gateway.create(cat, { accept: 'image/*' });
    const seed = first.headers.get('x-image-seed') ?? '';
    const second = await gateway.create({ ...cat, seed }, { accept: 'image/*' });
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    await Promise.all([first.arrayBuffer(), second.arrayBuffer()]);
  });

  it('ignores unknown fields with handling=lenient, and lists them', async () => {
    const response = await gateway.create(
      { ...cat, quality: 'hd' },
      { prefer: 'handling=lenient' },
    );
    expect(response.status).toBe(202);
    expect(response.headers.get('x-ignored-params')).toBe('#/quality');
    expect(response.headers.get('preference-applied')).toBe('handling=lenient');
    await response.arrayBuffer();
  });

  it('goes on after the caller hung up', async () => {
    const before = emulator.ledger.generates;
    const caller = new AbortController();
    const request = gateway.fetch('/v1/images', {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30' },
      body: JSON.stringify(cat),
      signal: caller.signal,
    });
    await expect.poll(() => emulator.ledger.generates).toBe(before + 1);
    caller.abort();
    await expect(request).rejects.toThrow();
    const hungUp = () => gateway.logLines.some((line) => line.includes('"hungUp":true'));
    await expect.poll(hungUp).toBe(true);
  });

  it.each([
    ['{"prompt":"a","prompt":"b"}', 400, 'invalid_request', '#/prompt'],
    ['{"prompt":"a","seed":"0x10"}', 400, 'invalid_request', '#/seed'],
    [
      '{"prompt":"a","negativePrompt":"b","negative_prompt":"b"}',
      400,
      'invalid_request',
      '#/negative_prompt',
    ],
    ['{"prompt":"\\ud800"}', 400, 'invalid_request', '#/prompt'],
    ['{"prompt":"a\\u0000b"}', 400, 'invalid_request', '#/prompt'],
    ['{"prompt":"a","mimeType":"image/gif"}', 400, 'invalid_request', '#/mimeType'],
    ['{"prompt":"a","size":"1024"}', 400, 'unknown_field', '#/size'],
    ['[]', 400, 'invalid_request', '#'],
    ['"cat"', 400, 'invalid_request', '#'],
    ['null', 400, 'invalid_request', '#'],
  ])('refuses %s', async (body, status, code, pointer) => {
    const { problem, ...rest } = await refused(body);
    expect(rest.status).toBe(status);
    expect(problem).toMatchObject({ code, errors: [{ pointer }] });
  });

  it.each([
    ['', 'malformed_json'],
    ['{', 'malformed_json'],
    ["{'prompt':'a'}", 'malformed_json'],
    ['{"prompt":"a",}', 'malformed_json'],
    ['{"prompt":"a"} x', 'malformed_json'],
    ['['.repeat(30_000), 'malformed_json'],
    [`${'[{"a":'.repeat(5_000)}1${'}]'.repeat(5_000)}`, 'malformed_json'],
    [`{"prompt":${'['.repeat(17)}${']'.repeat(17)}}`, 'malformed_json'],
  ])('refuses the text %.20s as malformed', async (body, code) => {
    const { status, problem } = await refused(body);
    expect([status, problem['code']]).toEqual([400, code]);
  });

  it('refuses invalid UTF-8', async () => {
    const body = Buffer.concat([
      Buffer.from('{"prompt":"'),
      Buffer.of(0xff, 0xfe),
      Buffer.from('"}'),
    ]);
    const response = await gateway.fetch('/v1/images', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(await json(response)).toMatchObject({ status: 400, code: 'malformed_json' });
  });

  it.each([
    [{ prompt: 'a', messages: [] }, {}],
    [{ prompt: 'a', mimeType: 'image/jpg' }, {}],
    [{ prompt: 'a', seed: '', generationOptions: {} }, { code: 'invalid_request' }],
    [{ prompt: '\u200b \u0301' }, { code: 'invalid_request' }],
    [{ messages: [{ text: '  ' }] }, { code: 'invalid_request' }],
  ])('responds to %j by what is left of it without empty fields', async (body, problem) => {
    const before = emulator.ledger.generates;
    const response = await gateway.create(body);
    const isAccepted = !('code' in problem);
    expect(response.status).toBe(isAccepted ? 202 : 400);
    expect(await json(response)).toMatchObject(problem);
    expect(emulator.ledger.generates - before).toBe(isAccepted ? 1 : 0);
  });

  it('counts the characters of the prompt before spending', async () => {
    const { status, problem } = await refused({ prompt: 'я'.repeat(702) });
    expect([status, problem['code']]).toEqual([400, 'prompt_too_long']);
    expect(problem['detail']).toBe('the prompt has 702 characters; the model takes 500');
    const { problem: full } = await refused({
      messages: [{ text: 'a'.repeat(300) }, { text: 'b'.repeat(201) }],
    });
    expect(full).toMatchObject({ code: 'prompt_too_long', errors: [{ pointer: '#/messages' }] });
    const fits = await gateway.create({
      prompt: '😀'.repeat(500),
      negativePrompt: 'x'.repeat(400),
    });
    expect(fits.status).toBe(202);
    await fits.arrayBuffer();
  });

  it.each([
    ['text/plain', 'text'],
    ['application/x-www-form-urlencoded', 'prompt=a'],
    ['application/json; charset=utf-16', '{"prompt":"a"}'],
    ['application/json; charset=latin1', '{"prompt":"a"}'],
    ['application/json; charset=utf-8; charset=latin1', '{"prompt":"a"}'],
    ["application/json; charset*=utf-8''utf-16", '{"prompt":"a"}'],
    ['application/problem+json', '{"prompt":"a"}'],
    ['multipart/form-data; boundary=x', '--x--'],
  ])('refuses a body of type %s', async (contentType, body) => {
    const { status, problem } = await refused(body, { 'content-type': contentType });
    expect([status, problem['code']]).toEqual([415, 'unsupported_media_type']);
  });

  it('refuses a compressed body', async () => {
    const { status } = await refused(cat, { 'content-encoding': 'gzip' });
    expect(status).toBe(415);
  });

  it.each([
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
    'APPLICATION/JSON',
  ])('takes a body of type %s', async (contentType) => {
    const response = await gateway.create(cat, { 'content-type': contentType });
    expect(response.status).toBe(202);
    await response.arrayBuffer();
  });

  it('refuses a body over 64 KiB', async () => {
    const { status, problem } = await refused({ prompt: 'a'.repeat(70_000) });
    expect([status, problem['code']]).toEqual([413, 'payload_too_large']);
  });

  it.each(['text/plain', 'image/avif', 'image/*;q=0', 'audio/*'])(
    'refuses Accept: %s',
    async (accept) => {
      const { status, problem } = await refused(cat, { accept });
      expect([status, problem['code']]).toEqual([406, 'not_acceptable']);
      expect(problem['detail']).toContain('image/webp');
    },
  );

  it('refuses an Accept that the body contradicts', async () => {
    const { status } = await refused({ ...cat, mimeType: 'image/jpeg' }, { accept: 'image/png' });
    expect(status).toBe(406);
  });

  it('tells a content policy refusal from other mistakes', async () => {
    const response = await gateway.create({ prompt: 'something forbidden' });
    expect(response.status).toBe(422);
    expect(await json(response)).toMatchObject({
      code: 'content_policy_violation',
      outcome: 'not_started',
      upstream: { grpcCode: 'INVALID_ARGUMENT' },
    });
  });

  it.each([
    [{ prompt: 'a', aspectRatio: '100:1' }, '#/aspectRatio'],
    [{ prompt: 'a', aspect_ratio: '100:1' }, '#/aspect_ratio'],
    [
      {
        messages: [{ text: 'a' }],
        generation_options: { aspect_ratio: { width_ratio: 100, height_ratio: 1 } },
      },
      '#/generation_options/aspect_ratio',
    ],
  ])('names what the upstream refuses as %j names it', async (body, pointer) => {
    const response = await gateway.create(body);
    expect(response.status).toBe(400);
    expect((await json(response))['errors']).toMatchObject([{ pointer }]);
  });

  it('responds 400 when the upstream has no model of the name', async () => {
    const response = await gateway.create({ ...cat, model: 'no-such-model' });
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ code: 'model_not_found', outcome: 'not_started' });
  });
});

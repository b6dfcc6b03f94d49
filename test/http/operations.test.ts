import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { statusOf } from '../support/responses.ts';

let emulator: Emulator;
let gateway: Gateway;
/** Behind an upstream whose images never finish, for what is to be seen while one is made. */
let slowEmulator: Emulator;
let slow: Gateway;
let doneId: string;

type Json = Record<string, unknown>;

async function json(response: Response): Promise<Json> {
  return (await response.json()) as Json;
}

async function created(
  body: unknown,
  headers: Record<string, string> = {},
  by = gateway,
): Promise<string> {
  return String((await json(await by.create(body, headers)))['id']);
}

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 400, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '50',
  });
  slowEmulator = await startEmulator({ latencyMs: 600_000 });
  slow = await startGateway({ UPSTREAM_ADDRESS: slowEmulator.address });
  doneId = await created({ prompt: 'a finished cat', seed: 5 }, { prefer: 'wait=20' });
});

afterAll(async () => {
  await slow.close();
  await slowEmulator.close();
  await gateway.close();
  await emulator.close();
});

describe.each(['/operations', '/v1/operations'])('GET %s/{id}', (path) => {
  it('returns a running operation with an ETag and with Retry-After', async () => {
    const id = await created({ prompt: 'a cat' }, {}, slow);
    const response = await slow.fetch(`${path}/${id}`);
    expect(response.status).toBe(200);
    expect(await json(response)).toMatchObject({ id, status: 'running', done: false });
    expect(response.headers.get('cache-control')).toBe('private, no-cache');
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const etag = response.headers.get('etag') ?? '';
    expect(etag).toMatch(/^W\//);
    const headers = { 'if-none-match': etag };
    expect(await statusOf(slow.fetch(`${path}/${id}`, { headers }))).toBe(304);
    await statusOf(slow.fetch(`${path}/${id}/cancel`, { method: 'POST' }));
    const ended = await slow.fetch(`${path}/${id}`, { headers });
    expect(await json(ended)).toMatchObject({ status: 'canceled' });
  });

  it('returns a finished operation without a call to the upstream', async () => {
    const before = emulator.ledger.gets;
    const operation = await json(await gateway.fetch(`${path}/${doneId}`));
    const { width, height, byteLength } = operation['response'] as Record<string, number>;
    expect(operation).toMatchObject({
      status: 'succeeded',
      done: true,
      response: {
        mimeType: 'image/jpeg',
        seed: '5',
        url: `${gateway.origin}/operations/${doneId}/image`,
      },
    });
    expect([width, height, byteLength].every((value) => (value ?? 0) > 100)).toBe(true);
    expect(emulator.ledger.gets).toBe(before);
  });

  it('puts the image into the JSON on demand', async () => {
    const image = await gateway.fetch(`${path}/${doneId}/image`);
    const bytes = Buffer.from(await image.arrayBuffer());
    const response = await gateway.fetch(`${path}/${doneId}?include=image`);
    const text = await response.text();
    expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    const operation = JSON.parse(text) as { response: { image: string } };
    expect(Buffer.from(operation.response.image, 'base64').equals(bytes)).toBe(true);
  });

  it('answers with the image when Accept names an image', async () => {
    const response = await gateway.fetch(`${path}/${doneId}`, {
      headers: { accept: 'image/avif' },
    });
    expect(response.headers.get('content-type')).toBe('image/jpeg');
    await response.arrayBuffer();
  });

  it.each([
    ['wait=-1', 'wait'],
    ['wait=NaN', 'wait'],
    ['wait=Infinity', 'wait'],
    ['wait=1e', 'wait'],
    ['wait=0x10', 'wait'],
    ['wait=-1e-3', 'wait'],
    ['wait=', 'wait'],
    ['wait=1&wait=2', 'wait'],
    ['include=video', 'include'],
  ])('refuses ?%s', async (query, parameter) => {
    const response = await gateway.fetch(`${path}/${doneId}?${query}`);
    expect(response.status).toBe(400);
    expect((await json(response))['errors']).toMatchObject([{ parameter }]);
  });

  it.each(['1000000', '1e305', '1E%2B400', '9'.repeat(400), '60.5', '.5', '0', '-0'])(
    'accepts ?wait=%s, which is at most a minute',
    async (wait) => {
      expect(await statusOf(gateway.fetch(`${path}/${doneId}?wait=${wait}`))).toBe(200);
    },
  );

  it.each(['application/problem+json', '*', 'application/json;q=high', 'text/plain, */*;q=.1'])(
    'sends JSON for Accept: %s, and takes creates with it',
    async (accept) => {
      const read = await gateway.fetch(`${path}/${doneId}`, { headers: { accept } });
      expect(await json(read)).toMatchObject({ id: doneId, done: true });
      expect(await statusOf(slow.create({ prompt: 'a cat' }, { accept }))).toBe(202);
    },
  );

  it('refuses an Accept with neither JSON, images nor events', async () => {
    const response = await gateway.fetch(`${path}/${doneId}`, {
      headers: { accept: 'text/plain' },
    });
    expect([response.status, (await json(response))['code']]).toEqual([406, 'not_acceptable']);
  });

  it('answers HEAD like GET, without a body', async () => {
    const response = await gateway.fetch(`${path}/${doneId}`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-operation-id')).toBe(doneId);
    expect(await response.text()).toBe('');
  });
});

describe('an id that is not ours', () => {
  const odd = [
    'x',
    'op_',
    'op_AAAA',
    'fbveu1sntj0a1b2c3d4e',
    '%00',
    '%F0%9F%98%80',
    '%ff',
    '%zz',
    'a%2Fb',
    '..%2f..',
    'op_'.padEnd(4_000, 'A'),
    "'; drop table",
    '__proto__',
    'constructor',
  ];

  it.each(odd)('is the same 404 on every route: %.40s', async (id) => {
    const responses = await Promise.all([
      gateway.fetch(`/operations/${id}`),
      gateway.fetch(`/operations/${id}/image`),
      gateway.fetch(`/operations/${id}/cancel`, { method: 'POST' }),
      gateway.fetch(`/v1/operations/${id}`),
    ]);
    for (const response of responses) {
      const { status, code, detail } = await json(response);
      expect([response.status, status, code, detail]).toEqual([
        404,
        404,
        'operation_not_found',
        'there is no operation with this id',
      ]);
    }
  });

  it('makes no upstream call', async () => {
    const before = emulator.ledger.gets;
    await Promise.all(
      odd.map(async (id) => (await gateway.fetch(`/operations/${id}`)).arrayBuffer()),
    );
    expect(emulator.ledger.gets).toBe(before);
  });
});

describe('GET /operations/{id}/image', () => {
  it('sends the bytes with every header about them', async () => {
    const response = await gateway.fetch(`/operations/${doneId}/image`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const sha256 = createHash('sha256').update(bytes).digest();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': String(bytes.length),
      etag: `"${sha256.toString('base64url')}"`,
      'content-digest': `sha-256=:${sha256.toString('base64')}:`,
      'repr-digest': `sha-256=:${sha256.toString('base64')}:`,
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=31536000, immutable, no-transform',
      'content-disposition': expect.stringMatching(/^inline; filename="op_[^"]*\.jpg"$/) as string,
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': 'cross-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-image-seed': '5',
      'x-operation-id': doneId,
      vary: 'Origin',
    });
    expect(Date.parse(response.headers.get('last-modified') ?? '')).toBeGreaterThan(0);
  });

  it('is an attachment with ?download=1', async () => {
    const response = await gateway.fetch(`/operations/${doneId}/image?download=1`);
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename=/);
    await response.arrayBuffer();
  });

  it('answers 304 to its own ETag without a call to the upstream', async () => {
    const head = await gateway.fetch(`/operations/${doneId}/image`, { method: 'HEAD' });
    const etag = head.headers.get('etag') ?? '';
    const before = emulator.ledger.gets;
    for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await gateway.fetch(`/operations/${doneId}/image`, {
        headers: { 'if-none-match': header },
      });
      expect(response.status).toBe(304);
      expect(response.headers.get('etag')).toBe(etag);
    }
    expect(emulator.ledger.gets).toBe(before);
  });

  it('serves ranges that join to the whole', async () => {
    const whole = Buffer.from(
      await (await gateway.fetch(`/operations/${doneId}/image`)).arrayBuffer(),
    );
    const parts = await Promise.all(
      ['bytes=0-9999', 'bytes=10000-', 'bytes=-100'].map(async (range) => {
        const response = await gateway.fetch(`/operations/${doneId}/image`, { headers: { range } });
        expect(response.status).toBe(206);
        return {
          range: response.headers.get('content-range'),
          bytes: Buffer.from(await response.arrayBuffer()),
        };
      }),
    );
    expect(Buffer.concat([parts[0]!.bytes, parts[1]!.bytes]).equals(whole)).toBe(true);
    expect(parts[2]!.bytes.equals(whole.subarray(-100))).toBe(true);
    expect(parts[0]!.range).toBe(`bytes 0-9999/${whole.length}`);
  });

  it('sends the whole image when If-Range no longer holds', async () => {
    const response = await gateway.fetch(`/operations/${doneId}/image`, {
      headers: { range: 'bytes=0-9', 'if-range': '"other"' },
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  });

  it.each(['bytes=99999999-', 'bytes=9-1', 'bytes=x'])('refuses Range: %s', async (range) => {
    const response = await gateway.fetch(`/operations/${doneId}/image`, { headers: { range } });
    expect([response.status, (await json(response))['code']]).toEqual([
      416,
      'range_not_satisfiable',
    ]);
    expect(response.headers.get('content-range')).toMatch(/^bytes \*\/\d+$/);
  });

  it('answers HEAD like GET, without a body', async () => {
    const get = await gateway.fetch(`/operations/${doneId}/image`);
    await get.arrayBuffer();
    const head = await gateway.fetch(`/operations/${doneId}/image`, { method: 'HEAD' });
    // A HEAD has no content that Content-Digest could be of (RFC 9530, B.2).
    const own = new Set(['date', 'x-request-id', 'connection', 'keep-alive', 'content-digest']);
    const comparable = ({ headers }: Response) =>
      Object.fromEntries([...headers].filter(([name]) => !own.has(name)));
    expect(comparable(head)).toEqual(comparable(get));
    expect(await head.text()).toBe('');
  });

  it('answers 409 with Retry-After while the image is being made, and waits when asked to', async () => {
    const early = await slow.fetch(
      `/operations/${await created({ prompt: 'a slow cat' }, {}, slow)}/image`,
    );
    expect([early.status, (await json(early))['code']]).toEqual([409, 'operation_not_done']);
    expect(Number(early.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const id = await created({ prompt: 'a cat' });
    expect(await statusOf(gateway.fetch(`/operations/${id}/image?wait=60`))).toBe(200);
  });

  it.each([
    ...['application/json', 'application/problem+json', 'text/html', 'image/*;q=0', 'nothing'],
  ])('sends the image whatever Accept says, %s too', async (accept) => {
    const response = await gateway.fetch(`/operations/${doneId}/image`, { headers: { accept } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    await response.arrayBuffer();
  });

  it('answers a failed generation with the status of its error', async () => {
    const id = await created({ prompt: 'forbidden later' }, { prefer: 'wait=20' });
    const operation = await gateway.fetch(`/operations/${id}`);
    expect(operation.status).toBe(200);
    expect(await json(operation)).toMatchObject({
      status: 'failed',
      done: true,
      error: { code: 3, reason: 'content_policy_violation', retryable: false },
    });
    const image = await gateway.fetch(`/operations/${id}/image`);
    expect([image.status, (await json(image))['code']]).toEqual([422, 'content_policy_violation']);
  });
});

describe('POST /operations/{id}/cancel', () => {
  it('cancels, and returns the same operation when repeated', async () => {
    const id = await created({ prompt: 'an unwanted cat' });
    for (let time = 0; time < 2; time += 1) {
      const response = await gateway.fetch(`/operations/${id}/cancel`, { method: 'POST' });
      expect(response.status).toBe(200);
      expect(await json(response)).toMatchObject({
        status: 'canceled',
        done: true,
        error: { code: 1, reason: 'operation_canceled' },
      });
    }
    const image = await gateway.fetch(`/operations/${id}/image`);
    expect([image.status, (await json(image))['code']]).toEqual([410, 'operation_canceled']);
  });

  it('leaves a finished operation as it is', async () => {
    const response = await gateway.fetch(`/operations/${doneId}/cancel`, { method: 'POST' });
    expect(await json(response)).toMatchObject({ status: 'succeeded' });
  });

  it('takes an empty object and refuses any other body', async () => {
    const post = (body: string) =>
      gateway.fetch(`/operations/${doneId}/cancel`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    expect((await post('{}')).status).toBe(200);
    expect((await post('{"force":true}')).status).toBe(400);
  });
});

describe('many who wait for one operation', () => {
  it('are served by one poller and one image', async () => {
    const id = await created({ prompt: 'a popular cat' });
    const before = emulator.ledger.gets;
    const responses = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const response = await gateway.fetch(`/operations/${id}/image?wait=20`);
        await response.arrayBuffer();
        return response.headers.get('etag');
      }),
    );
    expect(new Set(responses).size).toBe(1);
    // 400 ms at a poll each 50 ms, however many wait.
    expect(emulator.ledger.gets - before).toBeLessThanOrEqual(10);
  });
});

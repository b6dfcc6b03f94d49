import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statusOf } from '../support/responses.ts';
import { exchange } from '../support/raw-exchange.ts';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

const shop = 'https://shop.example';
let file: ApiKeysFile;
let gateway: Gateway;

beforeAll(async () => {
  file = await apiKeysFile({ shop: {} });
  gateway = await startGateway({
    DRAWING_DELAY_MS: '100',
    CORS_ORIGINS: 'https://Shop.Example:443/, https://*.pages.example, tauri://localhost',
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
  });
});
afterAll(async () => {
  await gateway.close();
  await file.remove();
});

/** Every header that the contract names. */
const headersOfThePage = [
  ...['accept-ranges', 'allow', 'cache-control', 'content-digest', 'content-disposition'],
  ...['content-length', 'content-range', 'content-security-policy', 'content-type'],
  ...['cross-origin-resource-policy', 'etag', 'idempotency-replayed', 'last-modified', 'location'],
  ...['preference-applied', 'ratelimit', 'ratelimit-policy', 'referrer-policy', 'repr-digest'],
  ...['retry-after', 'vary', 'www-authenticate', 'x-accel-buffering', 'x-content-type-options'],
  ...['x-ignored-params', 'x-image-height', 'x-image-seed', 'x-image-width', 'x-model-version'],
  ...['x-operation-id', 'x-request-id', 'x-should-retry'],
  ...['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
];

async function preflight(path: string, origin: string, headers: string) {
  const response = await gateway.fetch(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': headers,
    },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe('a refusal before any route', () => {
  const origin = `origin: ${shop}\r\n`;
  const from = (page: string) => `host: x\r\norigin: ${page}\r\n`;
  const big = `x: ${'a'.repeat(9_000)}\r\n`;

  it.each([
    ['too many bytes of headers', 431, `GET / HTTP/1.1\r\n${from(shop)}${big}\r\n`],
    ['the origin behind them', 431, `GET / HTTP/1.1\r\nhost: x\r\n${big}${origin}\r\n`],
    ['too many lines', 431, `GET / HTTP/1.1\r\n${from(shop)}${'a: b\r\n'.repeat(101)}\r\n`],
    ['no host', 400, `GET / HTTP/1.1\r\n${origin}\r\n`],
    [
      'two lengths',
      400,
      `POST /v1/images HTTP/1.1\r\n${from(shop)}content-length: 1\r\ncontent-length: 2\r\n\r\nab`,
    ],
    [
      'chunks that are none',
      400,
      `POST /v1/images HTTP/1.1\r\n${from(shop)}transfer-encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ['another expectation', 417, `GET / HTTP/1.1\r\n${from(shop)}expect: 42\r\n\r\n`],
    ['an app', 431, `GET / HTTP/1.1\r\n${from('tauri://localhost')}${big}\r\n`],
  ])('is read by the pages that may: %s', async (name, status, bytes) => {
    const { text, statuses } = await exchange(gateway.origin, bytes);
    expect(statuses).toEqual([status]);
    const page = name === 'an app' ? 'tauri://localhost' : shop;
    expect(text).toContain(`access-control-allow-origin: ${page}\r\n`);
    expect(text).toMatch(/access-control-expose-headers: .*X-Request-Id/);
    expect(text).toContain('vary: Origin\r\n');
  });

  it.each([
    ['another page', `GET / HTTP/1.1\r\n${from('https://evil.example')}${big}\r\n`],
    ['no page', `GET / HTTP/1.1\r\nhost: x\r\n${big}\r\n`],
    ['two origins', `GET / HTTP/1.1\r\n${from(shop)}${origin}${big}\r\n`],
    ['no HTTP', `\u0016\u0003\u0001\r\n${origin}\r\n`],
    ['a body that names one', `GET / HTTP/1.1\r\nhost: x\r\n${big}\r\n${origin}\r\n`],
  ])('is not read by %s', async (_name, bytes) => {
    const { text } = await exchange(gateway.origin, bytes);
    expect(text).toMatch(/^HTTP\/1\.1 4/);
    expect(text).not.toContain('access-control-allow-origin');
  });

  it('is read when the body does not come in time, in the form of the path', async () => {
    const edge = { requestMs: 1_500, headersMs: 1_500, sweepMs: 100 };
    const slow = await startGateway({ CORS_ORIGINS: '*' }, { edge });
    const bytes = `POST /v1/images/generations HTTP/1.1\r\n${from(shop)}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`;
    const { text, statuses } = await exchange(slow.origin, bytes);
    await slow.close();
    expect(statuses).toEqual([408]);
    expect(text).toContain('access-control-allow-origin: *\r\n');
    expect(text).toContain('"error":{"message"');
  }, 30_000);
});

describe('a page of another origin', () => {
  it('may ask first, with whatever headers its client sends', async () => {
    const headers = 'authorization,content-type,idempotency-key,x-stainless-retry-count';
    const response = await preflight('/v1/images', shop, headers);
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(shop);
    expect(response.headers.get('access-control-allow-headers')).toBe(headers);
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    expect(response.headers.get('access-control-max-age')).toBe('7200');
    expect(response.headers.has('access-control-allow-credentials')).toBe(false);
  });

  it.each(['https://pr-7.preview.pages.example', 'tauri://localhost'])(
    'is let in from %s by a pattern or the scheme of an app',
    async (origin) => {
      const response = await preflight('/v1/images', origin, 'content-type');
      expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    },
  );

  it.each([
    'https://elsewhere.example',
    'http://shop.example',
    'https://shop.example:8443',
    'https://pages.example',
    'tauri://elsewhere',
    'null',
  ])('is refused in words when its origin is %s, which is not on the list', async (origin) => {
    const response = await preflight('/v1/images', origin, 'content-type');
    expect(response.status).toBe(403);
    expect(response.headers.has('access-control-allow-origin')).toBe(false);
    expect(JSON.parse(response.text)).toMatchObject({
      code: 'cross_site_refused',
      detail: expect.stringContaining('CORS_ORIGINS'),
    });
  });

  it('is logged once when it is not on the list, and not for ever', async () => {
    const linesOf = (origin: string) =>
      gateway.logLines.filter(
        (line) => line.includes('preflight refused') && line.includes(origin),
      );
    for (let count = 0; count < 3; count += 1) {
      await preflight('/operations/op_x', 'https://once.example', 'authorization');
    }
    expect(linesOf('https://once.example')).toHaveLength(1);
    for (let count = 0; count < 150; count += 1) {
      await preflight('/v1/images', `https://n${count}.many.example`, 'authorization');
    }
    expect(linesOf('many.example').length).toBeLessThanOrEqual(100);
  });

  it('is refused by OpenAI’s and by the vendor’s paths in their forms', async () => {
    const openAi = await preflight('/v1/images/generations', 'https://a.example', 'authorization');
    expect([openAi.status, JSON.parse(openAi.text)]).toMatchObject([
      403,
      { error: { type: 'permission_error', code: 'cross_site_refused' } },
    ]);
    const path = '/foundationModels/v1/imageGenerationAsync';
    const vendor = await preflight(path, 'https://a.example', 'authorization');
    expect([vendor.status, JSON.parse(vendor.text)]).toMatchObject([403, { code: 7 }]);
  });

  it('reads every response with every header: an operation, an image, a stream, an error', async () => {
    const headers = { origin: shop, 'x-api-key': file.keys['shop'] ?? '' };
    const created = await gateway.create(
      { prompt: 'a red cat' },
      { ...headers, prefer: 'wait=10' },
    );
    const { id } = (await created.json()) as { id: string };
    const responses = {
      created,
      operation: await gateway.fetch(`/operations/${id}`, { headers }),
      image: await gateway.fetch(`/operations/${id}/image`, { headers }),
      events: await gateway.fetch(`/operations/${id}/events`, { headers }),
      refused: await gateway.create({ prompt: '' }, headers),
      unauthenticated: await gateway.fetch(`/operations/${id}`, { headers: { origin: shop } }),
      unknown: await gateway.fetch('/nothing', { headers }),
      undecodable: await gateway.fetch('/operations/%ff/image', { headers }),
      openAi: await gateway.fetch('/v1/images/generations', {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: '{"prompt":"a red cat","stream":true}',
      }),
      tooLarge: await gateway.create({ prompt: 'x'.repeat(70_000) }, headers),
    };
    for (const [name, response] of Object.entries(responses)) {
      expect(response.headers.get('access-control-allow-origin'), name).toBe(shop);
      const exposed = response.headers.get('access-control-expose-headers') ?? '';
      const names = exposed.toLowerCase().split(/, */);
      expect(names, name).toEqual(expect.arrayContaining(headersOfThePage));
      expect(response.headers.get('vary'), name).toContain('Origin');
      if (!response.bodyUsed) await statusOf(response);
    }
  });
});

it('without a list no page of another origin is let in', async () => {
  const closed = await startGateway();
  const response = await closed.create({ prompt: 'a red cat' }, { origin: shop });
  expect(response.headers.has('access-control-allow-origin')).toBe(false);
  expect(await statusOf(response)).toBe(403);
  const asked = await closed.fetch('/v1/images', {
    method: 'OPTIONS',
    headers: { origin: shop, 'access-control-request-method': 'POST' },
  });
  expect(await statusOf(asked)).toBe(403);
  await closed.close();
});

it('a flood of origins is logged up to a hundred of them, each once', async () => {
  const flooded = await startGateway({ CORS_ORIGINS: shop });
  for (let index = 0; index < 250; index += 1) {
    const response = await flooded.fetch('/v1/images', {
      method: 'OPTIONS',
      headers: {
        origin: `https://page-${index % 150}.example`,
        'access-control-request-method': 'POST',
      },
    });
    expect(await statusOf(response)).toBe(403);
  }
  await flooded.close();
  expect(flooded.logLines.filter((line) => line.includes('preflight refused'))).toHaveLength(100);
});

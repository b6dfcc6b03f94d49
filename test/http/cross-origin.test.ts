import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { responseHeaders } from '../../src/schemas/contracts/response-headers.ts';
import { statusOf } from '../support/responses.ts';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

const shop = 'https://shop.example';
let file: ApiKeysFile;
let gateway: Gateway;

beforeAll(async () => {
  file = await apiKeysFile({ shop: {} });
  gateway = await startGateway({
    EMULATOR_LATENCY_MS: '100',
    CORS_ORIGINS: 'https://Shop.Example:443/, https://*.pages.example, tauri://localhost',
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
  });
});
afterAll(async () => {
  await gateway.close();
  await file.remove();
});

async function preflight(path: string, origin: string, headers: string) {
  const response = await gateway.fetch(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': headers,
    },
  });
  await response.arrayBuffer();
  return response;
}

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

  it('is not let in when it is not on the list', async () => {
    const response = await preflight('/v1/images', 'https://elsewhere.example', 'content-type');
    expect(response.headers.get('access-control-allow-origin')).not.toBe(
      'https://elsewhere.example',
    );
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
    };
    for (const [name, response] of Object.entries(responses)) {
      expect(response.headers.get('access-control-allow-origin'), name).toBe(shop);
      const exposed = response.headers.get('access-control-expose-headers') ?? '';
      for (const header of Object.keys(responseHeaders)) expect(exposed, name).toContain(header);
      expect(response.headers.get('vary'), name).toContain('Origin');
      if (!response.bodyUsed) await statusOf(response);
    }
  });
});

it('without a list no page of another origin is let in', async () => {
  const closed = await startGateway();
  const response = await closed.create({ prompt: 'a red cat' }, { origin: shop });
  expect(response.headers.has('access-control-allow-origin')).toBe(false);
  await statusOf(response);
  await closed.close();
});

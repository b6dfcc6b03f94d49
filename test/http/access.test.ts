import type { RouteOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { contracts } from '../../src/schemas/contracts/all-contracts.ts';
import { idOf, statusOf } from '../support/responses.ts';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { audience, issuer, startTokenIssuer } from '../support/token-issuer.ts';

let emulator: Emulator;
const prompt = { prompt: 'a red cat' };
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 30, latencySpreadRatio: 0 });
});

afterAll(() => emulator.close());

function gatewayWith(environment: Record<string, string>): Promise<Gateway> {
  return startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    ...environment,
  });
}

async function codeOf(response: Response): Promise<string> {
  const body = (await response.json()) as { code?: string };
  return `${response.status} ${body.code ?? ''}`;
}

/** Without what differs from one request to the next. */
async function comparable(response: Response): Promise<unknown> {
  const {
    requestId: _requestId,
    instance: _instance,
    ...rest
  } = (await response.json()) as Record<string, unknown>;
  return { status: response.status, ...rest };
}

describe('the routes', () => {
  it('need a caller, but for those that name themselves public', async () => {
    const routes: RouteOptions[] = [];
    const gateway = await startGateway(
      { UPSTREAM_ADDRESS: emulator.address },
      {
        extend: (app) => app.addHook('onRoute', (route) => void routes.push(route)),
      },
    );
    await gateway.close();
    const policies = routes.map(({ method, url, config }) => {
      const policy = config?.access ?? config?.contract?.access ?? 'a caller';
      return `${[method].flat().join(' ')} ${url}: ${policy}`;
    });
    const isPublic = (line: string) => line.endsWith(': public');
    const pages = policies.filter(isPublic).map((line) => line.replace(/^[A-Z ]+|: .*$/g, ''));
    const closed = policies.filter((line) => !isPublic(line));
    expect([...new Set(pages.map((path) => `/${path.split('/')[1]}`))].toSorted()).toEqual([
      '/',
      '/docs',
      '/livez',
      '/openapi-3.0.json',
      '/openapi.json',
      '/playground-code.js',
      '/playground-events.js',
      '/playground-memory.js',
      '/playground-requests.js',
      '/playground.css',
      '/playground.js',
      '/problems',
      '/readyz',
    ]);
    expect(closed.toSorted()).toEqual(
      [
        'POST /v1/images/generations: images:create',
        'GET HEAD /v1/models: operations:read',
        'GET HEAD /v1/models/:id: operations:read',
        'POST /foundationModels/v1/imageGenerationAsync: images:create',
        'GET HEAD /foundationModels/v1/operations/:id: operations:read',
        'POST /v1/images: images:create',
        'POST /v1/tokens: delegate',
        'GET HEAD /operations/:id: operations:read',
        'GET HEAD /operations/:id/image: operations:read',
        'GET HEAD /operations/:id/events: operations:read',
        'GET POST /operations/:id(^[^:]+)::cancel: images:create',
        'POST /operations/:id/cancel: images:create',
        'GET HEAD /v1/operations/:id: operations:read',
        'GET HEAD /v1/operations/:id/image: operations:read',
        'GET HEAD /v1/operations/:id/events: operations:read',
        'POST /v1/operations/:id/cancel: images:create',
      ].toSorted(),
    );
    expect(contracts.every(({ access }) => access !== undefined)).toBe(true);
  });
});

describe('AUTH=keys', () => {
  let file: ApiKeysFile;
  let gateway: Gateway;
  let shop: string;
  let blog: string;

  beforeAll(async () => {
    file = await apiKeysFile({ shop: {}, blog: {}, thrifty: { models: ['yandex-art'] } });
    gateway = await gatewayWith({ AUTH: 'keys', API_KEYS_FILE: file.path });
    shop = file.keys['shop'] ?? '';
    blog = file.keys['blog'] ?? '';
  });

  afterAll(async () => {
    await gateway.close();
    await file.remove();
  });

  it.each([
    ['Authorization: Bearer', (key: string) => ({ authorization: `Bearer ${key}` })],
    ['Authorization: Api-Key', (key: string) => ({ authorization: `api-key ${key}` })],
    ['X-Api-Key', (key: string) => ({ 'x-api-key': key })],
  ])('takes a key as %s', async (_name, headers) => {
    expect(await statusOf(gateway.create(prompt, headers(shop)))).toBe(202);
  });

  it('refuses a long credential like any other unknown one, up to the limit of all headers', async () => {
    for (const length of [4_097, 5_000, 7_500]) {
      const refused = await gateway.fetch('/v1/models', { headers: bearer('x'.repeat(length)) });
      const { error } = (await refused.json()) as { error: { message: string } };
      expect([refused.status, error.message]).toEqual([
        401,
        expect.stringContaining('is not known'),
      ]);
    }
    const refused = await gateway.fetch('/v1/models', { headers: bearer('x'.repeat(8_200)) });
    expect(await statusOf(refused)).toBe(431);
  });

  const unknownCredentials: [string, Record<string, string>][] = [
    ['no credential', {}],
    ['an unknown key', { authorization: 'Bearer igk_000000000000000000000000000000000' }],
    ['a word', { authorization: 'Bearer letmein' }],
    ['Basic', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['two words', { authorization: 'Bearer a b' }],
    ['an empty X-Api-Key', { 'x-api-key': '' }],
    ['a forged token', { authorization: `Bearer igt_${'A'.repeat(80)}` }],
  ];
  it.each(unknownCredentials)(
    'responds to %s with 401 on every route, and spends nothing',
    async (_n, headers) => {
      const before = emulator.ledger.generates;
      const paths: [string, string][] = [
        ['POST', '/v1/images'],
        ['POST', '/v1/tokens'],
        ['GET', '/operations/op_x'],
        ['GET', '/operations/op_x/image?token=abc'],
        ['HEAD', '/operations/op_x/image'],
        ['POST', '/operations/op_x/cancel'],
        ['GET', '/v1/operations/op_x'],
        ['GET', '/nothing/here'],
      ];
      for (const [method, path] of paths) {
        const response = await gateway.fetch(path, {
          method,
          headers: { 'content-type': 'application/json', ...headers },
          ...(method === 'POST' && { body: '{"prompt":"a cat"}' }),
        });
        expect(response.status, `${method} ${path}`).toBe(401);
        expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
        await response.arrayBuffer();
      }
      expect(emulator.ledger.generates).toBe(before);
    },
  );

  it('refuses two credentials that differ', async () => {
    const headers = { authorization: `Bearer ${shop}`, 'x-api-key': blog };
    expect(await codeOf(await gateway.create(prompt, headers))).toBe('401 unauthenticated');
  });

  it('shows no caller the operations of another: a foreign id looks like a wrong one', async () => {
    const id = await idOf(await gateway.create(prompt, { ...bearer(shop), prefer: 'wait=20' }));
    const wrong = `${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}`;
    for (const suffix of ['', '/image', '?include=image', '/image?download=1']) {
      const path = (operation: string) => `/operations/${operation}${suffix}`;
      expect(await statusOf(gateway.fetch(path(id), { headers: bearer(shop) }))).toBe(200);
      const foreign = await gateway.fetch(path(id), { headers: bearer(blog) });
      const unknown = await gateway.fetch(path(wrong), { headers: bearer(blog) });
      expect(foreign.status).toBe(404);
      expect(await comparable(foreign)).toEqual(await comparable(unknown));
    }
    const canceled = await gateway.fetch(`/operations/${id}/cancel`, {
      method: 'POST',
      headers: bearer(blog),
    });
    expect(await statusOf(canceled)).toBe(404);
  });

  it('gives links that open one image without a key, and nothing else', async () => {
    const first = await gateway.create(prompt, { ...bearer(shop), prefer: 'wait=20' });
    const operation = (await first.json()) as {
      id: string;
      urls: { image: string; self: string; cancel: string };
      response: { url: string };
    };
    const other = await idOf(await gateway.create(prompt, { ...bearer(shop), prefer: 'wait=20' }));
    const link = new URL(operation.response.url);
    const token = link.searchParams.get('token') ?? '';
    expect(operation.urls.image).toBe(operation.response.url);
    expect(operation.urls.self).not.toContain('token');

    const image = await fetch(link);
    expect(await statusOf(image)).toBe(200);
    expect(image.headers.get('content-type')).toBe('image/jpeg');
    const maxAgeS = Number(
      /^private, max-age=(\d+)/.exec(image.headers.get('cache-control') ?? '')?.[1],
    );
    expect(maxAgeS).toBeGreaterThan(3_500);
    expect(maxAgeS).toBeLessThanOrEqual(4_200);

    const opened = (path: string, method = 'GET') =>
      gateway.fetch(`${path}?token=${token}`, { method });
    expect(await statusOf(opened(`/operations/${operation.id}`))).toBe(200);
    expect(await statusOf(opened(`/operations/${other}/image`))).toBe(401);
    expect(await statusOf(opened(`/operations/${operation.id}/cancel`, 'POST'))).toBe(401);
    const changed = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    const forged = await gateway.fetch(`/operations/${operation.id}/image?token=${changed}`);
    expect(await statusOf(forged)).toBe(401);
    expect(gateway.logLines.some((line) => line.includes(token))).toBe(false);
  });

  it('lends a browser a token with fewer rights, a few images, and an end', async () => {
    const response = await gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...bearer(shop), 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['images:create'], ttlSeconds: 60, maxImages: 2 }),
    });
    expect(response.status).toBe(201);
    const { token, expiresAt, scopes } = (await response.json()) as Record<string, string>;
    expect(scopes).toEqual(['images:create']);
    expect(Date.parse(expiresAt ?? '') - Date.now()).toBeLessThanOrEqual(60_000);
    const id = await idOf(await gateway.create(prompt, bearer(token ?? '')));
    expect(await statusOf(gateway.create(prompt, bearer(token ?? '')))).toBe(202);
    const third = await gateway.create(prompt, bearer(token ?? ''));
    expect(third.headers.get('ratelimit')).toMatch(/"token";r=0/);
    expect(await codeOf(third)).toBe('429 rate_limited');
    // The image belongs to the caller that made the token; the token has no right to read.
    expect(await statusOf(gateway.fetch(`/operations/${id}`, { headers: bearer(shop) }))).toBe(200);
    const read = await gateway.fetch(`/operations/${id}`, { headers: bearer(token ?? '') });
    expect(await codeOf(read)).toBe('403 permission_denied');
    const more = await gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...bearer(token ?? ''), 'content-type': 'application/json' },
      body: '{"scopes":["operations:read"]}',
    });
    expect(await codeOf(more)).toBe('403 permission_denied');
  });

  it.each([
    ['{"scopes":[]}', '#/scopes'],
    ['{"scopes":["admin"]}', '#/scopes/0'],
    ['{"scopes":["operations:read"],"ttlSeconds":601}', '#/ttlSeconds'],
    ['{"scopes":["operations:read"],"ttlSeconds":0}', '#/ttlSeconds'],
    ['{"scopes":["operations:read"],"maxImages":-1}', '#/maxImages'],
    ['{"scopes":["operations:read"],"tenant":"blog"}', '#/tenant'],
    ['{}', '#/scopes'],
  ])('refuses to make a token of %s', async (body, pointer) => {
    const response = await gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...bearer(shop), 'content-type': 'application/json' },
      body,
    });
    expect(response.status).toBe(400);
    const { errors } = (await response.json()) as { errors: { pointer: string }[] };
    expect(errors.map((error) => error.pointer)).toContain(pointer);
  });

  it('allows each caller its models only', async () => {
    const key = bearer(file.keys['thrifty'] ?? '');
    const before = emulator.ledger.generates;
    const refused = await gateway.create({ ...prompt, model: 'other-art' }, key);
    expect(await codeOf(refused)).toBe('403 permission_denied');
    expect(emulator.ledger.generates).toBe(before);
    expect(await statusOf(gateway.create({ ...prompt, model: 'yandex-art/rc' }, key))).toBe(202);
  });

  it('ends keys, tokens and links with the caller that had them', async () => {
    const { text, sha256, hint } = await import('../../src/callers/api-key.ts').then((module) =>
      module.newApiKey(),
    );
    const passing = {
      name: 'passing',
      keys: [{ sha256, hint, createdAt: '2026-11-23T10:00:00Z' }],
    };
    const own = await apiKeysFile({ kept: {} });
    const short = await gatewayWith({ AUTH: 'keys', API_KEYS_FILE: own.path });
    try {
      await own.replace([passing]);
      await expect
        .poll(async () => statusOf(short.create(prompt, bearer(text))), { timeout: 3_000 })
        .toBe(202);
      const made = await short.create(prompt, { ...bearer(text), prefer: 'wait=20' });
      const { urls } = (await made.json()) as { urls: { image: string } };
      expect(await statusOf(fetch(urls.image))).toBe(200);
      await own.replace([]);
      await expect
        .poll(async () => statusOf(short.create(prompt, bearer(text))), { timeout: 3_000 })
        .toBe(401);
      expect(await statusOf(fetch(urls.image))).toBe(401);
    } finally {
      await short.close();
      await own.remove();
    }
  });
});

describe('AUTH=none', () => {
  it('serves every request, whatever credential its client sends', async () => {
    const gateway = await gatewayWith({});
    expect(await statusOf(gateway.create(prompt))).toBe(202);
    expect(await statusOf(gateway.create(prompt, { authorization: 'Bearer sk-none' }))).toBe(202);
    expect(await statusOf(gateway.create(prompt, { authorization: 'Basic x y' }))).toBe(202);
    const made = await gateway.create(prompt, { prefer: 'wait=20' });
    const { urls } = (await made.json()) as { urls: { image: string } };
    expect(urls.image).not.toContain('token');
    await gateway.close();
  });
});

describe('AUTH=jwt', () => {
  it('takes tokens of the issuer, and keeps each subject apart', async () => {
    const keys = await startTokenIssuer();
    const key = await keys.addKey('one');
    const gateway = await gatewayWith({
      AUTH: 'jwt',
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      JWKS_URL: keys.url,
    });
    const signed = (sub: string, claims: object = {}) => key.token({ sub, ...claims });
    const [anna, ben] = [await signed('anna'), await signed('ben')];
    const id = await idOf(await gateway.create(prompt, bearer(anna)));
    expect(await statusOf(gateway.fetch(`/operations/${id}`, { headers: bearer(anna) }))).toBe(200);
    expect(await statusOf(gateway.fetch(`/operations/${id}`, { headers: bearer(ben) }))).toBe(404);
    const elsewhere = await signed('anna', { aud: 'another service' });
    expect(await statusOf(gateway.create(prompt, bearer(elsewhere)))).toBe(401);
    const reader = bearer(await signed('anna', { scope: 'openid operations:read' }));
    expect(await statusOf(gateway.fetch(`/operations/${id}`, { headers: reader }))).toBe(200);
    expect(await statusOf(gateway.create(prompt, reader))).toBe(403);
    for (const scope of [7, null, '', 'openid profile', ['images:create', 7], 'images:creates']) {
      const response = await gateway.create(prompt, bearer(await signed('anna', { scope })));
      expect(response.headers.get('www-authenticate')).toBe(
        'Bearer realm="image-generation-gateway", error="insufficient_scope", scope="images:create"',
      );
      expect(await codeOf(response)).toBe('403 permission_denied');
    }
    const openAi = await gateway.fetch('/v1/models', {
      headers: bearer(await signed('anna', { scp: ['openid'] })),
    });
    expect(openAi.headers.get('www-authenticate')).toContain('scope="operations:read"');
    expect(await statusOf(openAi)).toBe(403);
    const idToken = await signed('anna', {
      nonce: 'n-0S6_WzA2Mj',
      at_hash: '77QmUPtjPfzWtF2AnpK9RQ',
    });
    expect(await statusOf(gateway.create(prompt, bearer(idToken)))).toBe(401);
    await gateway.close();
    await keys.close();
  });
});

describe('AUTH=passthrough', () => {
  let guarded: Emulator;
  let gateway: Gateway;

  beforeAll(async () => {
    guarded = await startEmulator({
      latencyMs: 30,
      latencySpreadRatio: 0,
      credentials: { apiKeys: ['key-of-anna', 'key-of-ben'] },
    });
    gateway = await startGateway({
      UPSTREAM_ADDRESS: guarded.address,
      UPSTREAM_POLL_INTERVAL_MS: '20',
      AUTH: 'passthrough',
    });
  });

  afterAll(async () => {
    await gateway.close();
    await guarded.close();
  });

  it('sends the own credential of each caller upstream', async () => {
    expect(await statusOf(gateway.create(prompt, { 'x-api-key': 'key-of-anna' }))).toBe(202);
    const header = { authorization: 'Api-Key key-of-ben' };
    expect(await statusOf(gateway.create(prompt, header))).toBe(202);
    expect(await statusOf(gateway.create(prompt))).toBe(401);
  });

  it('responds with 401 to a credential that the upstream refuses, not with 502', async () => {
    const refused = await gateway.create(prompt, { 'x-api-key': 'unknown-key' });
    expect(refused.headers.get('content-type')).toContain('problem+json');
    const problem = (await refused.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({ code: 'unauthenticated', outcome: 'not_started', status: 401 });
  });

  it('keeps what was read with one credential from every other', async () => {
    const anna = { 'x-api-key': 'key-of-anna' };
    const id = await idOf(await gateway.create(prompt, { ...anna, prefer: 'wait=20' }));
    const before = guarded.ledger.gets;
    const path = `/operations/${id}/image`;
    expect(await statusOf(gateway.fetch(path, { headers: anna }))).toBe(200);
    expect(guarded.ledger.gets).toBe(before);
    const unknown = await gateway.fetch(path, { headers: { 'x-api-key': 'unknown-key' } });
    expect(await statusOf(unknown)).toBe(401);
    // Ben's key belongs to the same account upstream, which decides that he may see it.
    const ben = await gateway.fetch(path, { headers: { 'x-api-key': 'key-of-ben' } });
    expect(await statusOf(ben)).toBe(200);
    expect(guarded.ledger.gets).toBeGreaterThan(before);
  });

  it('takes ids of the upstream’s own, for whom the upstream lets see them', async () => {
    let upstreamId = '';
    const elsewhere = await startEmulator({
      latencyMs: 20,
      credentials: { apiKeys: ['key-of-anna'] },
      onBilled: (_request, id) => (upstreamId = id),
    });
    const through = await startGateway({
      UPSTREAM_ADDRESS: elsewhere.address,
      AUTH: 'passthrough',
    });
    const anna = { 'x-api-key': 'key-of-anna' };
    await statusOf(through.create(prompt, anna));
    const operation = await through.fetch(`/operations/${upstreamId}?wait=10`, { headers: anna });
    expect(await operation.json()).toMatchObject({
      id: upstreamId,
      done: true,
      response: { image: expect.any(String) },
    });
    const image = await through.fetch(`/operations/${upstreamId}/image`, { headers: anna });
    expect(image.headers.has('x-image-seed')).toBe(false);
    expect(await statusOf(image)).toBe(200);
    const unknown = { 'x-api-key': 'unknown-key' };
    const refused = through.fetch(`/operations/${upstreamId}/image`, { headers: unknown });
    expect(await statusOf(refused)).toBe(401);
    const wrong = through.fetch(`/operations/${'a'.repeat(20)}`, { headers: anna });
    expect([404, 410]).toContain(await statusOf(wrong));
    await through.close();
    await elsewhere.close();
  });

  it('shows no credential in a log line or a link', async () => {
    const made = await gateway.create(prompt, { 'x-api-key': 'key-of-anna', prefer: 'wait=20' });
    const text = await made.text();
    expect(text).not.toContain('key-of-');
    expect(text).not.toContain('token=');
    expect(gateway.logLines.some((line) => line.includes('key-of-'))).toBe(false);
  });
});

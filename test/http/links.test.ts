import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiKeyHash, keyIdFromHash, newApiKey } from '../../src/callers/api-key.ts';
import { openAccessTokens } from '../../src/callers/access-tokens.ts';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { jsonOf, statusOf } from '../support/responses.ts';
import { audience, issuer, startTokenIssuer } from '../support/token-issuer.ts';

const prompt = { prompt: 'a red cat' };
const secret = 'a-secret-that-only-this-test-uses-12345678';
const sealed = openAccessTokens({ current: Buffer.from(secret) });
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
const dayMs = 86_400_000;
const anyTime = { timeout: 20_000, interval: 50 };
const keyIdOf = (key: string) => keyIdFromHash(apiKeyHash(key));

/** A key as the file keeps it. */
function entry(key: string) {
  return { sha256: apiKeyHash(key), hint: key.slice(0, 8), createdAt: '2026-11-23T10:00:00Z' };
}

interface Made {
  readonly id: string;
  /** The token in the link of its image. */
  readonly token: string;
  readonly image: string;
}

function madeFrom(body: Record<string, unknown>): Made {
  const { image } = body['urls'] as { image: string };
  return { id: String(body['id']), image, token: new URL(image).searchParams.get('token') ?? '' };
}

/** When a link ends. */
function endOf({ id, token }: Made): number {
  return sealed.openRead(token, id, 0)?.expiresAtMs ?? NaN;
}

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 20, latencySpreadRatio: 0 });
});
afterAll(() => emulator.close());

function gatewayWith(environment: Record<string, string>): Promise<Gateway> {
  return startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    GATEWAY_SECRET: secret,
    ...environment,
  });
}

describe('a link', () => {
  let file: ApiKeysFile;
  let gateway: Gateway;
  let key: string;

  beforeEach(async () => {
    file = await apiKeysFile({ shop: {} });
    gateway = await gatewayWith({ AUTH: 'keys', API_KEYS_FILE: file.path });
    key = file.keys['shop'] ?? '';
  });
  afterEach(async () => {
    await gateway.close();
    await file.remove();
  });

  async function made(headers: Record<string, string>): Promise<Made> {
    return madeFrom(await jsonOf(gateway.create(prompt, { ...headers, prefer: 'wait=20' })));
  }
  /** The operation, read with a link or a credential: the new links in it. */
  async function read(id: string, options: { token?: string; headers?: Record<string, string> }) {
    const query = options.token === undefined ? '' : `?token=${options.token}`;
    const { headers = {} } = options;
    return madeFrom(await jsonOf(gateway.fetch(`/operations/${id}${query}`, { headers })));
  }
  async function lentToken(ttlSeconds: number): Promise<string> {
    const headers = { ...bearer(key), 'content-type': 'application/json' };
    const body = JSON.stringify({ scopes: ['images:create', 'operations:read'], ttlSeconds });
    return String(
      (await jsonOf(gateway.fetch('/v1/tokens', { method: 'POST', headers, body })))['token'],
    );
  }

  it('does not renew itself: links given to a link end when it does', async () => {
    const { id } = await made(bearer(key));
    const expiresAtMs = Date.now() + 60_000;
    const token = sealed.sealRead(id, { tenant: 'k:shop', keyId: keyIdOf(key), expiresAtMs });
    const first = await read(id, { token });
    const second = await read(id, { token: first.token });
    expect([endOf(first), endOf(second)]).toEqual([expiresAtMs, expiresAtMs]);
    const events = await gateway.fetch(`/operations/${id}/events?token=${token}`);
    const data = /^data: (.*)$/m.exec(await events.text())?.[1] ?? '{}';
    expect(endOf(madeFrom(JSON.parse(data) as Record<string, unknown>))).toBe(expiresAtMs);
    // What was kept for the link is not served to its caller, nor the other way round.
    expect(endOf(await read(id, { headers: bearer(key) }))).toBeGreaterThan(Date.now() + 3_000_000);
    expect(endOf(await read(id, { token }))).toBe(expiresAtMs);
  });

  it('given to a browser’s token ends with the token, in every form of the response', async () => {
    const token = await lentToken(120);
    const end = sealed.open(token, Date.now())?.expiresAtMs ?? NaN;
    const operation = await made(bearer(token));
    expect(endOf(operation)).toBe(end);
    expect(endOf(await read(operation.id, { headers: bearer(token) }))).toBe(end);
    const openAi = await jsonOf(
      gateway.fetch('/v1/images/generations', {
        method: 'POST',
        headers: { ...bearer(token), 'content-type': 'application/json' },
        body: JSON.stringify({ ...prompt, response_format: 'url' }),
      }),
    );
    const [{ url, operation_id: id }] = openAi['data'] as [{ url: string; operation_id: string }];
    const link = { id, image: url, token: new URL(url).searchParams.get('token') ?? '' };
    expect(endOf(link)).toBe(end);
    const image = await fetch(link.image);
    const maxAgeS = Number(/max-age=(\d+)/.exec(image.headers.get('cache-control') ?? '')?.[1]);
    expect(await statusOf(image)).toBe(200);
    expect(maxAgeS).toBeLessThanOrEqual(120);
  });

  it('ends when the key that asked is revoked, with the token it lent; another key’s goes on', async () => {
    const other = newApiKey();
    await file.replace([{ name: 'shop', keys: [entry(key), entry(other.text)] }]);
    await expect
      .poll(() => statusOf(gateway.fetch('/v1/models', { headers: bearer(other.text) })), anyTime)
      .toBe(200);
    const byKey = await made(bearer(key));
    const token = await lentToken(600);
    const byToken = await read(byKey.id, { headers: bearer(token) });
    // The same operation and state: links of one key must not reach the other.
    const byOther = await read(byKey.id, { headers: bearer(other.text) });
    expect(
      await Promise.all([byKey, byToken, byOther].map(({ image }) => statusOf(fetch(image)))),
    ).toEqual([200, 200, 200]);
    await file.replace([{ name: 'shop', keys: [entry(other.text)] }]);
    await expect.poll(() => statusOf(fetch(byKey.image)), anyTime).toBe(401);
    expect(await statusOf(fetch(byToken.image))).toBe(401);
    expect(await statusOf(gateway.fetch('/v1/models', { headers: bearer(token) }))).toBe(401);
    expect(await statusOf(fetch(byOther.image))).toBe(200);
  });

  it('ends when its key expires', async () => {
    const { id } = await made(bearer(key));
    const expired = newApiKey();
    const past = { ...entry(expired.text), expiresAt: '2026-01-02T00:00:00Z' };
    await file.replace([{ name: 'shop', keys: [past] }]);
    await expect
      .poll(() => statusOf(gateway.fetch('/v1/models', { headers: bearer(key) })), anyTime)
      .toBe(401);
    const expiresAtMs = Date.now() + dayMs;
    const token = sealed.sealRead(id, {
      tenant: 'k:shop',
      keyId: keyIdOf(expired.text),
      expiresAtMs,
    });
    expect(await statusOf(gateway.fetch(`/operations/${id}?token=${token}`))).toBe(401);
  });

  it('of another caller’s key, or of none, opens nothing', async () => {
    const { id } = await made(bearer(key));
    const blog = newApiKey();
    const kept = [
      { name: 'shop', keys: [entry(key)] },
      { name: 'blog', keys: [entry(blog.text)] },
    ];
    await file.replace(kept);
    await expect
      .poll(() => statusOf(gateway.fetch('/v1/models', { headers: bearer(blog.text) })), anyTime)
      .toBe(200);
    const expiresAtMs = Date.now() + dayMs;
    for (const keyId of [keyIdOf(blog.text), 'ffffffffffffffff', undefined]) {
      const token = sealed.sealRead(id, { tenant: 'k:shop', keyId, expiresAtMs });
      expect(await statusOf(gateway.fetch(`/operations/${id}?token=${token}`))).toBe(401);
    }
  });
});

it('a link given to a JWT ends with the JWT, and so does a token it lends', async () => {
  const keys = await startTokenIssuer();
  const key = await keys.addKey('one');
  const gateway = await gatewayWith({
    AUTH: 'jwt',
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
    JWKS_URL: keys.url,
  });
  const exp = Math.floor(Date.now() / 1000) + 300;
  const headers = { ...bearer(await key.token({ exp })), prefer: 'wait=20' };
  const operation = madeFrom(await jsonOf(gateway.create(prompt, headers)));
  expect(endOf(operation)).toBe(exp * 1000);
  const again = await jsonOf(gateway.fetch(`/operations/${operation.id}?token=${operation.token}`));
  expect(endOf(madeFrom(again))).toBe(exp * 1000);
  const lent = await jsonOf(
    gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['operations:read'], ttlSeconds: 600 }),
    }),
  );
  expect(lent['expiresAt']).toBe(new Date(exp * 1000).toISOString());
  await gateway.close();
  await keys.close();
});

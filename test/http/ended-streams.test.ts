import { afterAll, beforeAll, expect, it } from 'vitest';
import { openAccessTokens } from '../../src/callers/access-tokens.ts';
import { apiKeyHash, keyIdFromHash, newApiKey } from '../../src/callers/api-key.ts';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';
import { idOf, jsonOf } from '../support/responses.ts';

const secret = 'a-secret-that-only-this-test-uses-12345678';
const sealed = openAccessTokens({ current: Buffer.from(secret) });
let keyed: KeyedGateway;
let id: string;
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

beforeAll(async () => {
  // No image is ready before the test is over: only the credential can end a stream.
  keyed = await startKeyedGateway({
    callers: { shop: {} },
    emulator: { latencyMs: 600_000 },
    environment: { GATEWAY_SECRET: secret },
  });
  id = await idOf(keyed.gateway.create({ prompt: 'a cat' }, keyed.keyOf('shop')));
});
afterAll(() => keyed.close());

/** A stream of the operation, read to its end. */
async function opened(query: string, headers: Record<string, string>, init: RequestInit = {}) {
  const path = init.method === 'POST' ? '/v1/images' : `/operations/${id}/events${query}`;
  const response = await keyed.gateway.fetch(path, { ...init, headers });
  expect(response.status).toBe(200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const ended = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value;
    }
    return text;
  })();
  return { ended, cancel: () => reader.cancel() };
}

function keyIdOf(key: string): string {
  return keyIdFromHash(apiKeyHash(key));
}

async function lentToken(ttlSeconds: number): Promise<string> {
  const response = keyed.gateway.fetch('/v1/tokens', {
    method: 'POST',
    headers: { ...keyed.keyOf('shop'), 'content-type': 'application/json' },
    body: JSON.stringify({ scopes: ['images:create', 'operations:read'], ttlSeconds }),
  });
  return String((await jsonOf(response))['token']);
}

it('a stream that was opened with a link ends when the link does', async () => {
  const expiresAtMs = Date.now() + 3_000;
  const keyId = keyIdOf(keyed.file.keys['shop'] ?? '');
  const token = sealed.sealRead(id, { tenant: 'k:shop', keyId, expiresAtMs });
  const stream = await opened(`?token=${token}`, {});
  const text = await stream.ended;
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs);
  expect(text).toContain('event: running');
  expect((await keyed.gateway.fetch(`/operations/${id}/events?token=${token}`)).status).toBe(401);
}, 60_000);

it('streams that were opened with a key, a token or a link end when the key is revoked', async () => {
  const shop = keyed.file.keys['shop'] ?? '';
  const other = newApiKey();
  const entry = (key: string) => ({
    sha256: apiKeyHash(key),
    hint: key.slice(0, 8),
    createdAt: '2026-11-23T10:00:00Z',
  });
  await keyed.file.replace([{ name: 'shop', keys: [entry(shop), entry(other.text)] }]);
  const statusWith = async (key: string) =>
    (await keyed.gateway.fetch('/v1/models', { headers: bearer(key) })).status;
  await expect.poll(() => statusWith(other.text), { timeout: 20_000 }).toBe(200);
  const token = await lentToken(600);
  const link = sealed.sealRead(id, {
    tenant: 'k:shop',
    keyId: keyIdOf(shop),
    expiresAtMs: Date.now() + 3_600_000,
  });
  const create = {
    method: 'POST',
    body: JSON.stringify({ prompt: 'a dog' }),
  };
  const createHeaders = { 'content-type': 'application/json', accept: 'text/event-stream' };
  const streams = await Promise.all([
    opened('', bearer(shop)),
    opened('', bearer(token)),
    opened(`?token=${link}`, {}),
    opened('', { ...bearer(token), ...createHeaders }, create),
  ]);
  const kept = await opened('', bearer(other.text));
  let isKept = true;
  void kept.ended.then(
    () => (isKept = false),
    () => undefined,
  );
  await keyed.file.replace([{ name: 'shop', keys: [entry(other.text)] }]);
  for (const text of await Promise.all(streams.map(({ ended }) => ended))) {
    expect(text).toContain('event: running');
    expect(text).not.toContain('event: succeeded');
  }
  expect(isKept).toBe(true);
  await kept.cancel();
}, 60_000);

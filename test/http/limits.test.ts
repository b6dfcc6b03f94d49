import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { apiKeysFile, type ApiKeysFile, type CallerLimitsJson } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

let emulator: Emulator;
let file: ApiKeysFile;
let gateway: Gateway;
const prompt = { prompt: 'a red cat' };

beforeEach(async () => {
  emulator = await startEmulator({ latencyMs: 150, latencySpreadRatio: 0 });
});

afterEach(async () => {
  await gateway.close();
  await file.remove();
  await emulator.close();
});

async function start(
  callers: Record<string, CallerLimitsJson>,
  environment: Record<string, string> = {},
): Promise<void> {
  file = await apiKeysFile(callers);
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
    ...environment,
  });
}

async function create(
  caller: string,
  headers: Record<string, string> = {},
  body: unknown = prompt,
) {
  const response = await gateway.create(body, { 'x-api-key': file.keys[caller] ?? '', ...headers });
  const json = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, json };
}

describe('a limit of images a minute', () => {
  it('refuses further creates, spends nothing, and says when to retry', async () => {
    await start({ shop: { imagesPerMinuteMax: 3 }, blog: { imagesPerMinuteMax: 3 } });
    const first = await create('shop');
    expect(first.headers.get('ratelimit-policy')).toBe('"minute";q=3;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"minute";r=2;t=\d+$/);
    await create('shop');
    await create('shop');
    const fourth = await create('shop');
    expect(fourth.status).toBe(429);
    expect(fourth.json).toMatchObject({
      code: 'rate_limited',
      outcome: 'not_started',
      retryable: true,
    });
    const retryAfterS = Number(fourth.headers.get('retry-after'));
    expect(retryAfterS).toBeGreaterThanOrEqual(15);
    expect(retryAfterS).toBeLessThanOrEqual(20);
    expect(fourth.headers.get('ratelimit')).toMatch(/^"minute";r=0;t=\d+$/);
    expect(emulator.ledger.generates).toBe(3);
    // Another caller's limit is its own.
    expect((await create('blog')).status).toBe(202);
  });

  it('is not used up by a request that is wrong in itself', async () => {
    await start({ shop: { imagesPerMinuteMax: 1 } });
    expect((await create('shop', {}, { prompt: '' })).status).toBe(400);
    expect((await create('shop', { accept: 'text/plain' })).status).toBe(406);
    expect((await create('shop')).status).toBe(202);
  });

  it('is not used up by a replay, and does not refuse one', async () => {
    await start({ shop: { imagesPerMinuteMax: 1 } });
    const key = { 'idempotency-key': 'order-1' };
    const first = await create('shop', key);
    const replay = await create('shop', key);
    expect(replay.headers.get('idempotency-replayed')).toBe('true');
    expect(replay.json['id']).toBe(first.json['id']);
    const other = await create('shop', { 'idempotency-key': 'order-2' });
    expect(other.status).toBe(429);
    expect(emulator.ledger.generates).toBe(1);
  });
});

describe('a limit of images a day', () => {
  it('holds, and asks to come again within a minute at most', async () => {
    await start({ shop: { imagesPerDayMax: 2 } });
    await create('shop');
    await create('shop');
    const third = await create('shop');
    expect(third.status).toBe(429);
    expect(third.headers.get('ratelimit-policy')).toBe('"day";q=2;w=86400');
    expect(Number(third.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(emulator.ledger.generates).toBe(2);
    const [, resetS] = /t=(\d+)$/.exec(third.headers.get('ratelimit') ?? '') ?? [];
    const midnightS = 86_400 - ((Date.now() / 1000) % 86_400);
    // A few seconds off, unless the day ended in between.
    expect(Math.min(Math.abs(Number(resetS) - midnightS), midnightS)).toBeLessThan(5);
  });

  it('counts what may have been paid for, and not what surely was not', async () => {
    await start({ shop: { imagesPerDayMax: 2 } });
    const refused = await create('shop', {}, { prompt: 'something forbidden' });
    expect(refused.json).toMatchObject({ outcome: 'not_started' });
    emulator.faults.inject('Generate', {
      kind: 'status',
      code: 13,
      message: 'lost',
      afterwards: true,
    });
    expect((await create('shop')).json).toMatchObject({ outcome: 'unknown' });
    expect((await create('shop')).status).toBe(202);
    expect((await create('shop')).status).toBe(429);
    expect(emulator.ledger.generates).toBe(2);
  });
});

describe('a limit of images at once', () => {
  it('releases the slot when an image is done', async () => {
    const slow = await startEmulator({ latencyMs: 3_000, latencySpreadRatio: 0 });
    await emulator.close();
    emulator = slow;
    await start({ shop: { concurrentImagesMax: 2 } });
    const first = await create('shop');
    await create('shop');
    const third = await create('shop');
    expect(third.status).toBe(429);
    expect(third.headers.get('ratelimit-policy')).toBe('"concurrent";q=2');
    const id = String(first.json['id']);
    await gateway.fetch(`/operations/${id}?wait=20`, {
      headers: { 'x-api-key': file.keys['shop'] ?? '' },
    });
    await expect.poll(async () => (await create('shop')).status, { timeout: 2_000 }).toBe(202);
  });

  it('releases the slot when an image is done and no caller polls', async () => {
    await start({ shop: { concurrentImagesMax: 2 } });
    await create('shop');
    await create('shop');
    await expect.poll(async () => (await create('shop')).status, { timeout: 10_000 }).toBe(202);
    expect(emulator.ledger.generates).toBe(3);
  });

  it('keeps no slot for a create that was refused or lost', async () => {
    await start({ shop: { concurrentImagesMax: 1 } });
    await create('shop', {}, { prompt: 'something forbidden' });
    emulator.faults.inject('Generate', { kind: 'status', code: 13, message: 'lost' });
    await create('shop');
    expect((await create('shop')).status).toBe(202);
  });
});

describe('the limits of the gateway', () => {
  it('cap all callers together', async () => {
    await start({ shop: {}, blog: {} }, { IMAGES_PER_DAY_MAX: '2' });
    expect((await create('shop')).status).toBe(202);
    expect((await create('blog')).status).toBe(202);
    const third = await create('shop');
    expect(third.json).toMatchObject({ code: 'rate_limited', outcome: 'not_started' });
    expect(emulator.ledger.generates).toBe(2);
  });

  it('keep a burst and what follows it within the quota of any minute', async () => {
    await start({ shop: {} }, { IMAGES_PER_MINUTE_MAX: '60' });
    const statuses = await Promise.all(
      Array.from({ length: 70 }, async () => (await create('shop')).status),
    );
    const accepted = statuses.filter((status) => status === 202).length;
    // A seventh at once after a pause; the rest is refilled over the minute.
    expect(accepted).toBeGreaterThanOrEqual(8);
    expect(accepted).toBeLessThanOrEqual(12);
    expect(emulator.ledger.generates).toBe(accepted);
  });

  it('stand in for limits that a caller has none of its own of', async () => {
    await start({ shop: {}, big: { imagesPerDayMax: 3 } }, { CALLER_IMAGES_PER_DAY_MAX: '1' });
    expect((await create('shop')).status).toBe(202);
    expect((await create('shop')).status).toBe(429);
    expect((await create('big')).status).toBe(202);
    expect((await create('big')).status).toBe(202);
  });
});

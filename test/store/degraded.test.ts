import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock/system-clock.ts';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { FakeUpstream, tinyPng } from '../support/fake-upstream.ts';
import { recordFigure } from '../support/figure.ts';
import { inParallel } from '../support/in-parallel.ts';
import { startRedisServer, type RedisServer } from './redis-server.ts';

let emulator: Emulator;
let server: RedisServer;
let gateway: Gateway;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 40, latencySpreadRatio: 0 });
  server = await startRedisServer();
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    STORE_URL: server.url,
    GATEWAY_SECRET: 'a-secret-that-only-this-test-uses-12345678',
  });
});

afterEach(async () => {
  server.thaw();
  await server.restart();
  for (let tries = 0; tries < 100; tries += 1) {
    const response = await create('back');
    if (response.status === 202) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

afterAll(async () => {
  await gateway.close();
  await server.stop();
  await emulator.close();
});

let keyCount = 0;
async function create(kind: string, headers: Record<string, string> = {}) {
  keyCount += 1;
  const key = { 'idempotency-key': `${kind}-${keyCount}`, ...headers };
  const startMs = performance.now();
  const response = await gateway.create({ prompt: 'a red cat' }, key);
  const body = (await response.json()) as Record<string, unknown>;
  const tookMs = performance.now() - startMs;
  return { status: response.status, body, tookMs, retryAfter: response.headers.get('retry-after') };
}

async function imageStatus(id: unknown): Promise<number> {
  const response = await gateway.fetch(`/operations/${String(id)}/image?wait=5`);
  await response.arrayBuffer();
  return response.status;
}

async function readyStatus(): Promise<number> {
  const response = await gateway.fetch('/readyz');
  await response.arrayBuffer();
  return response.status;
}

describe.each([
  ['down', () => server.crash(), 100],
  ['slower than 250 ms', async () => server.freeze(), 700],
] as const)('with the store %s', (_, fail, refusedInMs) => {
  it('a create with a key is refused unspent, images and readiness are not affected', async () => {
    const made = await create('before');
    expect(made.status).toBe(202);
    await fail();
    const spent = emulator.ledger.generates;
    await create('first');
    const refused = await create('during');
    expect(refused).toMatchObject({
      status: 503,
      body: { code: 'store_unavailable', outcome: 'not_started', retryable: true },
    });
    expect(Number(refused.retryAfter)).toBeGreaterThanOrEqual(1);
    expect(refused.tookMs).toBeLessThan(refusedInMs);
    expect(emulator.ledger.generates).toBe(spent);
    expect(await imageStatus(made.body['id'])).toBe(200);
    expect(await readyStatus()).toBe(200);
  });

  it('a create without a key is accepted, because no shared limit applies', async () => {
    await fail();
    const response = await gateway.create({ prompt: 'a red cat' });
    const { id } = (await response.json()) as { id: string };
    expect(response.status).toBe(202);
    expect(await imageStatus(id)).toBe(200);
  });

  it('a create under a shared limit is refused', async () => {
    const limited = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      STORE_URL: server.url,
      GATEWAY_SECRET: 'a-secret-that-only-this-test-uses-12345678',
      CALLER_IMAGES_PER_MINUTE_MAX: '10',
    });
    await fail();
    const spent = emulator.ledger.generates;
    const response = await limited.create({ prompt: 'a red cat' });
    expect(await response.json()).toMatchObject({
      status: 503,
      code: 'store_unavailable',
      outcome: 'not_started',
    });
    expect(emulator.ledger.generates).toBe(spent);
    await limited.close();
  });
});

it('every id outlives a flushed store and the gateway that created it', async () => {
  const count = 10_000;
  // An upstream that draws nothing: ten thousand drawings would take minutes.
  const upstream = new FakeUpstream(systemClock, { latencyMs: 1 });
  const start = () =>
    startGateway(
      {
        RESULT_READS_PER_SECOND_MAX: '100000',
        STORE_URL: server.url,
        UPSTREAM_ADDRESS: emulator.address,
        GATEWAY_SECRET: 'a-secret-that-only-this-test-uses-12345678',
        LOG_LEVEL: 'error',
      },
      { throughUpstream: () => upstream },
    );
  const ids: string[] = [];
  const first = await start();
  await inParallel(Array(count).keys(), 32, async (index) => {
    const key = { 'idempotency-key': `flushed-${index}` };
    const response = await first.create({ prompt: 'a red cat' }, key);
    ids.push(((await response.json()) as { id: string }).id);
  });
  await first.close();
  const client = new Redis(server.url);
  await client.flushall();
  client.disconnect();
  const second = await start();
  let fetched = 0;
  await inParallel(ids, 16, async (id) => {
    const response = await second.fetch(`/operations/${id}/image?wait=30`);
    const bytes = await response.arrayBuffer();
    if (response.status === 200 && bytes.byteLength === tinyPng.length) fetched += 1;
  });
  recordFigure({
    promise: 'P4',
    says: 'Nothing that was paid is lost: callers’ ids go on through the end of a gateway and a flushed store',
    goal: '10,000 of 10,000 images fetched with the ids that callers hold',
    seen: `${fetched.toLocaleString('en')} of ${count.toLocaleString('en')} images fetched from a second gateway, after the first had ended and the store was flushed`,
    isMet: fetched === count,
    by: 'npm run test:store',
  });
  expect(fetched).toBe(count);
  await second.close();
}, 180_000);

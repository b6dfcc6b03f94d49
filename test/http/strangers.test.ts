import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { idOf, jsonOf, statusOf } from '../support/responses.ts';

/** Keys that the upstream accepts; tests change them. */
const apiKeys = ['key-of-anna', 'key-of-ben'];
const anna = { 'x-api-key': 'key-of-anna' };
const prompt = { prompt: 'a red cat' };
let emulator: Emulator;
let gateway: Gateway;
let invented = 0;

beforeAll(async () => {
  emulator = await startEmulator({
    latencyMs: 50,
    latencySpreadRatio: 0,
    credentials: { apiKeys },
  });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    AUTH: 'passthrough',
    IMAGES_PER_MINUTE_MAX: '30',
    CALLER_CONCURRENT_IMAGES_MAX: '100',
    RESULT_READS_PER_SECOND_MAX: '10',
  });
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

/** A credential that no one has. */
function stranger(): Record<string, string> {
  invented += 1;
  return { authorization: `Bearer invented-${invented}` };
}

it('creates of strangers are 401, spend nothing, and take nothing from the limit of all callers', async () => {
  const before = emulator.ledger.generates;
  const refused = await Promise.all(
    Array.from({ length: 100 }, () => jsonOf(gateway.create(prompt, stranger()))),
  );
  for (const body of refused) {
    expect(body).toMatchObject({
      httpStatus: 401,
      code: 'unauthenticated',
      outcome: 'not_started',
    });
  }
  expect(emulator.ledger.generates).toBe(before);
  // The limit allows seven at once; the one that was just made is missing.
  const response = await gateway.create(prompt, anna);
  expect(response.headers.get('ratelimit')).toContain('"gateway";r=6');
  expect(await statusOf(response)).toBe(202);
});

it('reads of strangers are never 200, and delay no caller’s image', async () => {
  const reads = Array.from({ length: 200 }, (_, index) => {
    const id = String(index).padStart(20, 'f');
    return statusOf(gateway.fetch(`/operations/${id}`, { headers: stranger() }));
  });
  const image = gateway.create(prompt, { ...anna, accept: 'image/*' });
  expect(new Set(await Promise.all(reads))).toEqual(new Set([401]));
  expect(await statusOf(image)).toBe(200);
});

it('a refused credential is asked about once in 10 s, whatever it requests', async () => {
  const before = emulator.ledger.refusedCredentials;
  const headers = stranger();
  const statuses = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      statusOf(
        index % 2 === 0
          ? gateway.create(prompt, headers)
          : gateway.fetch('/v1/models', { headers }),
      ),
    ),
  );
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(emulator.ledger.refusedCredentials - before).toBe(1);
});

it('a create that the upstream refuses for its credential gives back the rate of all callers', async () => {
  const leftAfter = async (headers: Record<string, string>) => {
    const response = await gateway.create(prompt, headers);
    await response.arrayBuffer();
    return Number(/"gateway";r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1]);
  };
  const passing = ['key-of-clara', 'key-of-dora', 'key-of-emil'];
  apiKeys.push(...passing);
  for (const key of passing) {
    const headers = { 'x-api-key': key };
    expect(await statusOf(gateway.fetch('/v1/models', { headers }))).toBe(200);
  }
  apiKeys.splice(-passing.length);
  const before = await leftAfter(anna);
  for (const key of passing) {
    expect(await statusOf(gateway.create(prompt, { 'x-api-key': key }))).toBe(401);
  }
  expect(await leftAfter(anna)).toBeGreaterThanOrEqual(before - 1);
});

it('a credential that the upstream no longer accepts is refused at once after its next call', async () => {
  const ben = { 'x-api-key': 'key-of-ben' };
  const id = await idOf(await gateway.create(prompt, ben));
  apiKeys.splice(apiKeys.indexOf('key-of-ben'), 1);
  expect(await statusOf(gateway.create(prompt, ben))).toBe(401);
  const before = emulator.ledger.refusedCredentials;
  expect(await statusOf(gateway.create(prompt, ben))).toBe(401);
  expect(await statusOf(gateway.fetch(`/operations/${id}`, { headers: ben }))).toBe(401);
  expect(emulator.ledger.refusedCredentials).toBe(before);
});

it('while the upstream does not say whether it accepts a new credential, nothing is done for it', async () => {
  expect(await statusOf(gateway.fetch('/v1/models', { headers: anna }))).toBe(200);
  const { generates } = emulator.ledger;
  const unanswered = { kind: 'status', code: 14, message: 'away' } as const;
  apiKeys.push('key-of-zoe');
  const zoe = { 'x-api-key': 'key-of-zoe' };
  for (const headers of [zoe, stranger()]) {
    emulator.faults.inject('Get', unanswered);
    expect(await jsonOf(gateway.create(prompt, headers))).toMatchObject({
      httpStatus: 503,
      code: 'upstream_unavailable',
      outcome: 'not_started',
      retryable: true,
    });
    expect(await statusOf(gateway.fetch('/v1/models', { headers }))).toBe(503);
    const id = 'f'.repeat(20);
    expect(await statusOf(gateway.fetch(`/operations/${id}`, { headers }))).toBe(503);
  }
  expect(emulator.ledger.generates).toBe(generates);
  // A caller whose credential was accepted before is served.
  expect(await statusOf(gateway.create(prompt, anna))).toBe(202);
});

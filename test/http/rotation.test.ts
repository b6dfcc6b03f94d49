import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newApiKey } from '../../src/callers/api-key.ts';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { jsonOf, statusOf } from '../support/responses.ts';
import { apiKeysFile } from '../support/api-keys.ts';
import { recordFigure } from '../support/figure.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

const upstreamKeys = ['upstream-key-old'];
let emulator: Emulator;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rotation-'));
  emulator = await startEmulator({
    latencyMs: 20,
    generationsPerMinuteMax: 1_000_000,
    generationsPerDayMax: 1_000_000,
    resultReadsPerSecondMax: 10_000,
    credentials: { apiKeys: upstreamKeys },
  });
});
/** The figure is measured with more callers than the test needs. */
const promisedCallers = 16;
const callersAtOnce = Number(process.env['ROTATION_CALLERS'] ?? 4);
/** Number of requests while each kind of key was changed, and of those that failed. */
const rotations = new Map<string, { readonly count: number; readonly failures: number }>();

afterAll(async () => {
  const kinds = ['sealing and signing', 'API', 'upstream'];
  // A run of only some of the tests, or with few callers, records no figure.
  if (callersAtOnce >= promisedCallers && kinds.every((kind) => rotations.has(kind))) {
    const sums = [...rotations.values()];
    const count = sums.reduce((sum, rotation) => sum + rotation.count, 0);
    const failed = sums.reduce((sum, { failures }) => sum + failures, 0);
    const each = [...rotations].map(([kind, rotation]) => `${kind}: ${rotation.count}`).join(', ');
    recordFigure({
      promise: 'P20',
      says: 'Keys rotate without downtime',
      goal: 'sealing, signing, API, upstream keys: 0 failed requests',
      seen: `${failed} of ${count} requests of ${callersAtOnce} callers failed while keys changed (${each})`,
      isMet: failed === 0,
      by: `ROTATION_CALLERS=${promisedCallers} npx vitest run test/http/rotation.test.ts`,
    });
  }
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

/** Sends requests without a pause while `work` runs. Returns every failure. */
async function whileRequesting<Result>(
  { kind, requestsEach = 1 }: { readonly kind: string; readonly requestsEach?: number },
  request: () => Promise<string | undefined>,
  work: () => Promise<Result>,
): Promise<{ readonly count: number; readonly failures: readonly string[] }> {
  const failures: string[] = [];
  let count = 0;
  let isOver = false;
  const callers = Array.from({ length: callersAtOnce }, async () => {
    while (!isOver) {
      const failure = await request();
      count += requestsEach;
      if (failure !== undefined) failures.push(failure);
      await sleep(3);
    }
  });
  await work();
  isOver = true;
  await Promise.all(callers);
  rotations.set(kind, { count, failures: failures.length });
  return { count, failures };
}

/** Resolves when the condition holds; the test's own limit ends a wait that is too long. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50);
}

function pick<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)] as Item;
}

it('the secret of a fleet changes without a failed request: ids, links and tokens stay valid', async () => {
  const file = await apiKeysFile({ shop: {} });
  const [oldSecret, newSecret] = ['old-'.padEnd(40, 'x'), 'new-'.padEnd(40, 'y')];
  const start = (current: string, previous?: string) =>
    startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      UPSTREAM_API_KEY: 'upstream-key-old',
      RESULT_READS_PER_SECOND_MAX: '10000',
      LOG_LEVEL: 'error',
      AUTH: 'keys',
      API_KEYS_FILE: file.path,
      GATEWAY_SECRET: current,
      ...(previous !== undefined && { GATEWAY_SECRET_PREVIOUS: previous }),
    });
  const fleet: Gateway[] = [await start(oldSecret), await start(oldSecret)];
  const key = { 'x-api-key': file.keys['shop'] ?? '' };
  const made: { readonly id: string; readonly link: string }[] = [];
  const tokens: string[] = [];
  const onAny = (path: string, init?: RequestInit) => pick(fleet).fetch(path, init);

  /** A gateway that stops ends a wait with 409, and the caller asks again. */
  const imageStatus = async (link: string): Promise<number> => {
    const status = await statusOf(onAny(`${link}&wait=10`));
    return status === 409 ? imageStatus(link) : status;
  };

  const request = async () => {
    const created = await jsonOf(pick(fleet).create({ prompt: 'a red cat' }, key));
    if (created['httpStatus'] !== 202) return `create ${JSON.stringify(created)}`;
    const urls = created['urls'] as { image: string };
    made.push({
      id: String(created['id']),
      link: new URL(urls.image).pathname + new URL(urls.image).search,
    });
    const lent = await jsonOf(
      onAny('/v1/tokens', {
        method: 'POST',
        headers: { ...key, 'content-type': 'application/json' },
        body: JSON.stringify({ scopes: ['operations:read'], ttlSeconds: 600 }),
      }),
    );
    tokens.push(String(lent['token']));
    const old = pick(made);
    const byToken = { headers: { authorization: `Bearer ${pick(tokens)}` } };
    const statuses = {
      'its status by an older id': await statusOf(onAny(`/operations/${old.id}`, { headers: key })),
      'a link': await imageStatus(old.link),
      'a token': await statusOf(onAny(`/operations/${old.id}`, byToken)),
    };
    const wrong = Object.entries(statuses).filter(([, status]) => status !== 200);
    return wrong.length === 0 ? undefined : JSON.stringify(wrong);
  };
  const roll = async (current: string, previous?: string) => {
    for (const index of fleet.keys()) {
      const old = fleet[index];
      fleet[index] = await start(current, previous);
      // Each generation of secrets must open what the one before sealed.
      const before = made.length;
      while (made.length < before + 4) await sleep(20);
      // As a load balancer does: requests in flight end before the old gateway stops.
      await sleep(150);
      await old?.close();
    }
  };
  const { count, failures } = await whileRequesting(
    { kind: 'sealing and signing', requestsEach: 5 },
    request,
    async () => {
      await sleep(300);
      await roll(oldSecret, newSecret);
      await roll(newSecret, oldSecret);
      await sleep(300);
    },
  );
  for (const gateway of fleet) await gateway.close();
  await file.remove();
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(60);
}, 60_000);

it('API keys change without a failed request, and the old key ends', async () => {
  const file = await apiKeysFile({ shop: {} });
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_API_KEY: 'upstream-key-old',
    LOG_LEVEL: 'error',
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
  });
  const oldKey = file.keys['shop'] ?? '';
  const entryOf = (key: { sha256: string; hint: string }) => ({
    ...{ sha256: key.sha256, hint: key.hint, createdAt: '2026-11-24T00:00:00Z' },
  });
  const { sha256, hint, text: newKey } = newApiKey();
  const oldEntry = entryOf({
    sha256: createHash('sha256').update(oldKey).digest('hex'),
    hint: oldKey.slice(0, 8),
  });
  let inUse = oldKey;
  const create = (key: string) =>
    statusOf(gateway.create({ prompt: 'a red cat' }, { 'x-api-key': key }));
  const request = async () => {
    const status = await create(inUse);
    return status === 202 ? undefined : `create ${status}`;
  };
  const { count, failures } = await whileRequesting({ kind: 'API' }, request, async () => {
    await file.replace([{ name: 'shop', keys: [oldEntry, entryOf({ sha256, hint })] }]);
    await until(async () => (await create(newKey)) === 202);
    inUse = newKey;
    await sleep(200);
    await file.replace([{ name: 'shop', keys: [entryOf({ sha256, hint })] }]);
    await until(async () => (await create(oldKey)) === 401);
  });
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(12);
  expect(await create(oldKey)).toBe(401);
  await gateway.close();
  await file.remove();
}, 30_000);

it('the upstream’s key changes in its file without a failed request', async () => {
  const path = join(folder, 'upstream-key');
  await writeFile(path, 'upstream-key-old\n');
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_API_KEY_FILE: path,
    LOG_LEVEL: 'error',
  });
  const request = async () => {
    const status = await statusOf(gateway.create({ prompt: 'a red cat' }));
    return status === 202 ? undefined : `create ${status}`;
  };
  const { count, failures } = await whileRequesting({ kind: 'upstream' }, request, async () => {
    upstreamKeys.push('upstream-key-new');
    await writeFile(path, 'upstream-key-new\n');
    await sleep(1_200);
    upstreamKeys.splice(0, 1);
    await sleep(600);
  });
  expect(failures).toEqual([]);
  expect(count).toBeGreaterThan(12);
  await gateway.close();
}, 30_000);

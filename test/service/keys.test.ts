import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock/clock.ts';
import { systemClock } from '../../src/clock/system-clock.ts';
import { KeyedOperations } from '../../src/gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import { ImageGenerationAsyncService } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { apiKeysFromFile } from '../../src/service/api-keys.ts';
import type { Service } from '../../src/service/service.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';
import { errorInfoOf, refusalOf } from '../support/rpc-refusal.ts';
import { startService, type StartServiceOptions } from '../support/service.ts';

const { generate } = ImageGenerationAsyncService.method;
const { get, cancel } = OperationService.method;
const { settle } = KeyedOperations.method;

let directory = '';
const services: Service[] = [];
const clients: GrpcClient[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'service-'));
});
afterEach(async () => {
  await stop();
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<StartServiceOptions> = {}) {
  const service = await startService({
    directory: join(directory, 'service'),
    delayMs: 60_000,
    ...options,
  });
  const grpc = connectGrpc(`http://127.0.0.1:${service.port}`);
  services.push(service);
  clients.push(grpc);
  const { storeId } = service;
  return {
    storeId,
    generate: (text: string, key: string, headers: Record<string, string> = {}) =>
      grpc.call(generate, requestFor(text), { 'idempotency-key': key, ...headers }),
    settle: (key: string, headers: Record<string, string> = {}, store = storeId) =>
      grpc.call(settle, { key, storeId: store }, headers),
    get: (operationId: string) => grpc.call(get, { operationId }),
    cancel: (operationId: string) => grpc.call(cancel, { operationId }),
  };
}

async function stop(): Promise<void> {
  for (const { client } of clients.splice(0)) client.close();
  for (const service of services.splice(0)) await service.close(0);
}

const requestFor = (text: string) => ({
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text, weight: 1 }],
});

const never = { outcome: { case: 'neverAccepted' } };
const accepted = (id: string) => ({ outcome: { case: 'operation', value: { id, done: false } } });
const daysMs = (days: number) => days * 24 * 3_600_000;
/** A clock that is ahead, on which no sweep is far away. */
const clockIn = (aheadMs: number): Clock => ({
  ...systemClock,
  nowMs: () => Date.now() + aheadMs,
  after: (ms, work) => systemClock.after(Math.min(ms, 100), work),
});

describe('a Generate under a key', () => {
  it('that is repeated is the same operation, also after a restart', async () => {
    const first = await start();
    const { id } = await first.generate('a red cat', 'one');
    expect((await first.generate('a red cat', 'one')).id).toBe(id);
    expect((await first.generate('a red cat', 'two')).id).not.toBe(id);
    await stop();
    const second = await start();
    expect((await second.generate('a red cat', 'one')).id).toBe(id);
  });

  it('with another request is refused, and starts nothing', async () => {
    const service = await start();
    await service.generate('a red cat', 'one');
    expect(await errorInfoOf(service.generate('a blue cat', 'one'))).toStrictEqual({
      ...{ code: 6, reason: 'KEY_REUSED', outcome: 'not_started' },
    });
  });

  it('is one operation however many arrive at once, at two processes on one directory', async () => {
    const both = [await start(), await start()];
    const created = await Promise.all(
      Array.from({ length: 40 }, (_, index) => both[index % 2]!.generate('a red cat', 'one')),
    );
    expect(new Set(created.map(({ id }) => id)).size).toBe(1);
  });

  it('whose operation is forgotten is not found, and never a new one', async () => {
    const first = await start();
    const { id } = await first.generate('a red cat', 'one');
    await first.cancel(id);
    await stop();
    const swept = await start({ retentionMs: 60_000, clock: clockIn(daysMs(6.9)) });
    await expect
      .poll(async () => (await errorInfoOf(swept.get(id))).code, { timeout: 60_000 })
      .toBe(5);
    expect((await refusalOf(swept.generate('a red cat', 'one'))).code).toBe(5);
    // A client that never heard of it still learns that it was accepted.
    expect(await swept.settle('one')).toMatchObject(accepted(id));
  }, 120_000);

  it('is forgotten after seven days', async () => {
    const first = await start();
    const { id } = await first.generate('a red cat', 'one');
    await stop();
    const later = await start({ clock: clockIn(daysMs(7.1)), delayMs: daysMs(8) });
    const again = async () => (await later.generate('a red cat', 'one')).id;
    await expect.poll(again, { timeout: 60_000 }).not.toBe(id);
  }, 120_000);

  it.each([
    ['an empty key', ''],
    ['a key of 256 characters', 'x'.repeat(256)],
    ['a key with a blank', 'a key'],
  ])('that is %s is refused', async (_name, key) => {
    const service = await start();
    expect((await refusalOf(service.generate('a red cat', key))).code).toBe(3);
    expect((await refusalOf(service.settle(key))).code).toBe(3);
  });
});

describe('Settle', () => {
  it('returns the operation that was accepted', async () => {
    const service = await start();
    const { id } = await service.generate('a red cat', 'one');
    expect(await service.settle('one')).toMatchObject(accepted(id));
    expect(await service.settle('one')).toMatchObject(accepted(id));
  });

  it('of a key that is not known makes sure that none ever will be, also after a restart', async () => {
    const first = await start();
    expect(await first.settle('one')).toMatchObject(never);
    await stop();
    const second = await start();
    expect(await second.settle('one')).toMatchObject(never);
    expect(await errorInfoOf(second.generate('a red cat', 'one'))).toStrictEqual({
      ...{ code: 9, reason: 'KEY_SETTLED', outcome: 'not_started' },
    });
  });

  it('and a Generate at the same time, at two processes, agree', async () => {
    const [first, second] = [await start(), await start()];
    for (let round = 0; round < 50; round += 1) {
      const [created, settled] = await Promise.all([
        first.generate('a red cat', `key-${round}`).catch(() => undefined),
        second.settle(`key-${round}`),
      ]);
      expect(settled).toMatchObject(created === undefined ? never : accepted(created.id));
    }
  });

  it('is for the owner of the key alone', async () => {
    const path = join(directory, 'keys.txt');
    const shop = { authorization: 'Api-Key shop-key-of-32-characters-000000' };
    const blog = { authorization: 'Api-Key blog-key-of-32-characters-000000' };
    await writeFile(
      path,
      `shop ${shop.authorization.slice(8)}\nblog ${blog.authorization.slice(8)}\n`,
    );
    const authenticator = apiKeysFromFile(path, { elapsedMs: () => 0, failed: () => undefined });
    const service = await start({ authenticator });
    const { id } = await service.generate('a red cat', 'one', shop);
    expect(await service.settle('one', blog)).toMatchObject(never);
    expect(await service.settle('one', shop)).toMatchObject(accepted(id));
    expect((await refusalOf(service.settle('one'))).code).toBe(16);
  });
});

describe('a call for another store', () => {
  it('starts nothing, settles nothing, and says so', async () => {
    const service = await start();
    const header = { 'x-service-store': 'another' };
    expect(await errorInfoOf(service.generate('a red cat', 'one', header))).toStrictEqual({
      ...{ code: 9, reason: 'OTHER_STORE', outcome: 'not_started' },
    });
    expect(await errorInfoOf(service.settle('one', {}, 'another'))).toStrictEqual({
      ...{ code: 9, reason: 'OTHER_STORE', outcome: undefined },
    });
    const own = { 'x-service-store': service.storeId };
    const { id } = await service.generate('a red cat', 'one', own);
    expect(await service.settle('one')).toMatchObject(accepted(id));
  });

  it('is every call of before, once the file with the id was deleted', async () => {
    const first = await start();
    await stop();
    await rm(join(directory, 'service', 'operations', 'store-id'));
    const restored = [await start(), await start()] as const;
    expect(restored[0].storeId).not.toBe(first.storeId);
    expect(restored[1].storeId).toBe(restored[0].storeId);
    expect((await refusalOf(restored[0].settle('one', {}, first.storeId))).code).toBe(9);
  });
});

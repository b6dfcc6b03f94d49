import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HealthCheckResponse_ServingStatus as Status } from '../../src/gen/grpc/health/v1/health_pb.ts';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.ts';
import { ImageGenerationAsyncService } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import type { OperationStore } from '../../src/service/operation-store.ts';
import type { Service } from '../../src/service/service.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';
import { startService } from '../support/service.ts';

const { generate } = ImageGenerationAsyncService.method;
const { get } = OperationService.method;
const { check } = Health.method;
const request = {
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text: 'a red cat', weight: 1 }],
};

let directory = '';
let service: Service;
let store: OperationStore;
let grpc: GrpcClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pause-'));
  // Long enough to pause it before it is drawn.
  service = await startService({
    directory,
    delayMs: 1_500,
    throughStore: (opened) => (store = opened),
  });
  grpc = connectGrpc(`http://127.0.0.1:${service.port}`);
});
afterEach(async () => {
  grpc.client.close();
  await service.close(0);
  await rm(directory, { recursive: true, force: true });
});

const healthOf = async (name: string) => (await grpc.call(check, { service: name })).status;

describe('a backend that an operator has paused', () => {
  it('is asked for nothing, and goes on where it was when it is resumed', async () => {
    const { id } = await grpc.call(generate, request);
    await store.setPaused(true);
    const dueMs = service.levels().oldestQueuedMs;
    await expect
      .poll(() => service.levels().oldestQueuedMs, { timeout: 20_000 })
      .toBeGreaterThan(dueMs + 500);
    expect(service.levels()).toMatchObject({
      operations: { queued: 1, running: 0 },
      ...{ inFlight: 0, isOpen: false, isPaused: true },
    });
    await store.setPaused(false);
    await expect
      .poll(async () => (await grpc.call(get, { operationId: id })).done, { timeout: 20_000 })
      .toBe(true);
    expect(service.levels()).toMatchObject({ operations: { done: 1 }, isOpen: true });
  });

  it('takes no new operation, and says so as its health', async () => {
    expect(await healthOf('backend/local')).toBe(Status.SERVING);
    await store.setPaused(true, 'local');
    expect(await healthOf('backend/local')).toBe(Status.NOT_SERVING);
    expect(await healthOf('')).toBe(Status.SERVING);
    await expect(healthOf('backend/other')).rejects.toThrow('no such service');
    await expect(grpc.call(generate, request)).rejects.toThrow('can not be used for now');
    await store.setPaused(false, 'local');
    expect(await healthOf('backend/local')).toBe(Status.SERVING);
    await grpc.call(generate, request);
  });

  it('is another one where another name is paused', async () => {
    await store.setPaused(true, 'openai');
    expect(service.levels().isPaused).toBe(false);
  });
});

describe('the store', () => {
  it('keeps pauses: one backend or all of them, and resumes all at once', async () => {
    await store.setPaused(true);
    await store.setPaused(true, 'openai');
    await store.setPaused(false, 'openai');
    expect(store.isPaused('openai')).toBe(true);
    await store.setPaused(true, 'local');
    await store.setPaused(false);
    expect(['local', 'openai'].map((name) => store.isPaused(name))).toStrictEqual([false, false]);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock/system-clock.ts';
import { KeyedOperations } from '../../src/gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import { BadRequestSchema, ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.ts';
import {
  ImageGenerationAsyncService,
  ImageGenerationResponseSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import type { RenderedImage } from '../../src/renderers/renderer.ts';
import { apiKeysFromFile } from '../../src/service/api-keys.ts';
import type { Service } from '../../src/service/service.ts';
import { onePixel, stubRenderer } from '../support/stub-renderer.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';
import { errorInfoOf, refusalOf } from '../support/rpc-refusal.ts';
import { startService, type StartServiceOptions } from '../support/service.ts';

const { generate } = ImageGenerationAsyncService.method;
const { get, cancel } = OperationService.method;
const { describe: tell } = KeyedOperations.method;
const nothing = () => undefined;

let directory = '';
let service: Service | undefined;
let grpc: GrpcClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'service-'));
});
afterEach(async () => {
  await stop();
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<StartServiceOptions> = {}): Promise<void> {
  service = await startService({ directory: join(directory, 'service'), ...options });
  grpc = connectGrpc(`http://127.0.0.1:${service.port}`);
}

async function stop(): Promise<void> {
  if (service === undefined) return;
  grpc.client.close();
  await service.close(0);
  service = undefined;
}

const request = (text: string, options: object = {}) => ({
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text, weight: 1 }],
  generationOptions: { seed: 7n, mimeType: 'image/png', ...options },
});

async function ended(id: string, headers?: Record<string, string>): Promise<Operation> {
  let operation = await grpc.call(get, { operationId: id }, headers);
  await expect
    .poll(
      async () => {
        operation = await grpc.call(get, { operationId: id }, headers);
        return operation.done;
      },
      { timeout: 20_000 },
    )
    .toBe(true);
  return operation;
}

function imageOf({ result }: Operation): Buffer {
  if (result.case !== 'response') throw new Error(`no image: ${JSON.stringify(result.value)}`);
  return Buffer.from(fromBinary(ImageGenerationResponseSchema, result.value.value).image);
}

describe('an operation', () => {
  it('is accepted with its times, and ends with an image', async () => {
    await start();
    const first = await grpc.call(generate, request('a red cat'));
    expect(first).toMatchObject({ done: false, result: { case: undefined } });
    expect(first.id).toMatch(/^[a-z0-9]{20}$/);
    expect(Number(first.createdAt?.seconds)).toBeGreaterThan(1_700_000_000);
    expect(
      imageOf(await ended(first.id))
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
  });

  it('goes on after the service was closed and opened again', async () => {
    await start({ delayMs: 60_000 });
    const { id } = await grpc.call(generate, request('a red cat'));
    const { storeId } = service!;
    await stop();
    // Its time has come while no one was there.
    const later = { ...systemClock, nowMs: () => Date.now() + 120_000 };
    await start({ clock: later });
    expect(service!.storeId).toBe(storeId);
    const image = imageOf(await ended(id));
    await stop();
    await start();
    expect(imageOf(await ended(id)).equals(image)).toBe(true);
  });

  it('has its image drawn again when the file is gone', async () => {
    await start();
    const { id } = await grpc.call(generate, request('a red cat'));
    const image = imageOf(await ended(id));
    await stop();
    await rm(join(directory, 'service', 'images'), { recursive: true });
    await start();
    expect(imageOf(await ended(id)).equals(image)).toBe(true);
  });

  it('is cancelled while it is queued, and stays so', async () => {
    await start({ delayMs: 60_000 });
    const { id } = await grpc.call(generate, request('a red cat'));
    const cancelled = { done: true, result: { case: 'error', value: { code: 1 } } };
    expect(await grpc.call(cancel, { operationId: id })).toMatchObject(cancelled);
    expect(await grpc.call(cancel, { operationId: id })).toMatchObject(cancelled);
    await stop();
    await start();
    expect(await grpc.call(get, { operationId: id })).toMatchObject(cancelled);
  });

  it('that has ended is not cancelled any more', async () => {
    await start();
    const { id } = await grpc.call(generate, request('a red cat'));
    await ended(id);
    expect((await grpc.call(cancel, { operationId: id })).result.case).toBe('response');
  });

  it('that is not there is not found', async () => {
    await start();
    expect((await refusalOf(grpc.call(get, { operationId: 'nonsense' }))).code).toBe(5);
    expect((await refusalOf(grpc.call(cancel, { operationId: '' }))).code).toBe(5);
  });
});

describe('a request that can not be rendered', () => {
  it.each([
    ['an empty prompt', request(''), 'messages'],
    [
      'a ratio of 100:1',
      request('a', { aspectRatio: { widthRatio: 100n, heightRatio: 1n } }),
      'generation_options.aspect_ratio',
    ],
    [
      'a type that is not drawn',
      request('a', { mimeType: 'image/gif' }),
      'generation_options.mime_type',
    ],
    ['a negative seed', request('a', { seed: -1n }), 'generation_options.seed'],
    [
      'a model of another service',
      { ...request('a'), modelUri: 'art://folder/other' },
      'model_uri',
    ],
    ['no model', { ...request('a'), modelUri: '' }, 'model_uri'],
  ])('%s is refused by its field, and nothing was started', async (_name, wrong, field) => {
    await start();
    const { code, details } = await refusalOf(grpc.call(generate, wrong));
    expect(code).toBe(3);
    const [info, fields] = details;
    expect(fromBinary(ErrorInfoSchema, info!.value)).toMatchObject({
      domain: 'image-generation-gateway',
      metadata: { outcome: 'not_started' },
    });
    expect(fromBinary(BadRequestSchema, fields!.value).fieldViolations[0]?.field).toBe(field);
  });

  it('for its length is refused in the words of the contract', async () => {
    await start();
    const { code, message } = await refusalOf(grpc.call(generate, request('x'.repeat(501))));
    expect({ code, message }).toStrictEqual({
      code: 3,
      message: 'Prompt positive size 501 exceeds limit (500)',
    });
  });
});

it('a service that stops serves until its last attempt has ended, and goes on later', async () => {
  let finish: (image: RenderedImage) => void = nothing;
  const render = () => new Promise<RenderedImage>((resolve) => (finish = resolve));
  await start({ renderer: stubRenderer({ concurrency: 1, render }) });
  const wanted = { ...request('a'), modelUri: 'art://folder/stub-1' };
  const { id: running } = await grpc.call(generate, wanted);
  await expect.poll(() => finish).not.toBe(nothing);
  const closed = service!.close(60_000);
  const { id: queued } = await grpc.call(generate, wanted);
  expect(await grpc.call(get, { operationId: running })).toMatchObject({ done: false });
  finish(onePixel());
  await closed;
  service = undefined;
  grpc.client.close();
  await start({ renderer: stubRenderer() });
  for (const id of [running, queued]) expect((await ended(id)).result.case).toBe('response');
});

it('a full queue refuses further operations until there is room', async () => {
  await start({ delayMs: 60_000, queuedMax: 2 });
  const { id } = await grpc.call(generate, request('1'));
  await grpc.call(generate, request('2'));
  const { code, details } = await refusalOf(grpc.call(generate, request('3')));
  expect(code).toBe(8);
  expect(fromBinary(ErrorInfoSchema, details[0]!.value).metadata['outcome']).toBe('not_started');
  await grpc.call(cancel, { operationId: id });
  await grpc.call(generate, request('4'));
});

it('tells its store and what its models can do', async () => {
  await start();
  expect(await grpc.call(tell, {})).toMatchObject({
    storeId: service!.storeId,
    models: [
      {
        name: 'yandex-art',
        sizes: { case: 'sizeArea', value: { pixels: 1_048_576n, sidePixels: 8, ratioMax: 8 } },
        mediaTypes: ['image/jpeg', 'image/png', 'image/webp'],
        promptCharactersMax: 500,
        seedMax: 2n ** 63n - 1n,
        hasNegativePrompts: true,
      },
    ],
  });
});

it('health is SERVING, for the server and for each service', async () => {
  await start();
  for (const name of ['', ImageGenerationAsyncService.typeName, KeyedOperations.typeName]) {
    expect((await grpc.call(Health.method.check, { service: name })).status).toBe(1);
  }
  expect((await refusalOf(grpc.call(Health.method.check, { service: 'other' }))).code).toBe(5);
});

it.each(['service', join('service', 'operations'), join('service', 'images')])(
  'accepts nothing that it can not keep once %s was removed, and says so once',
  async (removed) => {
    const failures: string[] = [];
    await start({
      observer: {
        ...{ attemptEnded: nothing, recovered: nothing, late: nothing, writeFailed: nothing },
        ...{ ownershipChanged: nothing, backendChanged: nothing, dispatched: nothing },
        failed: (error) => failures.push(String(error)),
      },
    });
    const { id } = await grpc.call(generate, request('a cat'));
    await ended(id);
    await rm(join(directory, removed), { recursive: true });
    for (let count = 0; count < 2; count += 1) {
      expect(await errorInfoOf(grpc.call(generate, request('a dog')))).toEqual({
        ...{ code: 14, reason: 'STORE_GONE', outcome: 'not_started' },
      });
    }
    expect((await grpc.call(Health.method.check, { service: '' })).status).toBe(2);
    expect((await grpc.call(get, { operationId: id })).done).toBe(true);
    expect(failures.filter((text) => text.includes('SERVICE_DIR: '))).toHaveLength(1);
  },
);

describe('with API keys', () => {
  const shop = { authorization: 'Api-Key shop-key-of-32-characters-000000' };
  const blog = { authorization: 'Bearer blog-key-of-32-characters-000000' };

  it('every call needs one, and an owner sees its own operations alone', async () => {
    const path = join(directory, 'keys.txt');
    await writeFile(
      path,
      `# names and keys\nshop ${shop.authorization.slice(8)}\nblog ${blog.authorization.slice(7)}\n`,
    );
    const elapsedMs = () => systemClock.elapsedMs();
    await start({ authenticator: apiKeysFromFile(path, { elapsedMs, failed: nothing }) });
    expect((await refusalOf(grpc.call(generate, request('a')))).code).toBe(16);
    const wrong = { authorization: 'Api-Key wrong' };
    expect((await refusalOf(grpc.call(generate, request('a'), wrong))).code).toBe(16);
    const { id } = await grpc.call(generate, request('a'), shop);
    await ended(id, shop);
    expect((await refusalOf(grpc.call(get, { operationId: id }, blog))).code).toBe(5);
    expect((await refusalOf(grpc.call(cancel, { operationId: id }, blog))).code).toBe(5);
    expect((await refusalOf(grpc.call(get, { operationId: id }))).code).toBe(16);
  });

  it.each([
    ['no key', '# none\n'],
    ['a short key', 'shop short\n'],
    ['a line without a name', 'only-a-key-of-32-characters-000000\n'],
  ])('a file with %s is refused by the setting, without showing it', async (_name, text) => {
    const path = join(directory, 'keys.txt');
    await writeFile(path, text);
    const open = () => apiKeysFromFile(path, { elapsedMs: () => 0, failed: nothing });
    expect(open).toThrow(/^SERVICE_API_KEYS_FILE: /);
    expect(open).not.toThrow(/only-a-key|short$/);
  });

  it('are read again when the file changes, and a broken file leaves the last ones', async () => {
    const path = join(directory, 'keys.txt');
    let elapsedMs = 0;
    const failures: unknown[] = [];
    await writeFile(path, 'shop first-key-of-32-characters-00000\n');
    const keys = apiKeysFromFile(path, {
      elapsedMs: () => elapsedMs,
      failed: (error) => failures.push(error),
    });
    await start({ authenticator: keys });
    const first = { authorization: 'Api-Key first-key-of-32-characters-00000' };
    const second = { authorization: 'Api-Key second-key-of-32-characters-0000' };
    await grpc.call(generate, request('a'), first);
    await writeFile(path, 'broken\n');
    elapsedMs += 2_000;
    await grpc.call(generate, request('a'), first);
    expect(failures).toHaveLength(1);
    await writeFile(path, 'shop second-key-of-32-characters-0000\n');
    elapsedMs += 2_000;
    await grpc.call(generate, request('a'), second);
    expect((await refusalOf(grpc.call(generate, request('a'), first))).code).toBe(16);
  });
});

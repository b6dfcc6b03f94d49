import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  ImageGenerationMetadata_State as State,
  ImageGenerationMetadataSchema,
} from '../../src/gen/image_generation_gateway/v1/metadata_pb.ts';
import { ImageGenerationAsyncService } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import {
  RendererError,
  type Attempt,
  type RenderedImage,
  type RenderPlan,
} from '../../src/renderers/renderer.ts';
import type { Service } from '../../src/service/service.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';
import { startService, type StartServiceOptions } from '../support/service.ts';
import { onePixel, stubRenderer } from '../support/stub-renderer.ts';

const { generate } = ImageGenerationAsyncService.method;
const { get } = OperationService.method;

let directory = '';
let service: Service;
let grpc: GrpcClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'metadata-'));
});
afterEach(async () => {
  await stop();
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<StartServiceOptions>): Promise<void> {
  service = await startService({ directory, ...options });
  grpc = connectGrpc(`http://127.0.0.1:${service.port}`);
}

async function stop(): Promise<void> {
  grpc.client.close();
  await service.close(0);
}

const request = (modelUri = 'art://folder/stub-1') => ({
  modelUri,
  messages: [
    { text: 'a red cat', weight: 1 },
    { text: 'text', weight: -1 },
  ],
  generationOptions: { seed: 1_863n },
});

function metadataOf({ metadata }: Operation) {
  const message = metadata && anyUnpack(metadata, ImageGenerationMetadataSchema);
  if (message === undefined) throw new Error('the operation has no metadata of the service');
  return message;
}

async function metadataOnce(id: string, state: State) {
  const metadata = async () => metadataOf(await grpc.call(get, { operationId: id }));
  await expect.poll(async () => (await metadata()).state, { timeout: 20_000 }).toBe(state);
  return metadata();
}

it('an operation says from its acceptance on what its model leaves out, also after a restart', async () => {
  await start({ renderer: stubRenderer() });
  const accepted = await grpc.call(generate, request());
  const planned = { model: 'stub-1', seed: 0n, seedApplied: false, ignored: ['negative_prompt'] };
  expect(metadataOf(accepted)).toMatchObject(planned);
  const done = { ...planned, width: 1_024, height: 1_024, backend: 'stub', attempt: 1 };
  const before = await metadataOnce(accepted.id, State.DONE);
  expect(before).toMatchObject({ ...done, outcomeUnknown: false });
  expect(Number(before.startedAt?.seconds)).toBeGreaterThan(1_700_000_000);
  await stop();
  await start({ renderer: stubRenderer() });
  expect(await metadataOnce(accepted.id, State.DONE)).toEqual(before);
});

it('an operation whose model takes all that was asked ignores nothing, and tells its seed', async () => {
  await start({});
  const { id } = await grpc.call(generate, request('art://folder/yandex-art'));
  expect(await metadataOnce(id, State.DONE)).toMatchObject({
    ...{ backend: 'local', model: 'yandex-art', seed: 1_863n, seedApplied: true, ignored: [] },
  });
});

it('an operation whose response was lost says that no one knows whether it was paid for', async () => {
  const render = async () => {
    throw new RendererError('unknown', 'the connection broke');
  };
  await start({ renderer: stubRenderer({ render }) });
  const { id } = await grpc.call(generate, request());
  const lost = { outcomeUnknown: true, seedApplied: false, model: 'stub-1' };
  expect(await metadataOnce(id, State.DONE)).toMatchObject(lost);
});

it('queued operations tell how many are rendered before them, and running ones tell nothing of it', async () => {
  const finish: (() => void)[] = [];
  const render = (_plan: RenderPlan, { signal }: Attempt) =>
    new Promise<RenderedImage>((resolve, reject) => {
      finish.push(() => resolve(onePixel()));
      signal.addEventListener('abort', () => reject(new Error('stopped')));
    });
  await start({ renderer: stubRenderer({ concurrency: 1, render }) });
  const { id: first } = await grpc.call(generate, request());
  const running = await metadataOnce(first, State.RUNNING);
  expect(running).toMatchObject({ queuePosition: 0, attempt: 1 });
  expect(running.progress).toBeUndefined();
  const { id: second } = await grpc.call(generate, request());
  const { id: third } = await grpc.call(generate, request());
  expect(await metadataOnce(second, State.QUEUED)).toMatchObject({ queuePosition: 1, attempt: 0 });
  expect(await metadataOnce(third, State.QUEUED)).toMatchObject({ queuePosition: 2 });
  finish.shift()?.();
  await metadataOnce(second, State.RUNNING);
  expect(await metadataOnce(third, State.QUEUED)).toMatchObject({ queuePosition: 1 });
});

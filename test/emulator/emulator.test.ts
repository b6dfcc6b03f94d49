import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ServiceError } from '@grpc/grpc-js';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { startEmbeddedEmulator } from '../../src/emulator/embedded-emulator.ts';
import { startEmulator, type Emulator, type EmulatorOptions } from '../../src/emulator/emulator.ts';
import { BadRequestSchema, RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.ts';
import {
  ImageGenerationAsyncService,
  ImageGenerationResponseSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { ApiEndpointService } from '../../src/gen/yandex/cloud/endpoint/api_endpoint_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

async function start(
  options: EmulatorOptions = {},
): Promise<{ emulator: Emulator; grpc: GrpcClient }> {
  const emulator = await startEmulator({ latencyMs: 0, ...options });
  const grpc = connectGrpc(emulator.address);
  opened.push(emulator, { close: () => grpc.client.close() });
  return { emulator, grpc };
}

const { generate } = ImageGenerationAsyncService.method;
const { get, cancel } = OperationService.method;
const modelUri = 'art://folder/yandex-art/latest';

const order = (text: string, options: object = {}) => ({
  modelUri,
  messages: [{ text, weight: 1 }],
  generationOptions: { seed: 7n, ...options },
});

function pictureOf(operation: Operation) {
  if (operation.result.case !== 'response') throw new Error(`no picture: ${operation.result.case}`);
  const response = anyUnpack(operation.result.value, ImageGenerationResponseSchema);
  if (response === undefined) throw new Error('the result is of another type');
  return response;
}

async function drawn(grpc: GrpcClient, request: ReturnType<typeof order>): Promise<Buffer> {
  const { id } = await grpc.call(generate, request);
  return Buffer.from(pictureOf(await grpc.call(get, { operationId: id })).image);
}

async function refusalOf(promise: Promise<unknown>) {
  try {
    await promise;
  } catch (error) {
    const { code, details, metadata } = error as ServiceError;
    const bytes = metadata.get('grpc-status-details-bin')[0] as Buffer | undefined;
    const status = bytes === undefined ? undefined : fromBinary(StatusSchema, bytes);
    return { code, details, typed: status?.details ?? [], metadata };
  }
  throw new Error('was not refused');
}

describe('an operation', () => {
  it('begins with an id of the vendor’s shape and nothing else, and ends with a picture', async () => {
    const { emulator, grpc } = await start({ latencyMs: 100, latencySpreadRatio: 0 });
    const first = await grpc.call(generate, order('a red cat'));
    expect(first).toMatchObject({ done: false, result: { case: undefined } });
    expect(first.id).toMatch(/^[a-z0-9]{20}$/);
    expect(first.createdAt).toBeUndefined();
    expect(await grpc.call(get, { operationId: first.id })).toMatchObject({ done: false });
    await expect
      .poll(async () => (await grpc.call(get, { operationId: first.id })).done)
      .toBe(true);
    const response = pictureOf(await grpc.call(get, { operationId: first.id }));
    expect(response.modelVersion).toMatch(/local drawing, no model/);
    expect(emulator.ledger.generates).toBe(1);
  });

  it('can be cancelled while it runs, and not afterwards', async () => {
    const { grpc } = await start({ latencyMs: 60_000 });
    const { id } = await grpc.call(generate, order('a cat'));
    const cancelled = { done: true, result: { case: 'error', value: { code: 1 } } };
    expect(await grpc.call(cancel, { operationId: id })).toMatchObject(cancelled);
    expect(await grpc.call(get, { operationId: id })).toMatchObject(cancelled);
    const quick = await start();
    const done = await quick.grpc.call(generate, order('a cat'));
    expect((await quick.grpc.call(cancel, { operationId: done.id })).result.case).toBe('response');
  });

  it('is forgotten after the retention, and unknown ids are not found', async () => {
    let nowMs = 1_800_000_000_000;
    const { grpc } = await start({ nowMs: () => nowMs });
    const { id } = await grpc.call(generate, order('a cat'));
    nowMs += 3 * 86_400_000 - 1;
    expect((await grpc.call(get, { operationId: id })).done).toBe(true);
    nowMs += 1;
    expect((await refusalOf(grpc.call(get, { operationId: id }))).code).toBe(5);
    expect((await refusalOf(grpc.call(get, { operationId: 'nonsense' }))).code).toBe(5);
  });

  it('tells its times when it is meant to', async () => {
    const { grpc } = await start({ operationTimes: true });
    const { id } = await grpc.call(generate, order('a cat'));
    const operation = await grpc.call(get, { operationId: id });
    expect(Number(operation.createdAt?.seconds)).toBeGreaterThan(1_700_000_000);
    expect(operation.modifiedAt).toBeDefined();
  });
});

describe('a picture', () => {
  it.each([
    ['', 'jpeg'],
    ['image/jpeg', 'jpeg'],
    ['image/png', 'png'],
    ['image/webp', 'webp'],
  ])('is drawn as asked: %s', async (mimeType, format) => {
    const { grpc } = await start();
    const facts = await sharp(await drawn(grpc, order('a red cat', { mimeType }))).metadata();
    expect(facts).toMatchObject({ format, width: 1024, height: 1024 });
  });

  it.each([
    [16n, 9n],
    [9n, 16n],
    [3n, 1n],
    [1n, 1n],
  ])('has the ratio %s:%s and about a megapixel', async (widthRatio, heightRatio) => {
    const { grpc } = await start();
    const bytes = await drawn(grpc, order('hills', { aspectRatio: { widthRatio, heightRatio } }));
    const { width, height } = await sharp(bytes).metadata();
    expect(width / height).toBeCloseTo(Number(widthRatio) / Number(heightRatio), 1);
    expect(width * height).toBeGreaterThan(0.85 * 1024 * 1024);
    expect(width * height).toBeLessThan(1.15 * 1024 * 1024);
    expect(bytes.length).toBeGreaterThan(50_000);
  });

  it('is the same for the same words and seed, and another for any other', async () => {
    const { grpc } = await start();
    const first = await drawn(grpc, order('a red cat'));
    expect((await drawn(grpc, order('a red cat'))).equals(first)).toBe(true);
    expect((await drawn(grpc, order('a red cat', { seed: 8n }))).equals(first)).toBe(false);
    expect((await drawn(grpc, order('a blue cat'))).equals(first)).toBe(false);
    const unseeded = [order('a cat', { seed: 0n }), order('a cat', { seed: 0n })];
    const [one, other] = await Promise.all(unseeded.map((request) => drawn(grpc, request)));
    expect(one?.equals(other ?? Buffer.alloc(0))).toBe(false);
  });

  it('takes its colour from the words', async () => {
    const { grpc } = await start();
    const share = async (text: string) => {
      const { channels } = await sharp(await drawn(grpc, order(text))).stats();
      return (channels[0]?.mean ?? 0) - (channels[2]?.mean ?? 0);
    };
    expect(await share('a red cat')).toBeGreaterThan((await share('a blue cat')) + 5);
  });

  it.each([
    '<script>&"\'',
    '😀🏳️‍🌈',
    'שלום עולם',
    'a\u0000b\u0007c',
    'я'.repeat(500),
    '\u202eright to left',
    '   ',
  ])('survives the words %j', async (text) => {
    const { grpc } = await start();
    expect((await sharp(await drawn(grpc, order(text))).metadata()).format).toBe('jpeg');
  });
});

describe('a refusal', () => {
  it.each([
    [order('a'.repeat(702)), 3, 'Prompt positive size 702 exceeds limit (500)'],
    [order(''), 3, 'Prompt is empty'],
    [order('something forbidden'), 3, /may violate the terms of use/],
    [
      { ...order('a'), modelUri: 'art://folder/other/latest' },
      7,
      /Access to model art:\/\/.* denied/,
    ],
    [{ ...order('a'), modelUri: 'https://x' }, 3, /Model URI/],
    [order('a', { seed: -1n }), 3, /Seed/],
    [order('a', { mimeType: 'image/tiff' }), 3, /Mime type/],
    [order('a', { aspectRatio: { widthRatio: 100n, heightRatio: 1n } }), 3, /Aspect ratio/],
    [order('a', { aspectRatio: { widthRatio: -1n, heightRatio: 1n } }), 3, /Aspect ratio/],
    [order('a', { aspectRatio: { widthRatio: 1n, heightRatio: 0n } }), 3, /Aspect ratio/],
  ])('of %o has the code %i and costs nothing', async (request, code, details) => {
    const { emulator, grpc } = await start();
    const refusal = await refusalOf(grpc.call(generate, request));
    expect(refusal.code).toBe(code);
    expect(refusal.details).toMatch(details);
    expect(emulator.ledger.generates).toBe(0);
    expect(refusal.metadata.get('x-request-id')).toHaveLength(1);
  });

  it('names the wrong field', async () => {
    const { grpc } = await start();
    const { typed } = await refusalOf(grpc.call(generate, order('a', { seed: -1n })));
    const violations = typed[0] === undefined ? undefined : anyUnpack(typed[0], BadRequestSchema);
    expect(violations?.fieldViolations[0]?.field).toBe('generation_options.seed');
  });

  it('comes for a folder that is not the account’s', async () => {
    const { grpc } = await start({ folders: ['own'] });
    const { details } = await refusalOf(grpc.call(generate, order('a')));
    expect(details).toBe(
      "Specified folder ID 'folder' does not match with service account folder ID 'own'",
    );
  });

  it.each([
    ['forbidden later', 3, /terms of use/],
    ['a broken machine', 13, /generation failed/],
  ])('can come with the operation: %s', async (text, code, message) => {
    const { grpc } = await start();
    const { id } = await grpc.call(generate, order(text));
    const { done, result } = await grpc.call(get, { operationId: id });
    expect([done, result.case, (result.value as { code: number }).code]).toEqual([
      true,
      'error',
      code,
    ]);
    expect((result.value as { message: string }).message).toMatch(message);
  });

  it.each([
    ['generationsPerMinuteMax', () => order('a')],
    ['generationsPerDayMax', () => order('a')],
  ])('comes when %s is used up, with when to come back', async (name, request) => {
    const { emulator, grpc } = await start({ [name]: 2, nowMs: () => 1_800_000_000_000 });
    await grpc.call(generate, request());
    await grpc.call(generate, request());
    const { code, typed } = await refusalOf(grpc.call(generate, request()));
    expect(code).toBe(8);
    const retry = typed
      .map((any) => anyUnpack(any, RetryInfoSchema))
      .find((found) => found !== undefined);
    expect(Number(retry?.retryDelay?.seconds)).toBeGreaterThan(0);
    expect(emulator.ledger.generates).toBe(2);
  });

  it('comes for more result reads than the quota', async () => {
    const { grpc } = await start({ resultReadsPerSecondMax: 3, nowMs: () => 1_800_000_000_000 });
    const { id } = await grpc.call(generate, order('a'));
    for (let read = 0; read < 3; read += 1) await grpc.call(get, { operationId: id });
    expect((await refusalOf(grpc.call(get, { operationId: id }))).code).toBe(8);
  });
});

describe('misbehaviour on order', () => {
  it('is used up by one call each', async () => {
    const { emulator, grpc } = await start();
    const { id } = await grpc.call(generate, order('a cat'));
    emulator.faults.order(
      'Get',
      { kind: 'status', code: 14, message: 'gone' },
      { kind: 'error', code: 13, message: 'broken', done: false },
      { kind: 'bytes', bytes: Buffer.from('hello') },
      { kind: 'type', typeUrl: 'x/other.Type' },
    );
    expect((await refusalOf(grpc.call(get, { operationId: id }))).code).toBe(14);
    expect(await grpc.call(get, { operationId: id })).toMatchObject({
      done: false,
      result: { case: 'error' },
    });
    expect(Buffer.from(pictureOf(await grpc.call(get, { operationId: id })).image).toString()).toBe(
      'hello',
    );
    expect(await grpc.call(get, { operationId: id })).toMatchObject({
      result: { value: { typeUrl: 'x/other.Type' } },
    });
    expect(pictureOf(await grpc.call(get, { operationId: id })).image.length).toBeGreaterThan(
      1_000,
    );
  });
});

describe('the services around it', () => {
  it('are healthy', async () => {
    const { grpc } = await start();
    expect(await grpc.call(Health.method.check, { service: '' })).toMatchObject({ status: 1 });
    expect(
      await grpc.call(Health.method.check, { service: OperationService.typeName }),
    ).toMatchObject({ status: 1 });
    expect((await refusalOf(grpc.call(Health.method.check, { service: 'x' }))).code).toBe(5);
  });

  it('are found under its own address', async () => {
    const { emulator, grpc } = await start();
    const { endpoints } = await grpc.call(ApiEndpointService.method.list, {});
    expect(endpoints.map(({ id, address }) => [id, address])).toEqual(
      ['ai-foundation-models', 'operation', 'iam', 'endpoint'].map((id) => [
        id,
        `127.0.0.1:${emulator.port}`,
      ]),
    );
    expect(
      (await refusalOf(grpc.call(ApiEndpointService.method.get, { apiEndpointId: 'x' }))).code,
    ).toBe(5);
  });
});

describe('the embedded emulator', () => {
  it('draws on a thread of its own, and ends when it is closed', async () => {
    const emulator = await startEmbeddedEmulator({ latencyMs: 0 });
    const grpc = connectGrpc(emulator.address);
    expect((await drawn(grpc, order('a red cat'))).length).toBeGreaterThan(50_000);
    await emulator.close();
    expect((await refusalOf(grpc.call(generate, order('a')))).code).toBe(14);
    grpc.client.close();
  });

  it('does not start on a port that is taken', async () => {
    const { emulator } = await start();
    await expect(startEmbeddedEmulator({ port: emulator.port })).rejects.toThrow();
  });
});

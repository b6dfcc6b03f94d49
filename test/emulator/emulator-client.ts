import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { fromBinary } from '@bufbuild/protobuf';
import type { ServiceError } from '@grpc/grpc-js';
import { afterEach } from 'vitest';
import { startEmulator, type Emulator, type EmulatorOptions } from '../../src/emulator/emulator.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import {
  ImageGenerationAsyncService,
  ImageGenerationResponseSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

/** Closes what a test opened when the test ends, the last one first. */
export function closeAfterwards<Part extends { close(): unknown }>(part: Part): Part {
  opened.push(part);
  return part;
}

/** An emulator without latency, and a client of it. */
export async function start(
  options: EmulatorOptions = {},
): Promise<{ emulator: Emulator; grpc: GrpcClient }> {
  const emulator = closeAfterwards(await startEmulator({ latencyMs: 0, ...options }));
  return { emulator, grpc: connect(emulator.address) };
}

export function connect(
  address: string,
  caPem?: string,
  always?: Readonly<Record<string, string>>,
): GrpcClient {
  const grpc = connectGrpc(address, caPem, always);
  closeAfterwards(grpc.client);
  return grpc;
}

export const { generate } = ImageGenerationAsyncService.method;
export const { get, cancel } = OperationService.method;

/** A request with one text, and a fixed seed unless the options change it. */
export const imageRequest = (text: string, options: object = {}) => ({
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text, weight: 1 }],
  generationOptions: { seed: 7n, ...options },
});

export function imageOf(operation: Operation) {
  if (operation.result.case !== 'response') throw new Error(`no image: ${operation.result.case}`);
  const response = anyUnpack(operation.result.value, ImageGenerationResponseSchema);
  if (response === undefined) throw new Error('the result is of another type');
  return response;
}

export async function drawn(
  grpc: GrpcClient,
  request: ReturnType<typeof imageRequest>,
): Promise<Buffer> {
  const { id } = await grpc.call(generate, request);
  return Buffer.from(imageOf(await grpc.call(get, { operationId: id })).image);
}

/** The error of a call. */
export async function rpcErrorOf(promise: Promise<unknown>) {
  try {
    await promise;
  } catch (error) {
    const { code, details, metadata } = error as ServiceError;
    const bytes = metadata.get('grpc-status-details-bin')[0] as Buffer | undefined;
    const status = bytes === undefined ? undefined : fromBinary(StatusSchema, bytes);
    return { code, details, typed: status?.details ?? [], metadata };
  }
  throw new Error('the call succeeded');
}

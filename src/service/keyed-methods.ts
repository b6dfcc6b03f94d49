import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status, type Metadata } from '@grpc/grpc-js';
import {
  SettleResponseSchema,
  type DescribeRequest,
  type SettleRequest,
} from '../gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import {
  ImageGenerationRequestSchema,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { ModelCard } from '../renderers/renderer.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { unaryHandler, type Call, type UnaryHandlerOptions } from '../rpc/unary-method.ts';
import type { CallAuthenticator } from './api-keys.ts';
import { description } from './description.ts';
import {
  generateOfOtherStore,
  rpcErrorFromNotSettled,
  settleOfOtherStore,
} from './not-accepted-error.ts';
import { operationKey, type OperationKey } from './operation-key.ts';
import { NotAccepted, type ServiceOperations, type SettledOperation } from './operations.ts';

export interface KeyedMethodsOptions {
  readonly operations: ServiceOperations;
  readonly storeId: string;
  readonly models: readonly ModelCard[];
  readonly authenticator: CallAuthenticator;
}

const keyPattern = /^[\x21-\x7e]{1,255}$/;
const keyHeader = 'idempotency-key';
const storeHeader = 'x-service-store';

/** The methods of KeyedOperations. */
export function keyedMethods(options: KeyedMethodsOptions, handling: UnaryHandlerOptions) {
  const { operations, storeId, authenticator } = options;
  return {
    describe: unaryHandler(async ({ metadata }: Call<DescribeRequest>) => {
      authenticator.ownerOf(metadata);
      return description(storeId, options.models);
    }, handling),
    settle: unaryHandler(async ({ metadata, request }: Call<SettleRequest>) => {
      const owner = authenticator.ownerOf(metadata);
      if (request.storeId !== storeId) throw settleOfOtherStore();
      const settled = await operations
        .settle(checkedKey(request.key), owner)
        .catch(throwAsRpcError);
      return settleResponse(settled);
    }, handling),
  };
}

/**
 * The key that a Generate came with.
 *
 * @throws RpcError INVALID_ARGUMENT for one that can't be kept.
 */
export function keyOfGenerate(
  metadata: Metadata,
  request: ImageGenerationRequest,
  owner: string,
): OperationKey | undefined {
  const keys = metadata.get(keyHeader);
  if (keys.length === 0) return undefined;
  const key = checkedKey(keys.length === 1 ? String(keys[0]) : '');
  return operationKey(key, owner, toBinary(ImageGenerationRequestSchema, request));
}

/** @throws RpcError FAILED_PRECONDITION for a Generate that is meant for another store. */
export function checkStore(metadata: Metadata, storeId: string): void {
  if (metadata.get(storeHeader).some((wanted) => wanted !== storeId)) throw generateOfOtherStore();
}

function checkedKey(key: string): string {
  if (keyPattern.test(key)) return key;
  const text = 'an idempotency key is one value of 1 to 255 visible ASCII characters';
  throw new RpcError(status.INVALID_ARGUMENT, text);
}

function settleResponse(settled: SettledOperation | undefined) {
  if (settled === undefined) {
    return create(SettleResponseSchema, { outcome: { case: 'neverAccepted', value: {} } });
  }
  const createdAt = timestampFromMs(settled.acceptedAtMs);
  const operation = { id: settled.id, createdAt, modifiedAt: createdAt };
  return create(SettleResponseSchema, { outcome: { case: 'operation', value: operation } });
}

function throwAsRpcError(error: unknown): never {
  if (error instanceof NotAccepted) throw rpcErrorFromNotSettled(error);
  throw error;
}

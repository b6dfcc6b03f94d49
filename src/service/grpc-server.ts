import { randomUUID } from 'node:crypto';
import { Server, status } from '@grpc/grpc-js';
import { KeyedOperations } from '../gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import {
  ImageGenerationAsyncService,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  OperationService,
  type CancelOperationRequest,
  type GetOperationRequest,
} from '../gen/yandex/cloud/operation/operation_service_pb.ts';
import { serviceDefinitionFromDescriptor } from '../grpc/service-definition.ts';
import { RendererError } from '../renderers/renderer.ts';
import {
  checkStore,
  keyedMethods,
  keyOfGenerate,
  type KeyedMethodsOptions,
} from './keyed-methods.ts';
import {
  rpcErrorFromKeyRefused,
  rpcErrorFromNotAccepted,
  rpcErrorFromRefusal,
} from './not-accepted-error.ts';
import { KeyRefused } from './operation-key.ts';
import { operationMessage } from './operation-message.ts';
import { NotAccepted, type OperationWithImage } from './operations.ts';
import { renderRequestFromMessage } from './render-request.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { addStandardServices } from '../rpc/standard-services.ts';
import { unaryHandler, type Call } from '../rpc/unary-method.ts';

export interface ServiceServerOptions extends KeyedMethodsOptions {
  readonly failed: (error: unknown) => void;
  /** Whether operations can be written. */
  readonly isServing: () => boolean;
  /** Whether a backend can be asked for images, by its name. */
  readonly backends: Readonly<Record<string, () => boolean>>;
}

/** The largest Generate that is read. */
const requestBytesMax = 256 * 1_024;

/** A gRPC server of the three services over `operations`; it does not listen yet. */
export function serviceServer(options: ServiceServerOptions): Server {
  const { operations, authenticator, failed } = options;
  const handling = { responseIds: () => ({ 'x-request-id': randomUUID() }), failed };
  const server = new Server({ 'grpc.max_receive_message_length': requestBytesMax });
  server.addService(serviceDefinitionFromDescriptor(ImageGenerationAsyncService), {
    generate: unaryHandler(async ({ metadata, request }: Call<ImageGenerationRequest>) => {
      const owner = authenticator.ownerOf(metadata);
      checkStore(metadata, options.storeId);
      const key = keyOfGenerate(metadata, request, owner);
      return operationMessage(
        await operations.accept(requestOf(request), owner, key).catch(throwAsRpcError),
      );
    }, handling),
  });
  const found = (operation: OperationWithImage | undefined) => {
    if (operation !== undefined) return operationMessage(operation);
    throw new RpcError(status.NOT_FOUND, 'there is no operation with this id');
  };
  server.addService(serviceDefinitionFromDescriptor(OperationService), {
    get: unaryHandler(async ({ metadata, request }: Call<GetOperationRequest>) => {
      const owner = authenticator.ownerOf(metadata);
      return found(await operations.get(request.operationId, owner));
    }, handling),
    cancel: unaryHandler(async ({ metadata, request }: Call<CancelOperationRequest>) => {
      const owner = authenticator.ownerOf(metadata);
      return found(await operations.cancel(request.operationId, owner));
    }, handling),
  });
  server.addService(
    serviceDefinitionFromDescriptor(KeyedOperations),
    keyedMethods(options, handling),
  );
  addStandardServices(server, [ImageGenerationAsyncService, OperationService, KeyedOperations], {
    ...handling,
    isServing: options.isServing,
    parts: Object.fromEntries(
      Object.entries(options.backends).map(([name, isOpen]) => [`backend/${name}`, isOpen]),
    ),
  });
  return server;
}

/** Between the last call that is taken and the end of those that hang. */
const callsEndMsMax = 1_000;

/** Lets calls under way end, briefly, and closes. */
export async function shutDown(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, callsEndMsMax);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
  server.forceShutdown();
}

function requestOf(request: ImageGenerationRequest) {
  try {
    return renderRequestFromMessage(request);
  } catch (error) {
    return throwAsRpcError(error);
  }
}

function throwAsRpcError(error: unknown): never {
  if (error instanceof NotAccepted) throw rpcErrorFromNotAccepted(error);
  if (error instanceof KeyRefused) throw rpcErrorFromKeyRefused(error);
  if (error instanceof RendererError) throw rpcErrorFromRefusal(error);
  throw error;
}

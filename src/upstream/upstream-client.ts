import { create } from '@bufbuild/protobuf';
import { credentials, type MethodDefinition } from '@grpc/grpc-js';
import { GatewayError } from '../errors/gateway-error.ts';
import { grpcCodeName } from '../errors/grpc-code.ts';
import {
  ImageGenerationAsyncService,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import {
  CancelOperationRequestSchema,
  GetOperationRequestSchema,
  OperationService,
} from '../gen/yandex/cloud/operation/operation_service_pb.ts';
import { methodDefinitionFromDescriptor } from '../grpc/service-definition.ts';
import { UpstreamChannel } from './channel.ts';
import { channelOptions, type ReceiveLimits } from './channel-options.ts';
import { callMetadata } from './metadata.ts';
import { boundedOperationFromBytes } from './operation-deserializer.ts';
import type { UpstreamLog } from './silence-grpc-logger.ts';
import { errorFromStatus, type MethodName } from './status-error.ts';
import type { TokenSource } from './token-source.ts';
import { unaryCall } from './unary-call.ts';
import { upstreamAddressFromText } from './upstream-address.ts';

export interface CallOptions {
  /** Ends the call on this side. Money that a Generate has spent stays spent. */
  readonly signal?: AbortSignal;
  readonly traceparent?: string;
}

/** The two services of the upstream. Every method rejects with a GatewayError and nothing else. */
export interface UpstreamClient {
  /**
   * Has a picture made. Sent once and never repeated. The Operation has an id.
   *
   * @throws GatewayError whose `outcome` is `not_started` or `unknown`.
   */
  generate(request: ImageGenerationRequest, options?: CallOptions): Promise<Operation>;
  /** @throws GatewayError `operation_not_found` when the upstream does not know it. */
  getOperation(operationId: string, options?: CallOptions): Promise<Operation>;
  /** Best effort. @throws GatewayError like `getOperation`. */
  cancelOperation(operationId: string, options?: CallOptions): Promise<Operation>;
  /** Whether both services were reached at least once. */
  readonly ready: boolean;
  /** Ends the calls in flight. */
  close(): Promise<void>;
}

/** Told of every call when it ends; what it does must be quick and may not throw. */
export interface UpstreamObserver {
  callEnded(call: {
    readonly method: MethodName;
    /** Name of the gRPC code. */
    readonly code: string;
    readonly durationMs: number;
  }): void;
}

export interface UpstreamClientOptions {
  /** Of ImageGenerationAsyncService. */
  readonly address: string;
  /** Of OperationService. */
  readonly operationsAddress: string;
  /** PEM of the CA to trust in place of Node's. */
  readonly caPem?: Buffer;
  readonly tokenSource: TokenSource;
  readonly generateTimeoutMs: number;
  /** Of Get and Cancel. */
  readonly getTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly imageBytesMax: number;
  readonly dataLogging: boolean;
  readonly folderId?: string | undefined;
  readonly log: UpstreamLog;
  readonly observer?: UpstreamObserver;
  /** A number in [0, 1). */
  readonly random?: () => number;
}

const mebibyte = 1_048_576;
const acceptedLimits: ReceiveLimits = { messageBytesMax: 65_536, windowBytes: 262_144 };

function withBoundedResponse<Request>(
  method: MethodDefinition<Request, Operation>,
): MethodDefinition<Request, Operation> {
  return { ...method, responseDeserialize: boundedOperationFromBytes };
}

const methods = {
  generate: withBoundedResponse(
    methodDefinitionFromDescriptor(ImageGenerationAsyncService.method.generate),
  ),
  get: withBoundedResponse(methodDefinitionFromDescriptor(OperationService.method.get)),
  cancel: withBoundedResponse(methodDefinitionFromDescriptor(OperationService.method.cancel)),
};

/**
 * Opens the channels and starts to connect.
 *
 * Generate and the operations have a channel each: what they may receive
 * differs by three orders of magnitude, and a large picture on the way must not
 * hold up the answer to a create.
 *
 * @throws Error for an address that can't be read.
 */
export function openUpstreamClient(options: UpstreamClientOptions): UpstreamClient {
  const { random = Math.random, observer, tokenSource } = options;
  const open = (name: string, address: string, limits: ReceiveLimits) => {
    const { target, isPlaintext } = upstreamAddressFromText(address);
    return new UpstreamChannel({
      target,
      credentials: isPlaintext
        ? credentials.createInsecure()
        : credentials.createSsl(options.caPem ?? null),
      channelOptions: channelOptions(limits),
      connectTimeoutMs: options.connectTimeoutMs,
      onStuck: () =>
        options.log.warn({ channel: name }, 'connection got stuck and is dialled anew'),
    });
  };
  const generateChannel = open('generate', options.address, acceptedLimits);
  const operationsChannel = open('operations', options.operationsAddress, {
    messageBytesMax: options.imageBytesMax + mebibyte,
    windowBytes: 8 * mebibyte,
  });

  const call = async <Request>(
    name: MethodName,
    method: MethodDefinition<Request, Operation>,
    request: Request,
    { signal, traceparent }: CallOptions,
  ): Promise<Operation> => {
    const isGenerate = name === 'Generate';
    const authorization = await authorizationOf(tokenSource, isGenerate);
    const startMs = performance.now();
    const channel = isGenerate ? generateChannel : operationsChannel;
    const result = await unaryCall(channel.client, method, request, {
      metadata: callMetadata(options, { authorization, traceparent }),
      timeoutMs: isGenerate ? options.generateTimeoutMs : options.getTimeoutMs,
      signal,
    });
    const code = result.ok
      ? 'OK'
      : (grpcCodeName(result.status.code) ?? String(result.status.code));
    observer?.callEnded({ method: name, code, durationMs: performance.now() - startMs });
    if (!result.ok) throw errorFromStatus(result.status, { method: name, random });
    return result.message;
  };

  return {
    async generate(request, callOptions = {}) {
      const operation = await call('Generate', methods.generate, request, callOptions);
      if (isUsableId(operation.id)) return operation;
      throw new GatewayError('bad_upstream_result', 'the upstream accepted without telling an id', {
        outcome: 'unknown',
      });
    },
    getOperation(operationId, callOptions = {}) {
      const request = create(GetOperationRequestSchema, { operationId });
      return call('Get', methods.get, request, callOptions);
    },
    cancelOperation(operationId, callOptions = {}) {
      const request = create(CancelOperationRequestSchema, { operationId });
      return call('Cancel', methods.cancel, request, callOptions);
    },
    get ready() {
      return generateChannel.hasBeenReady && operationsChannel.hasBeenReady;
    },
    async close() {
      generateChannel.close();
      operationsChannel.close();
    },
  };
}

async function authorizationOf(
  source: TokenSource,
  isGenerate: boolean,
): Promise<string | undefined> {
  try {
    return await source.authorization();
  } catch (error) {
    throw new GatewayError('upstream_auth', 'the gateway has no credential for the upstream', {
      cause: error,
      ...(isGenerate && { outcome: 'not_started' }),
    });
  }
}

/** An id goes into a sealed id and back onto the wire, so it has to be plain text of some length. */
function isUsableId(id: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(id);
}

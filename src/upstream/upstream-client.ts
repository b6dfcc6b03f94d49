import { create } from '@bufbuild/protobuf';
import { credentials, type MethodDefinition } from '@grpc/grpc-js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Reason } from '../errors/reason.ts';
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
import { isVisibleAscii } from '../text/visible-ascii.ts';
import { CallsInFlight } from './call/calls-in-flight.ts';
import { UpstreamChannel } from './channel/channel.ts';
import { channelOptions, type ReceiveLimits } from './channel/channel-options.ts';
import { boundedOperationFromBytes } from './call/operation-deserializer.ts';
import { rpcCaller } from './call/rpc-caller.ts';
import type { UpstreamLog } from './channel/silence-grpc-logger.ts';
import type { MethodName } from './call/status-error.ts';
import type { TokenSource } from './credentials/token-source.ts';
import { upstreamAddressFromText, type UpstreamAddress } from './channel/upstream-address.ts';

export interface CallOptions {
  /** Ends the call on this side. Money that a Generate has spent stays spent. */
  readonly signal?: AbortSignal;
  readonly traceparent?: string;
  /** What is left of the caller's time, where that is less than the method's own. */
  readonly timeoutMs?: number;
  /** The caller's own credential, sent in place of the gateway's. */
  readonly authorization?: string;
}

/** The two services of the upstream. Every method rejects with a GatewayError and nothing else. */
export interface UpstreamClient {
  /**
   * Has an image made. Sent once and never repeated. The Operation has an id.
   *
   * @throws GatewayError whose `outcome` is `not_started` or `unknown`.
   */
  generate(request: ImageGenerationRequest, options?: CallOptions): Promise<Operation>;
  /** @throws GatewayError `operation_not_found` when the upstream does not know it. */
  getOperation(operationId: string, options?: CallOptions): Promise<Operation>;
  /** Best effort. @throws GatewayError like `getOperation`. */
  cancelOperation(operationId: string, options?: CallOptions): Promise<Operation>;
  /**
   * Asks, at no cost, whether the service that spends is alive: a read of an
   * operation that does not exist, on its own connection. Resolves on any
   * answer that it gave itself.
   *
   * @throws GatewayError when there was none within two seconds.
   */
  probe(): Promise<void>;
  /** Whether both services were reached at least once. */
  readonly ready: boolean;
  /**
   * Ends the reads in flight at once, and a Generate in flight after the grace:
   * it may be paid for, and its answer is the only way to the image. Resolves
   * when every call has ended; later calls are refused.
   *
   * @param generateGraceMs 0 unless told.
   */
  close(generateGraceMs?: number): Promise<void>;
}

/** Told of every call when it ends; what it does must be quick and may not throw. */
export interface UpstreamObserver {
  callEnded(call: {
    readonly method: MethodName;
    /** Name of the gRPC code. */
    readonly code: string;
    readonly durationMs: number;
    /** The upstream's own id of the call. */
    readonly requestId?: string;
  }): void;
}

/** Asked at the start of every call, to follow it in a trace. */
export interface UpstreamTracer {
  /**
   * @param call.path `/package.Service/Method`.
   * @returns What the upstream is told, and who is told of the end.
   */
  startCall(call: { readonly path: string; readonly traceparent: string | undefined }): {
    readonly traceparent: string;
    end(code: string): void;
  };
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
  readonly observer?: UpstreamObserver | undefined;
  readonly tracer?: UpstreamTracer | undefined;
  /** A number in [0, 1). */
  readonly random?: () => number;
}

const mebibyte = 1_048_576;
/** In the form of an operation id, and none. */
const noOperation = '00000000000000000000';
/** Said outright: Node's own default hangs on an environment variable. */
const verified = { rejectUnauthorized: true };
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
 * @throws Error for an address that can't be read.
 */
export function openUpstreamClient(options: UpstreamClientOptions): UpstreamClient {
  const channels = openChannels(options);
  const inFlight = new CallsInFlight();
  const call = rpcCaller(options, channels, inFlight);
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
    async probe() {
      const request = create(GetOperationRequestSchema, { operationId: noOperation });
      await call('Probe', methods.get, request, {}).catch(throwUnlessAlive);
    },
    get ready() {
      return channels.generate.hasBeenReady && channels.operations.hasBeenReady;
    },
    async close(generateGraceMs = 0) {
      await inFlight.end(generateGraceMs);
      channels.generate.close();
      channels.operations.close();
    },
  };
}

/** One for each service. */
export interface Channels {
  readonly generate: UpstreamChannel;
  readonly operations: UpstreamChannel;
}

/**
 * Generate and the operations have a channel each: what they may receive
 * differs by three orders of magnitude, and a large image on the way must not
 * hold up the answer to a create.
 */
function openChannels(options: UpstreamClientOptions): Channels {
  const { caPem, connectTimeoutMs, log } = options;
  const open = (name: string, { target, isPlaintext }: UpstreamAddress, limits: ReceiveLimits) =>
    new UpstreamChannel({
      target,
      credentials: isPlaintext
        ? credentials.createInsecure()
        : credentials.createSsl(caPem ?? null, null, null, verified),
      channelOptions: channelOptions(limits),
      connectTimeoutMs,
      onStuck: () =>
        log.warn({ channel: name }, 'no connection to the upstream for too long, dialling anew'),
    });
  const address = upstreamAddressFromText(options.address);
  const operationsAddress = upstreamAddressFromText(options.operationsAddress);
  return {
    generate: open('generate', address, acceptedLimits),
    operations: open('operations', operationsAddress, {
      messageBytesMax: options.imageBytesMax + mebibyte,
      windowBytes: 8 * mebibyte,
    }),
  };
}

/** Refusals that only a service which is alive gives. */
const signsOfLife: ReadonlySet<Reason> = new Set([
  'operation_not_found',
  'invalid_request',
  'upstream_auth',
  'quota_exceeded',
]);

function throwUnlessAlive(error: unknown): void {
  if (!(error instanceof GatewayError)) throw error;
  const isUnimplemented = error.upstream?.grpcCode === 'UNIMPLEMENTED';
  if (!signsOfLife.has(error.reason) && !isUnimplemented) throw error;
}

const upstreamIdCharactersMax = 1_024;

/** An id goes into a sealed id and back onto the wire, so it has to be plain text of some length. */
function isUsableId(id: string): boolean {
  return isVisibleAscii(id, upstreamIdCharactersMax);
}

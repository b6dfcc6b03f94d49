import { create } from '@bufbuild/protobuf';
import { credentials, status, type MethodDefinition } from '@grpc/grpc-js';
import { GatewayError } from '../errors/gateway-error.ts';
import { grpcCodeName } from '../errors/grpc-code.ts';
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
import { CallsInFlight } from './calls-in-flight.ts';
import { UpstreamChannel } from './channel.ts';
import { channelOptions, type ReceiveLimits } from './channel-options.ts';
import { callMetadata } from './metadata.ts';
import { boundedOperationFromBytes } from './operation-deserializer.ts';
import { GatewayCredential } from './gateway-credential.ts';
import type { UpstreamLog } from './silence-grpc-logger.ts';
import { errorFromStatus, type MethodName } from './status-error.ts';
import type { TokenSource } from './token-source.ts';
import { unaryCall, type CallStatus, type UnaryResult } from './unary-call.ts';
import { upstreamAddressFromText, type UpstreamAddress } from './upstream-address.ts';

export interface CallOptions {
  /** Ends the call on this side. Money that a Generate has spent stays spent. */
  readonly signal?: AbortSignal;
  readonly traceparent?: string;
  /** The caller's own credential, sent in place of the gateway's. */
  readonly authorization?: string;
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
   * it may be paid for, and its answer is the only way to the picture. Resolves
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
const probeTimeoutMs = 2_000;
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
  const call = unaryCaller(options, channels, inFlight);
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

interface Channels {
  readonly generate: UpstreamChannel;
  readonly operations: UpstreamChannel;
}

/**
 * Generate and the operations have a channel each: what they may receive
 * differs by three orders of magnitude, and a large picture on the way must not
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

/** Makes calls of which every failure is a GatewayError and every end is told to the observer. */
function unaryCaller(options: UpstreamClientOptions, channels: Channels, inFlight: CallsInFlight) {
  const { random = Math.random, observer } = options;
  const gateway = new GatewayCredential(options.tokenSource);
  return async <Request>(
    name: MethodName,
    method: MethodDefinition<Request, Operation>,
    request: Request,
    { signal, traceparent, authorization: own }: CallOptions,
  ): Promise<Operation> => {
    const isGenerate = name === 'Generate';
    const authorization = own ?? (await gateway.authorization(isGenerate));
    const startMs = performance.now();
    const channel = isGenerate || name === 'Probe' ? channels.generate : channels.operations;
    const client = inFlight.isEnding ? undefined : channel.client;
    const started = unaryCall(client, method, request, {
      metadata: callMetadata(options, { authorization, traceparent }),
      timeoutMs: timeoutMsOf(name, options),
      signal,
    });
    const result = await inFlight.follow(name, started);
    if (client !== undefined) {
      if (isSilence(result)) channel.timedOut(client);
      else channel.answered(client);
    }
    observer?.callEnded({
      method: name,
      ...endOf(result),
      durationMs: performance.now() - startMs,
    });
    if (own === undefined) gateway.answered(authorization, result);
    if (result.ok) return result.message;
    throw errorFromStatus(withoutSecret(result.status, authorization), {
      method: name,
      random,
      isCallersOwn: own !== undefined,
    });
  };
}

function timeoutMsOf(name: MethodName, options: UpstreamClientOptions): number {
  if (name === 'Generate') return options.generateTimeoutMs;
  return name === 'Probe' ? Math.min(probeTimeoutMs, options.getTimeoutMs) : options.getTimeoutMs;
}

/** Whether the deadline came before any sign of the upstream. */
function isSilence(result: UnaryResult<unknown>): boolean {
  if (result.ok) return false;
  return result.status.code === status.DEADLINE_EXCEEDED && !result.status.hasAnswered;
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

function endOf(result: UnaryResult<unknown>): { code: string; requestId?: string } {
  const { requestId } = result.ok ? result : result.status;
  const code = result.ok ? 'OK' : (grpcCodeName(result.status.code) ?? String(result.status.code));
  return requestId === undefined ? { code } : { code, requestId };
}

/** An upstream that refuses a credential may quote it, and what it says is logged. */
function withoutSecret(status: CallStatus, authorization: string | undefined): CallStatus {
  const secret = authorization?.split(' ')[1];
  if (secret === undefined) return status;
  return { ...status, details: status.details.replaceAll(secret, '[redacted]') };
}

/** An id goes into a sealed id and back onto the wire, so it has to be plain text of some length. */
function isUsableId(id: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(id);
}

import { create } from '@bufbuild/protobuf';
import { credentials, type MethodDefinition } from '@grpc/grpc-js';
import { GatewayError } from '../errors/gateway-error.ts';
import { printableText } from '../text/printable.ts';
import type { Reason } from '../errors/reason.ts';
import {
  DescribeRequestSchema,
  KeyedOperations,
  SettleRequestSchema,
  type DescribeResponse,
} from '../gen/image_generation_gateway/v1/keyed_operations_pb.ts';
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
import type { ServiceKey } from './call/call-metadata.ts';
import { CallsInFlight } from './call/calls-in-flight.ts';
import { UpstreamChannel } from './channel/channel.ts';
import type { CaCertificates } from './channel/ca-certificates.ts';
import { channelOptions, type ReceiveLimits } from './channel/channel-options.ts';
import { boundedOperationFromBytes } from './call/operation-deserializer.ts';
import {
  rpcCaller,
  type CallOptions,
  type RpcCallerOptions,
  type UpstreamChannels,
} from './call/rpc-caller.ts';
import type { UpstreamLog } from './channel/silence-grpc-logger.ts';
import { upstreamAddressFromText, type UpstreamAddress } from './channel/upstream-address.ts';

/** A client of the upstream's two services. Every method rejects with a GatewayError and nothing else. */
export interface UpstreamClient {
  /**
   * Starts an image. Sent once and never repeated. The Operation has an id.
   *
   * @throws GatewayError whose `outcome` is `not_started` or `unknown`.
   */
  generate(request: ImageGenerationRequest, options?: CallOptions): Promise<Operation>;
  /** @throws GatewayError `operation_not_found` when the upstream does not know the id. */
  getOperation(operationId: string, options?: CallOptions): Promise<Operation>;
  /** Best effort. @throws GatewayError like `getOperation`. */
  cancelOperation(operationId: string, options?: CallOptions): Promise<Operation>;
  /**
   * Checks, at no cost, whether the service that spends is alive: reads an
   * operation that does not exist, on the connection of Generate. Resolves on any
   * response of the service itself.
   *
   * @throws GatewayError when there was none within two seconds.
   */
  probe(): Promise<void>;
  /** Whether both services were connected at least once. */
  readonly ready: boolean;
  /**
   * Ends reads in flight at once, and a Generate in flight after the grace: it
   * may be paid for, and its response is the only way to the image. Resolves when
   * every call has ended; later calls are refused.
   *
   * @param generateGraceMs 0 by default.
   */
  close(generateGraceMs?: number): Promise<void>;
}

/** What only the product's own service offers. Every method rejects with a GatewayError and nothing else. */
export interface ServiceClient {
  /** Asks which store the service has and what its models can do. Costs nothing. */
  describe(): Promise<DescribeResponse>;
  /**
   * Asks what became of a Generate. Costs nothing, and may be repeated.
   *
   * @returns The operation that was accepted under the key, or undefined: none was, and none ever will be.
   * @throws GatewayError when that is still open.
   */
  settle(key: ServiceKey, options?: CallOptions): Promise<Operation | undefined>;
}

export interface UpstreamClientOptions extends RpcCallerOptions {
  /** Of ImageGenerationAsyncService. */
  readonly address: string;
  /** Of OperationService. */
  readonly operationsAddress: string;
  /** The CA to trust in place of Node's. */
  readonly ca?: CaCertificates | undefined;
  readonly connectTimeoutMs: number;
  readonly imageBytesMax: number;
  readonly log: UpstreamLog;
}

const mebibyte = 1_048_576;
/** An id that looks like an operation's and is none. */
const unknownOperationId = '00000000000000000000';
/** Explicit: Node's default depends on an environment variable. */
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
  describe: methodDefinitionFromDescriptor(KeyedOperations.method.describe),
  settle: methodDefinitionFromDescriptor(KeyedOperations.method.settle),
};

/**
 * Opens the channels and starts to connect.
 *
 * @throws Error for an address that can't be read.
 */
export function openUpstreamClient(options: UpstreamClientOptions): UpstreamClient & ServiceClient {
  const channels = openChannels(options);
  const inFlight = new CallsInFlight();
  const call = rpcCaller(options, channels, inFlight);
  return {
    async generate(request, callOptions = {}) {
      const operation = await call('Generate', methods.generate, request, callOptions);
      if (isUsableId(operation.id)) return operation;
      const detail = 'the upstream accepted the request without an id that can be kept';
      const upstreamId = printableText(operation.id, loggedIdCharactersMax);
      options.log.warn({ upstreamId }, 'operation id can not be kept');
      throw new GatewayError('bad_upstream_result', detail, { outcome: 'unknown' });
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
      const request = create(GetOperationRequestSchema, { operationId: unknownOperationId });
      await call('Probe', methods.get, request, {}).catch(throwUnlessAlive);
    },
    describe: () => call('Describe', methods.describe, create(DescribeRequestSchema), {}),
    async settle({ key, storeId }, callOptions = {}) {
      const request = create(SettleRequestSchema, { key, storeId });
      const { outcome } = await call('Settle', methods.settle, request, callOptions);
      if (outcome.case === 'neverAccepted') return undefined;
      if (outcome.case === 'operation' && isUsableId(outcome.value.id)) return outcome.value;
      const detail = 'the service did not say what became of the request';
      throw new GatewayError('bad_upstream_result', detail, { isUpstreamFailure: false });
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

/**
 * Opens one channel for Generate and one for operations: their receive limits
 * differ by three orders of magnitude, and a large image in transit must not
 * delay the response to a create.
 */
function openChannels(options: UpstreamClientOptions): UpstreamChannels {
  const { ca, connectTimeoutMs, log } = options;
  const open = (name: string, { target, isPlaintext }: UpstreamAddress, limits: ReceiveLimits) => {
    const tls = () => credentials.createSsl(ca?.pem ?? null, null, null, verified);
    const channel = new UpstreamChannel({
      target,
      credentials: isPlaintext ? credentials.createInsecure() : tls(),
      channelOptions: channelOptions(limits),
      connectTimeoutMs,
      onStuck: () =>
        log.warn({ channel: name }, 'no connection to the upstream for too long, connecting again'),
    });
    if (!isPlaintext) ca?.onReplaced(() => channel.replaceCredentials(tls()));
    return channel;
  };
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

/** Refusals that only a live service gives. */
const signsOfLife: ReadonlySet<Reason> = new Set([
  'operation_not_found',
  'invalid_request',
  'upstream_auth',
  'quota_exceeded',
]);

function throwUnlessAlive(error: unknown): void {
  if (!(error instanceof GatewayError)) throw error;
  const isAlive = error.isUpstreamFailure === false || signsOfLife.has(error.reason);
  if (!isAlive) throw error;
}

/**
 * Longest id of an operation, in UTF-8, that is kept. The vendor's have 20
 * characters; a paid image of another upstream must not be lost because its id
 * is longer. Sealed, it still fits in any path and header.
 */
export const upstreamIdBytesMax = 1_024;
/** An id that can't be kept is logged, so that its image can be fetched by hand. */
const loggedIdCharactersMax = 8_192;

function isUsableId(id: string): boolean {
  return id !== '' && Buffer.byteLength(id) <= upstreamIdBytesMax;
}

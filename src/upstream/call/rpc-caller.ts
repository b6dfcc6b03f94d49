import { status, type MethodDefinition } from '@grpc/grpc-js';
import { GatewayError } from '../../errors/gateway-error.ts';
import { grpcCodeName } from '../../errors/grpc-code.ts';
import type { ImageGenerationRequest } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { UpstreamChannel } from '../channel/channel.ts';
import { GatewayCredential } from '../credentials/gateway-credential.ts';
import type { TokenSource } from '../credentials/token-source.ts';
import { callMetadata, type FixedMetadata, type ServiceKey } from './call-metadata.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import { errorFromStatus, type MethodName, type NamedByCaller } from './status-error.ts';
import { timeoutMsMax, unaryCall, type UnaryResult } from './unary-call.ts';

/** What a caller of one method may set. */
export interface CallOptions {
  /** Ends the call on this side. Money that a Generate has spent stays spent. */
  readonly signal?: AbortSignal;
  readonly traceparent?: string;
  /** The time left to the caller, where that is less than the method's own timeout. */
  readonly timeoutMs?: number;
  /** The caller's passthrough credential, sent in place of the gateway's. */
  readonly authorization?: string;
  /** Of a Generate to the service. Any other upstream gets none. */
  readonly serviceKey?: ServiceKey | undefined;
  /** What the caller itself named in a Generate. Absent: nothing. */
  readonly namedByCaller?: NamedByCaller | undefined;
}

/** The two channels to the upstream, one for each service. */
export interface UpstreamChannels {
  readonly generate: UpstreamChannel;
  readonly operations: UpstreamChannel;
}

/** Notified of every call when it ends; must be quick and must not throw. */
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

/** Notified at the start of every call, to follow it in a trace. */
export interface UpstreamTracer {
  /**
   * @param call.path `/package.Service/Method`.
   * @returns The traceparent to send, and a function to call at the end.
   */
  startCall(call: { readonly path: string; readonly traceparent: string | undefined }): {
    readonly traceparent: string;
    end(code: string): void;
  };
}

export interface RpcCallerOptions extends FixedMetadata {
  readonly tokenSource: TokenSource;
  /** Whether the upstream is the product's own service, whose ErrorInfo is believed. */
  readonly isService?: boolean | undefined;
  readonly generateTimeoutMs: number;
  /** For Get and Cancel. */
  readonly getTimeoutMs: number;
  readonly observer?: UpstreamObserver | undefined;
  readonly tracer?: UpstreamTracer | undefined;
  /** A number in [0, 1). */
  readonly random?: () => number;
}

const probeTimeoutMs = 2_000;
/** A Generate is not sent with less time than this: what is paid for needs a chance to be answered. */
const generateTimeMsMin = 2_000;

/** A function that makes one call: it reports the end to the observer and rejects with a GatewayError only. */
export function rpcCaller(
  options: RpcCallerOptions,
  channels: UpstreamChannels,
  inFlight: CallsInFlight,
) {
  const { random = Math.random, observer, tracer } = options;
  const gatewayCredential = new GatewayCredential(options.tokenSource);
  return async <Request, Response>(
    name: MethodName,
    method: MethodDefinition<Request, Response>,
    request: Request,
    callOptions: CallOptions,
  ): Promise<Response> => {
    const { signal, traceparent, authorization: passthrough, namedByCaller } = callOptions;
    const { timeoutMs = Infinity, serviceKey } = callOptions;
    const isGenerate = name === 'Generate';
    const methodTimeoutMs = timeoutMsOf(name, options);
    const deadlineMs = performance.now() + Math.min(methodTimeoutMs, timeoutMs);
    const authorization =
      passthrough ??
      (await gatewayCredential.authorization(isGenerate, deadlineMs - performance.now()));
    const startMs = performance.now();
    const leftMs = deadlineMs - startMs;
    if (isGenerate && !(leftMs >= Math.min(generateTimeMsMin, methodTimeoutMs / 2))) {
      throw tooLate();
    }
    const span = tracer?.startCall({ path: method.path, traceparent });
    const isOfOperations = name === 'Get' || name === 'Cancel';
    const channel = isOfOperations ? channels.operations : channels.generate;
    const client = inFlight.isEnding ? undefined : channel.client;
    const started = unaryCall(client, method, request, {
      metadata: callMetadata(options, {
        authorization,
        traceparent: span?.traceparent ?? traceparent,
        serviceKey,
      }),
      timeoutMs: leftMs,
      signal,
    });
    const result = await inFlight.track(name, started);
    if (client !== undefined) {
      if (isSilence(result)) channel.timedOut(client);
      else channel.responded(client);
    }
    const end = endOf(result);
    span?.end(end.code);
    observer?.callEnded({ method: name, ...end, durationMs: performance.now() - startMs });
    if (passthrough === undefined) gatewayCredential.settle(authorization, result);
    if (result.ok) return result.message;
    throw errorFromStatus(result.status, {
      method: name,
      random,
      isService: options.isService,
      isPassthrough: passthrough !== undefined,
      secret: authorization?.split(' ')[1],
      ...(isGenerate && { ...factsOf(request as Partial<ImageGenerationRequest>), namedByCaller }),
    });
  };
}

function timeoutMsOf(name: MethodName, options: RpcCallerOptions): number {
  const { generateTimeoutMs, getTimeoutMs } = options;
  const timeoutMs = name === 'Generate' ? generateTimeoutMs : getTimeoutMs;
  const bounded = Number.isFinite(timeoutMs) ? Math.min(timeoutMs, timeoutMsMax) : timeoutMsMax;
  return name === 'Probe' ? Math.min(probeTimeoutMs, bounded) : bounded;
}

/** The error for a Generate whose time was used up by limits, the store or the credential. */
function tooLate(): GatewayError {
  return new GatewayError('overloaded', 'too little time was left to have the image made', {
    outcome: 'not_started',
  });
}

/** Whether the deadline came before any sign of the upstream. */
function isSilence(result: UnaryResult<unknown>): boolean {
  if (result.ok) return false;
  return result.status.code === status.DEADLINE_EXCEEDED && !result.status.hasResponded;
}

function endOf(result: UnaryResult<unknown>): { code: string; requestId?: string } {
  const { requestId } = result.ok ? result : result.status;
  const code = result.ok ? 'OK' : (grpcCodeName(result.status.code) ?? String(result.status.code));
  return requestId === undefined ? { code } : { code, requestId };
}

/** What an upstream may quote of a Generate. */
function factsOf(request: Partial<ImageGenerationRequest>) {
  const { messages = [], modelUri = '' } = request;
  // The longest first: one text may be part of another.
  const prompts = messages
    .map(({ text }) => text)
    .filter((text) => text !== '')
    .toSorted((a, b) => b.length - a.length);
  return { prompts, modelUri };
}

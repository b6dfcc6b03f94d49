import { status, type MethodDefinition } from '@grpc/grpc-js';
import { GatewayError } from '../../errors/gateway-error.ts';
import { grpcCodeName } from '../../errors/grpc-code.ts';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import { GatewayCredential } from '../credentials/gateway-credential.ts';
import { callMetadata } from './call-metadata.ts';
import { promptsOf, withoutSecret } from './quoted-texts.ts';
import { errorFromStatus, type MethodName } from './status-error.ts';
import { timeoutMsMax, unaryCall, type UnaryResult } from './unary-call.ts';
import type { CallOptions, Channels, UpstreamClientOptions } from '../upstream-client.ts';

const probeTimeoutMs = 2_000;
/** No Generate begins with less time than that. */
const sendMsMin = 2_000;

/** Makes calls of which every failure is a GatewayError and every end is told to the observer. */
export function rpcCaller(
  options: UpstreamClientOptions,
  channels: Channels,
  inFlight: CallsInFlight,
) {
  const { random = Math.random, observer, tracer } = options;
  const gateway = new GatewayCredential(options.tokenSource);
  return async <Request>(
    name: MethodName,
    method: MethodDefinition<Request, Operation>,
    request: Request,
    { signal, traceparent, authorization: own, timeoutMs = Infinity }: CallOptions,
  ): Promise<Operation> => {
    const isGenerate = name === 'Generate';
    const ownTimeoutMs = timeoutMsOf(name, options);
    const deadlineMs = performance.now() + Math.min(ownTimeoutMs, timeoutMs);
    const authorization =
      own ?? (await gateway.authorization(isGenerate, deadlineMs - performance.now()));
    const startMs = performance.now();
    const leftMs = deadlineMs - startMs;
    // What is paid for has to have a chance to be answered.
    if (isGenerate && !(leftMs >= Math.min(sendMsMin, ownTimeoutMs / 2))) throw tooLate();
    const span = tracer?.startCall({ path: method.path, traceparent });
    const channel = isGenerate || name === 'Probe' ? channels.generate : channels.operations;
    const client = inFlight.isEnding ? undefined : channel.client;
    const started = unaryCall(client, method, request, {
      metadata: callMetadata(options, {
        authorization,
        traceparent: span?.traceparent ?? traceparent,
      }),
      timeoutMs: leftMs,
      signal,
    });
    const result = await inFlight.follow(name, started);
    if (client !== undefined) {
      if (isSilence(result)) channel.timedOut(client);
      else channel.responded(client);
    }
    const end = endOf(result);
    span?.end(end.code);
    observer?.callEnded({ method: name, ...end, durationMs: performance.now() - startMs });
    if (own === undefined) gateway.settle(authorization, result);
    if (result.ok) return result.message;
    throw errorFromStatus(withoutSecret(result.status, authorization), {
      method: name,
      random,
      isPassthrough: own !== undefined,
      prompts: promptsOf(request),
    });
  };
}

function timeoutMsOf(name: MethodName, options: UpstreamClientOptions): number {
  const { generateTimeoutMs, getTimeoutMs } = options;
  const timeoutMs = name === 'Generate' ? generateTimeoutMs : getTimeoutMs;
  const bounded = Number.isFinite(timeoutMs) ? Math.min(timeoutMs, timeoutMsMax) : timeoutMsMax;
  return name === 'Probe' ? Math.min(probeTimeoutMs, bounded) : bounded;
}

/** Nothing is wrong with the upstream: limits, the store or a credential took the time. */
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

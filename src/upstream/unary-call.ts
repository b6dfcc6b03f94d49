import type { Client, Metadata, MethodDefinition, ServiceError } from '@grpc/grpc-js';

export interface UnaryCallOptions {
  readonly metadata: Metadata;
  /** How long the answer may take. Clamped: grpc-js ends the process at a deadline that is no date. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** How a call ended; a status other than OK is a value here, for the table to judge. */
export type UnaryResult<Response> =
  | { readonly ok: true; readonly message: Response; readonly requestId: string | undefined }
  | { readonly ok: false; readonly status: CallStatus };

export interface CallStatus {
  /** Not always a gRPC code: grpc-js passes on 17, NaN and undefined. */
  readonly code: unknown;
  readonly details: string;
  /** `grpc-status-details-bin`, where the upstream sent one. */
  readonly detailsBytes: Uint8Array | undefined;
  /** Whether the upstream sent headers or trailers of its own. */
  readonly hasAnswered: boolean;
  readonly requestId: string | undefined;
}

const timeoutMsMax = 600_000;
const requestIdHeaders = ['x-request-id', 'x-server-trace-id'];

/** Makes one unary call. Never rejects, never repeats, always ends. */
export function unaryCall<Request, Response>(
  client: Client,
  method: MethodDefinition<Request, Response>,
  request: Request,
  options: UnaryCallOptions,
): Promise<UnaryResult<Response>> {
  const { metadata, signal } = options;
  const timeoutMs = Number.isFinite(options.timeoutMs)
    ? Math.min(Math.max(options.timeoutMs, 1), timeoutMsMax)
    : timeoutMsMax;
  return new Promise((resolve) => {
    let received: Metadata | undefined;
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error, message) => {
        signal?.removeEventListener('abort', cancel);
        if (error === null && message !== undefined) {
          resolve({ ok: true, message, requestId: requestIdOf(received) });
        } else {
          resolve({ ok: false, status: statusOf(error, received) });
        }
      },
    );
    const cancel = () => call.cancel();
    call.on('metadata', (headers: Metadata) => (received = headers));
    if (signal?.aborted === true) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

function statusOf(error: ServiceError | null, received: Metadata | undefined): CallStatus {
  const trailers = error?.metadata;
  const hasTrailers = trailers !== undefined && Object.keys(trailers.getMap()).length > 0;
  const details = trailers?.get('grpc-status-details-bin')[0];
  return {
    code: error?.code,
    details: error?.details ?? '',
    detailsBytes: Buffer.isBuffer(details) ? details : undefined,
    hasAnswered: received !== undefined || hasTrailers,
    requestId: requestIdOf(received) ?? requestIdOf(trailers),
  };
}

const requestIdPattern = /^[\x21-\x7e]{1,128}$/;

function requestIdOf(metadata: Metadata | undefined): string | undefined {
  for (const name of requestIdHeaders) {
    const value = metadata?.get(name)[0];
    if (typeof value === 'string' && requestIdPattern.test(value)) return value;
  }
  return undefined;
}

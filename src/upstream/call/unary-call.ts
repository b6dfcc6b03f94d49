import {
  status,
  type Client,
  type Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { isVisibleAscii } from '../../text/visible-ascii.ts';
import { unsentText } from './grpc-js-status.ts';

export interface UnaryCallOptions {
  readonly metadata: Metadata;
  /** Longest time to the response. Clamped: grpc-js ends the process at a deadline that is no date. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** The end of a call; a status other than OK is a value, which the table of codes classifies. */
export type UnaryResult<Response> =
  | { readonly ok: true; readonly message: Response; readonly requestId: string | undefined }
  | { readonly ok: false; readonly status: CallStatus };

/** The status of a call that did not succeed, from the upstream or from grpc-js itself. */
export interface CallStatus {
  /** Not always a gRPC code: grpc-js passes 17, NaN and undefined on. */
  readonly code: unknown;
  readonly details: string;
  /** `grpc-status-details-bin`, where the upstream sent one. */
  readonly detailsBytes: Uint8Array | undefined;
  /** Whether the upstream sent headers or trailers of its own. */
  readonly hasResponded: boolean;
  readonly requestId: string | undefined;
}

/** A call in flight. */
export interface UnaryCall<Response> {
  /** Never rejects. */
  readonly ended: Promise<UnaryResult<Response>>;
  /** Ends the call on this side, unless it has ended. */
  cancel(): void;
}

/** Longest time of a call; also used for a timeout that is no finite number. */
export const timeoutMsMax = 600_000;
/** How long after the deadline grpc-js may take to report it. */
const overdueMs = 200;
const requestIdHeaders = ['x-request-id', 'x-server-trace-id'];

/**
 * Makes one unary call, which is not repeated and always ends. A call that is too
 * late, aborted already or without a connection is not sent.
 *
 * @param client undefined when there is no connection.
 */
export function unaryCall<Request, Response>(
  client: Client | undefined,
  method: MethodDefinition<Request, Response>,
  request: Request,
  options: UnaryCallOptions,
): UnaryCall<Response> {
  const { metadata, signal, timeoutMs } = options;
  if (signal?.aborted === true) return notSent(status.CANCELLED, 'the caller has left');
  if (timeoutMs <= 0) return notSent(status.DEADLINE_EXCEEDED, 'the deadline has passed');
  if (client === undefined) return notSent(status.UNAVAILABLE, 'no connection');
  const { promise: ended, resolve } = deferred<UnaryResult<Response>>();
  let received: Metadata | undefined;
  const deadlineAfterMs = clampedTimeoutMs(timeoutMs);
  try {
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + deadlineAfterMs },
      (error, message) => {
        clearTimeout(overdue);
        signal?.removeEventListener('abort', cancel);
        if (error === null && message !== undefined) {
          resolve({ ok: true, message, requestId: requestIdOf(received) });
        } else {
          resolve({ ok: false, status: statusOf(error, received) });
        }
      },
    );
    const cancel = () => call.cancel();
    // On a connection that was replaced, grpc-js may report a deadline only once the session is gone.
    const overdue = setTimeout(() => {
      resolve({ ok: false, status: overdueStatus(received) });
      call.cancel();
    }, deadlineAfterMs + overdueMs);
    call.on('metadata', (headers: Metadata) => (received = headers));
    signal?.addEventListener('abort', cancel, { once: true });
    return { ended, cancel };
  } catch (error) {
    // A closed channel throws before anything is sent.
    return notSent(status.UNAVAILABLE, (error as Error).message);
  }
}

function overdueStatus(received: Metadata | undefined): CallStatus {
  return {
    code: status.DEADLINE_EXCEEDED,
    details: 'Deadline exceeded after all of its time: grpc-js did not report an end',
    detailsBytes: undefined,
    hasResponded: received !== undefined,
    requestId: requestIdOf(received),
  };
}

function clampedTimeoutMs(timeoutMs: number): number {
  return Number.isFinite(timeoutMs) ? Math.min(Math.max(timeoutMs, 1), timeoutMsMax) : timeoutMsMax;
}

function notSent(code: number, cause: string): UnaryCall<never> {
  return {
    ended: Promise.resolve({
      ok: false,
      status: {
        code,
        details: unsentText + cause,
        detailsBytes: undefined,
        hasResponded: false,
        requestId: undefined,
      },
    }),
    cancel: () => undefined,
  };
}

function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

function statusOf(error: ServiceError | null, received: Metadata | undefined): CallStatus {
  const trailers = error?.metadata;
  const hasTrailers = trailers !== undefined && Object.keys(trailers.getMap()).length > 0;
  const details = trailers?.get('grpc-status-details-bin')[0];
  return {
    code: error?.code,
    details: error?.details ?? '',
    detailsBytes: Buffer.isBuffer(details) ? details : undefined,
    hasResponded: received !== undefined || hasTrailers,
    requestId: requestIdOf(received) ?? requestIdOf(trailers),
  };
}

const requestIdCharactersMax = 128;

function requestIdOf(metadata: Metadata | undefined): string | undefined {
  for (const name of requestIdHeaders) {
    const value = metadata?.get(name)[0];
    if (typeof value === 'string' && isVisibleAscii(value, requestIdCharactersMax)) return value;
  }
  return undefined;
}

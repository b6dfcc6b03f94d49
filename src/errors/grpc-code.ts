import type { Reason } from './reason.ts';
import { isModerationRefusal, isPromptLimit } from './vendor-wording.ts';

/** Names of the gRPC codes; index = code. */
const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type GrpcCodeName = (typeof names)[number];

/** `INVALID_ARGUMENT` for 3; undefined for a number that is no gRPC code: some peers send such. */
export function grpcCodeName(code: unknown): GrpcCodeName | undefined {
  return typeof code === 'number' ? names[code] : undefined;
}

const reasonOfCode = {
  OK: 'bad_upstream_result',
  CANCELLED: 'operation_canceled',
  UNKNOWN: 'upstream_error',
  INVALID_ARGUMENT: 'invalid_request',
  DEADLINE_EXCEEDED: 'generation_timeout',
  // Something that the operation needed is missing. The operation itself is there: this is its end.
  NOT_FOUND: 'upstream_error',
  ALREADY_EXISTS: 'upstream_error',
  PERMISSION_DENIED: 'upstream_auth',
  RESOURCE_EXHAUSTED: 'quota_exceeded',
  FAILED_PRECONDITION: 'invalid_request',
  ABORTED: 'upstream_error',
  OUT_OF_RANGE: 'invalid_request',
  UNIMPLEMENTED: 'upstream_error',
  INTERNAL: 'upstream_error',
  UNAVAILABLE: 'upstream_unavailable',
  DATA_LOSS: 'upstream_error',
  UNAUTHENTICATED: 'upstream_auth',
} as const satisfies Record<GrpcCodeName, Reason>;

/**
 * Why the upstream made no image, from the code and message of the error inside
 * an operation. A code outside 0 … 16 is a mistake of the upstream.
 */
export function reasonFromOperationError(code: number, message: string): Reason {
  const name = grpcCodeName(code);
  if (name === undefined) return 'upstream_error';
  if (name !== 'INVALID_ARGUMENT') return reasonOfCode[name];
  if (isModerationRefusal(message)) return 'content_policy_violation';
  return isPromptLimit(message) ? 'prompt_too_long' : 'invalid_request';
}

/** 3 for `INVALID_ARGUMENT`; undefined for a text that names no code. */
export function grpcCodeNumber(name: string): number | undefined {
  const index = names.findIndex((known) => known === name);
  return index < 0 ? undefined : index;
}

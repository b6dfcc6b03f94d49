import { grpcCodeNumber } from './grpc-code.ts';
import type { GatewayError } from './gateway-error.ts';
import type { Reason } from './reason.ts';

/** HTTP status of each gRPC code on the vendor's REST; index = code. */
const httpOfCode = [
  ...[200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401],
] as const;

/** The gRPC code nearest to each reason of the gateway's own; absent: INVALID_ARGUMENT. */
const codeOfReason: Readonly<Partial<Record<Reason, number>>> = {
  unauthenticated: 16,
  permission_denied: 7,
  host_refused: 7,
  cross_site_refused: 7,
  idempotency_key_reused: 9,
  outcome_unknown: 10,
  not_found: 5,
  operation_not_found: 5,
  operation_expired: 5,
  operation_not_done: 9,
  operation_canceled: 1,
  method_not_allowed: 12,
  rate_limited: 8,
  quota_exceeded: 8,
  overloaded: 14,
  draining: 14,
  store_unavailable: 14,
  internal_error: 13,
  upstream_auth: 16,
  upstream_unavailable: 14,
  upstream_error: 13,
  bad_upstream_result: 13,
  upstream_message_too_large: 8,
  upstream_timeout: 4,
  generation_timeout: 4,
  result_lost: 10,
};

const invalidArgument = 3;
const unknown = 2;

/** The gRPC code of an error: the upstream's where it sent one, else the nearest to the reason. */
export function rpcCodeOf({ reason, upstream }: GatewayError): number {
  if (upstream !== undefined) return grpcCodeNumber(upstream.grpcCode) ?? unknown;
  return rpcCodeOfReason(reason);
}

/** The gRPC code nearest to a reason. */
export function rpcCodeOfReason(reason: Reason): number {
  return codeOfReason[reason] ?? invalidArgument;
}

/** The HTTP status of a gRPC code on the vendor's REST. */
export function vendorHttpStatus(code: number): number {
  return httpOfCode[code] ?? 500;
}

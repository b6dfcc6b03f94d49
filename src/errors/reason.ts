/**
 * Why the gateway refuses, in one word a program can switch on.
 *
 * It is the `code` of a problem document and the path of its page under
 * /problems. A reason is never renamed and never changes its meaning: callers
 * branch on it. How a reason looks over HTTP is decided in `schemas/problem-kinds.ts`.
 */
export const reasons = [
  // The request is wrong; nothing was spent.
  'invalid_request',
  'unknown_field',
  'malformed_json',
  'prompt_too_long',
  'content_policy_violation',
  // The caller's own credentials.
  'unauthenticated',
  'permission_denied',
  // Idempotency keys.
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'outcome_unknown',
  // What was asked for is not there, or not in this form.
  'not_found',
  'operation_not_found',
  'operation_not_done',
  'operation_canceled',
  'operation_expired',
  'not_acceptable',
  'method_not_allowed',
  'payload_too_large',
  'headers_too_large',
  'unsupported_media_type',
  'range_not_satisfiable',
  // The gateway's own limits and state.
  'rate_limited',
  'quota_exceeded',
  'overloaded',
  'draining',
  'store_unavailable',
  'internal_error',
  // The upstream.
  'upstream_auth',
  'upstream_unavailable',
  'upstream_error',
  'bad_upstream_result',
  'upstream_message_too_large',
  'upstream_timeout',
  'generation_timeout',
] as const;

export type Reason = (typeof reasons)[number];

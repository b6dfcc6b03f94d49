/**
 * The reasons of errors: each one word that programs can switch on.
 *
 * A reason is the `code` of a problem document and the path of its page under
 * /problems. It is never renamed and never changes its meaning, because callers
 * branch on it. Its status, title and advice stand in `schemas/problem-catalog.ts`.
 */
export const reasons = [
  // The request is wrong; nothing was spent.
  'invalid_request',
  'unknown_field',
  'malformed_json',
  'prompt_too_long',
  'model_not_found',
  'content_policy_violation',
  // The caller's own credentials.
  'unauthenticated',
  'permission_denied',
  // Browsers that a page of another site makes its deputies.
  'host_refused',
  'cross_site_refused',
  // Idempotency keys.
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'outcome_unknown',
  // The requested thing does not exist, or not in this form.
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
  'precondition_failed',
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
  'result_lost',
] as const;

export type Reason = (typeof reasons)[number];

import { exampleOperations } from './examples.ts';
import { operationSchema } from '../operations.ts';
import { headersSchema } from './response-headers.ts';
import type { ResponseContract } from './route-contract.ts';

const operationHeaders = headersSchema(
  ['X-Request-Id', 'X-Operation-Id', 'Cache-Control', 'ETag'],
  ['Retry-After', 'Preference-Applied'],
);

export const operationResponse: ResponseContract = {
  description: 'The operation.',
  headers: operationHeaders,
  content: { 'application/json': operationSchema },
  examples: { 'application/json': exampleOperations },
};

export const notModified: ResponseContract = {
  description: 'The copy that you have is current.',
  headers: headersSchema(
    ['X-Request-Id', 'ETag'],
    ['Cache-Control', 'X-Operation-Id', 'Retry-After'],
  ),
};

/** Reasons of failed upstream calls, beside those of every route. */
export const upstreamReasons = [
  'upstream_error',
  'bad_upstream_result',
  'upstream_auth',
  'upstream_timeout',
  'upstream_message_too_large',
] as const;

/** Reasons of every route that needs a caller; the last two while it can't be found out who calls. */
export const callerReasons = [
  'unauthenticated',
  'permission_denied',
  'host_refused',
  'headers_too_large',
  'overloaded',
  'upstream_unavailable',
] as const;

/** Reasons of every create, on each surface. */
export const createReasons = [
  'invalid_request',
  'unknown_field',
  'malformed_json',
  'prompt_too_long',
  'model_not_found',
  'payload_too_large',
  'unsupported_media_type',
  'content_policy_violation',
  'quota_exceeded',
  'rate_limited',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'outcome_unknown',
  'store_unavailable',
  'internal_error',
  'draining',
  'cross_site_refused',
  ...callerReasons,
  ...upstreamReasons,
] as const;

/** Reasons of every route of one operation. */
export const operationReasons = [
  'invalid_request',
  'unknown_field',
  'operation_not_found',
  'operation_expired',
  'quota_exceeded',
  'internal_error',
  ...callerReasons,
  ...upstreamReasons,
] as const;

import { exampleOperations } from './examples.ts';
import { operationSchema } from './operations.ts';
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
  description: 'What you have is still right.',
  headers: headersSchema(
    ['X-Request-Id', 'ETag'],
    ['Cache-Control', 'X-Operation-Id', 'Retry-After'],
  ),
};

/** What can go wrong upstream. */
export const upstreamReasons = [
  'upstream_unavailable',
  'upstream_error',
  'bad_upstream_result',
  'upstream_auth',
  'upstream_timeout',
] as const;

/** What every route that needs a caller may answer. */
export const callerReasons = ['unauthenticated', 'permission_denied'] as const;

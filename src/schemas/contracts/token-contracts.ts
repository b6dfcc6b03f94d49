import { noQuery } from './parameters.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract } from './route-contract.ts';
import { callerReasons } from './shared-responses.ts';
import { tokenRequestFields, tokenRequestSchema, tokenSchema } from '../tokens.ts';

export const createToken = routeContract({
  method: 'post',
  path: '/v1/tokens',
  operationId: 'createToken',
  access: 'delegate',
  tag: 'tokens',
  summary: 'Create a token for a browser',
  description:
    'For the server of an application, with its own key. A browser sends the token as `Authorization: Bearer …` and can do only what its scopes allow, until it expires. Not available where callers send credentials of the upstream.',
  query: noQuery,
  body: {
    schema: tokenRequestSchema,
    fields: tokenRequestFields,
    examples: {
      browser: { scopes: ['images:create', 'operations:read'], ttlSeconds: 600, maxImages: 4 },
    },
  },
  responses: {
    201: {
      description: 'The token. It is not shown again.',
      headers: headersSchema(['X-Request-Id', 'Cache-Control']),
      content: { 'application/json': tokenSchema },
      examples: {
        'application/json': {
          browser: {
            token: 'igt_AQ',
            expiresAt: '2026-11-23T10:10:00Z',
            scopes: ['images:create', 'operations:read'],
          },
        },
      },
    },
  },
  reasons: [
    'invalid_request',
    'unknown_field',
    'malformed_json',
    'payload_too_large',
    'unsupported_media_type',
    'internal_error',
    'cross_site_refused',
    ...callerReasons,
  ],
});

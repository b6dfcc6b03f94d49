import { z } from 'zod';
import { imageMediaTypes } from '../../text/media-type.ts';
import {
  downloadQuery,
  idParams,
  ifNoneMatchHeader,
  includeQuery,
  lastEventIdHeader,
  noQuery,
  preferHeader,
  tokenQuery,
  waitQuery,
} from './parameters.ts';
import { exampleEvents } from './examples.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract } from './route-contract.ts';
import { notModified, operationReasons, operationResponse } from './shared-responses.ts';
import { getVendorOperation } from './vendor-contracts.ts';

const imageContent = Object.fromEntries(imageMediaTypes.map((type) => [type, 'binary' as const]));

const imageHeaders = [
  'X-Request-Id',
  'X-Operation-Id',
  'ETag',
  'Cache-Control',
  'Accept-Ranges',
  'Repr-Digest',
  'Content-Disposition',
  'Last-Modified',
] as const;
const imageHeadersMaybe = [
  'X-Image-Seed',
  'X-Image-Width',
  'X-Image-Height',
  'X-Model-Version',
  'Preference-Applied',
] as const;

export const getOperationImage = routeContract({
  method: 'get',
  path: '/operations/{id}/image',
  operationId: 'getOperationImage',
  access: 'operations:read',
  takesReadToken: true,
  tag: 'operations',
  summary: 'Download the image',
  description:
    'The encoded bytes as the upstream made them, with the media type read from the bytes. `?wait=60` waits for an image that is not ready. A failed operation responds with the status of its error.',
  params: idParams,
  requestHeaders: z.object({
    Prefer: preferHeader,
    'If-None-Match': ifNoneMatchHeader,
    'If-Modified-Since': z
      .string()
      .optional()
      .meta({ description: '304 unless the image was finished after this date.' }),
    'If-Match': z
      .string()
      .optional()
      .meta({ description: '412 unless the image has one of these ETags.' }),
    'If-Unmodified-Since': z
      .string()
      .optional()
      .meta({ description: '412 if the image was finished after this date.' }),
    Range: z
      .string()
      .optional()
      .meta({ description: 'One range of bytes.', example: 'bytes=0-99' }),
    'If-Range': z
      .string()
      .optional()
      .meta({ description: 'Apply Range only if the image has this ETag or Last-Modified.' }),
  }),
  query: z.strictObject({ wait: waitQuery, download: downloadQuery, token: tokenQuery }),
  responses: {
    200: {
      description: 'The image.',
      headers: headersSchema(imageHeaders, ['Content-Digest', ...imageHeadersMaybe]),
      content: imageContent,
    },
    206: {
      description: 'The requested range of the image.',
      headers: headersSchema([...imageHeaders, 'Content-Range'], imageHeadersMaybe),
      content: imageContent,
    },
    304: notModified,
  },
  reasons: [
    'operation_not_done',
    'operation_canceled',
    'precondition_failed',
    'range_not_satisfiable',
    'content_policy_violation',
    'quota_exceeded',
    'upstream_message_too_large',
    'generation_timeout',
    'result_lost',
    ...operationReasons,
  ],
});

export const streamOperation = routeContract({
  method: 'get',
  path: '/operations/{id}/events',
  operationId: 'streamOperation',
  access: 'operations:read',
  takesReadToken: true,
  tag: 'operations',
  summary: 'Stream the events of an operation',
  description:
    'Server-sent events for an `EventSource`: the present state, then each change; closed after the last. `event` is the status, `data` the operation without image bytes, `id` its revision. `204` when `Last-Event-ID` is the last event.',
  params: idParams,
  requestHeaders: z.object({ 'Last-Event-ID': lastEventIdHeader }),
  query: z.strictObject({ token: tokenQuery }),
  responses: {
    200: {
      description: 'The events.',
      headers: headersSchema(['X-Request-Id', 'X-Operation-Id', 'Cache-Control']),
      content: { 'text/event-stream': 'events' },
      examples: { 'text/event-stream': { succeeded: exampleEvents } },
    },
    204: {
      description: 'No event comes after the one you have.',
      headers: headersSchema(['X-Request-Id', 'Cache-Control']),
    },
  },
  reasons: [...operationReasons],
});

export const getOperation = routeContract({
  method: 'get',
  path: '/operations/{id}',
  operationId: 'getOperation',
  access: 'operations:read',
  takesReadToken: true,
  negotiates: [getOperationImage, streamOperation, getVendorOperation],
  tag: 'operations',
  summary: 'Get an operation',
  description:
    'Never fails because the image could not be made: that is 200 with `error` inside. While the operation runs, Retry-After says when to ask again; with `?wait=N` the gateway waits. With `Accept: image/*` it responds as the image route does.',
  params: idParams,
  requestHeaders: z.object({ Prefer: preferHeader, 'If-None-Match': ifNoneMatchHeader }),
  query: z.strictObject({ wait: waitQuery, include: includeQuery, token: tokenQuery }),
  responses: { 200: operationResponse, 304: notModified },
  reasons: ['not_acceptable', ...operationReasons],
});

export const cancelOperation = routeContract({
  method: 'post',
  path: '/operations/{id}/cancel',
  operationId: 'cancelOperation',
  access: 'images:create',
  tag: 'operations',
  summary: 'Cancel an operation',
  description:
    'Best effort and idempotent: the response is the operation in its present state, whatever that is.',
  params: idParams,
  query: noQuery,
  responses: {
    200: {
      ...operationResponse,
      headers: headersSchema(['X-Request-Id', 'X-Operation-Id', 'Cache-Control'], ['Retry-After']),
    },
  },
  reasons: [
    'malformed_json',
    'payload_too_large',
    'unsupported_media_type',
    'cross_site_refused',
    ...operationReasons,
  ],
});

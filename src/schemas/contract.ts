import { z } from 'zod';
import { exampleOperations } from './examples.ts';
import { imageRequestFields, imageRequestSchema } from './images.ts';
import { operationSchema } from './operations.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract, type ResponseContract } from './route-contract.ts';

const secondsMax = 60;

/** `?wait=N`: seconds to hold the answer back, never more than 60. */
const waitQuery = z
  .string()
  .transform((input, context) => {
    const seconds = /^[0-9]+(?:\.[0-9]+)?$/.test(input) ? Number(input) : Number.NaN;
    if (Number.isFinite(seconds)) return Math.min(seconds, secondsMax);
    const detail = 'expected a number of seconds, 0 or more';
    context.addIssue({ code: 'custom', params: { code: 'pattern' }, message: detail, input });
    return z.NEVER;
  })
  .optional()
  .meta({
    description: `Seconds to wait for the end of the operation; at most ${secondsMax} are waited. The same as Prefer: wait=N.`,
    example: '60',
    override: { type: 'number', minimum: 0 },
  });

const includeQuery = z.literal('image').optional().meta({
  description: '`image` puts the bytes into the JSON, as base64.',
});

const downloadQuery = z
  .enum(['0', '1'])
  .optional()
  .transform((value) => value === '1')
  .meta({
    description: '`1` makes a browser save the picture instead of showing it.',
    override: { type: 'string', enum: ['0', '1'] },
  });

const noQuery = z.strictObject({});

const idParams = z.object({
  id: z
    .string()
    .meta({ description: 'Id of the operation, exactly as it was given.', example: 'op_AZk3v0' }),
});

const preferHeader = z.string().optional().meta({
  description:
    'RFC 7240. `wait=N`: hold the answer back for up to N seconds (at most 60). `respond-async`: answer 202 at once. `handling=lenient`: ignore unknown fields.',
  example: 'wait=30',
});

const ifNoneMatchHeader = z.string().optional().meta({
  description: 'Answer 304 if the representation still has one of these ETags.',
});

const operationHeaders = headersSchema(
  ['X-Request-Id', 'X-Operation-Id', 'Cache-Control', 'ETag'],
  ['Retry-After', 'Preference-Applied'],
);

const operationResponse: ResponseContract = {
  description: 'The operation.',
  headers: operationHeaders,
  content: { 'application/json': operationSchema },
  examples: { 'application/json': exampleOperations },
};

const notModified: ResponseContract = {
  description: 'What you have is still right.',
  headers: headersSchema(
    ['X-Request-Id', 'ETag'],
    ['Cache-Control', 'X-Operation-Id', 'Retry-After'],
  ),
};

const imageTypes = ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif'] as const;
const imageContent = Object.fromEntries(imageTypes.map((type) => [type, 'binary' as const]));

const imageHeaders = [
  'X-Request-Id',
  'X-Operation-Id',
  'ETag',
  'Cache-Control',
  'Accept-Ranges',
  'Content-Digest',
  'Content-Disposition',
  'Last-Modified',
  'X-Image-Seed',
] as const;
const imageHeadersMaybe = [
  'X-Image-Width',
  'X-Image-Height',
  'X-Model-Version',
  'Preference-Applied',
] as const;

const upstreamReasons = [
  'upstream_unavailable',
  'upstream_error',
  'bad_upstream_result',
  'upstream_auth',
  'upstream_timeout',
] as const;

export const getOperationImage = routeContract({
  method: 'get',
  path: '/operations/{id}/image',
  operationId: 'getOperationImage',
  tag: 'operations',
  summary: 'The picture itself',
  description:
    'The encoded bytes as the upstream made them, with the media type that the bytes tell. `?wait=60` waits for a picture that is not ready. A failed generation answers with the status of its error.',
  params: idParams,
  requestHeaders: z.object({
    Prefer: preferHeader,
    'If-None-Match': ifNoneMatchHeader,
    Range: z
      .string()
      .optional()
      .meta({ description: 'One range of bytes.', example: 'bytes=0-99' }),
    'If-Range': z
      .string()
      .optional()
      .meta({ description: 'Take Range only if this ETag still holds.' }),
  }),
  query: z.strictObject({ wait: waitQuery, download: downloadQuery }),
  responses: {
    200: {
      description: 'The picture.',
      headers: headersSchema(imageHeaders, imageHeadersMaybe),
      content: imageContent,
    },
    206: {
      description: 'The range of it that was asked for.',
      headers: headersSchema([...imageHeaders, 'Content-Range'], imageHeadersMaybe),
      content: imageContent,
    },
    304: notModified,
  },
  reasons: [
    'invalid_request',
    'unknown_field',
    'operation_not_found',
    'not_acceptable',
    'operation_not_done',
    'operation_canceled',
    'operation_expired',
    'range_not_satisfiable',
    'content_policy_violation',
    'quota_exceeded',
    'upstream_message_too_large',
    'generation_timeout',
    'internal_error',
    ...upstreamReasons,
  ],
});

export const createImage = routeContract({
  method: 'post',
  path: '/v1/images',
  operationId: 'createImage',
  spends: true,
  negotiates: [getOperationImage],
  tag: 'images',
  summary: 'Make a picture from a text',
  description: [
    'Answers 202 with the operation at once; with `Prefer: wait=N` it holds the answer back and answers 200 if the picture is ready by then.',
    'With `Accept: image/*` the answer is the picture itself, after up to 60 seconds; if it is not ready by then, 504 with Location, or 202 where JSON is acceptable too.',
    'Hanging up cancels nothing. A create is never repeated by the gateway.',
  ].join('\n\n'),
  requestHeaders: z.object({ Prefer: preferHeader }),
  query: noQuery,
  body: {
    schema: imageRequestSchema,
    fields: imageRequestFields,
    examples: {
      short: {
        prompt: 'red cat in a spaceship',
        negativePrompt: 'text, watermark',
        model: 'yandex-art',
        aspectRatio: '16:9',
        seed: '1863',
        mimeType: 'image/jpeg',
      },
      full: {
        modelUri: 'art://folder/yandex-art/latest',
        messages: [
          { text: 'red cat', weight: 1 },
          { text: 'text, watermark', weight: -1 },
        ],
        generationOptions: {
          mimeType: 'image/jpeg',
          seed: '1863',
          aspectRatio: { widthRatio: '16', heightRatio: '9' },
        },
      },
    },
  },
  responses: {
    200: {
      ...operationResponse,
      description: 'The operation ended within the wait: look at `status`.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Location', 'Cache-Control'],
        ['Preference-Applied', 'X-Ignored-Params'],
      ),
      examples: {
        'application/json': {
          succeeded: exampleOperations.succeeded,
          failed: exampleOperations.failed,
        },
      },
    },
    202: {
      description: 'Accepted; the picture is being made.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Location', 'Retry-After', 'Cache-Control'],
        ['Preference-Applied', 'X-Ignored-Params'],
      ),
      content: { 'application/json': operationSchema },
      examples: { 'application/json': { running: exampleOperations.running } },
    },
  },
  reasons: [
    'invalid_request',
    'unknown_field',
    'malformed_json',
    'prompt_too_long',
    'not_acceptable',
    'payload_too_large',
    'unsupported_media_type',
    'content_policy_violation',
    'quota_exceeded',
    'headers_too_large',
    'internal_error',
    'draining',
    'generation_timeout',
    ...upstreamReasons,
  ],
});

export const getOperation = routeContract({
  method: 'get',
  path: '/operations/{id}',
  operationId: 'getOperation',
  negotiates: [getOperationImage],
  tag: 'operations',
  summary: 'How far a picture is',
  description:
    'Never fails because the generation failed: that is 200 with `error` inside. While pending, Retry-After says when to ask again; `?wait=N` lets the gateway wait. With `Accept: image/*` it answers as the image route does.',
  params: idParams,
  requestHeaders: z.object({ Prefer: preferHeader, 'If-None-Match': ifNoneMatchHeader }),
  query: z.strictObject({ wait: waitQuery, include: includeQuery }),
  responses: { 200: operationResponse, 304: notModified },
  reasons: [
    'invalid_request',
    'unknown_field',
    'operation_not_found',
    'not_acceptable',
    'operation_expired',
    'internal_error',
    ...upstreamReasons,
  ],
});

export const cancelOperation = routeContract({
  method: 'post',
  path: '/operations/{id}/cancel',
  operationId: 'cancelOperation',
  tag: 'operations',
  summary: 'Stop making a picture',
  description:
    'Best effort and idempotent: the answer is the operation as it then is, whatever its state.',
  params: idParams,
  query: noQuery,
  responses: {
    200: {
      ...operationResponse,
      headers: headersSchema(['X-Request-Id', 'X-Operation-Id', 'Cache-Control'], ['Retry-After']),
    },
  },
  reasons: [
    'invalid_request',
    'unknown_field',
    'operation_not_found',
    'operation_expired',
    'internal_error',
    ...upstreamReasons,
  ],
});

/** Every route of the OpenAPI document, in the document's order. */
export const contracts = [createImage, getOperation, getOperationImage, cancelOperation] as const;

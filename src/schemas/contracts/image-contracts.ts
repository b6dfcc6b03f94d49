import { z } from 'zod';
import { exampleOperations } from './examples.ts';
import { imageRequestFields, imageRequestSchema } from '../images.ts';
import { getOperationImage, streamOperation } from './operation-contracts.ts';
import { operationSchema } from '../operations.ts';
import { idempotencyKeyHeader, noQuery, preferHeader } from './parameters.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract } from './route-contract.ts';
import { createReasons, operationResponse } from './shared-responses.ts';

const createHeadersMaybe = [
  'Preference-Applied',
  'X-Ignored-Params',
  'Idempotency-Replayed',
  'RateLimit',
  'RateLimit-Policy',
] as const;

export const createImage = routeContract({
  method: 'post',
  path: '/v1/images',
  operationId: 'createImage',
  access: 'images:create',
  spends: true,
  negotiates: [getOperationImage, streamOperation],
  tag: 'images',
  summary: 'Create an image',
  description: [
    'Responds 202 with the operation at once. With `Prefer: wait=N` it waits up to N seconds, and responds 200 if the image is ready by then.',
    'With `Accept: image/*` the response is the image, after up to 60 seconds; if it is not ready by then, 504 with Location, or 202 where JSON is acceptable too.',
    'Hanging up cancels nothing. The gateway never repeats a create. With an Idempotency-Key you may repeat it: the same key and request find the same operation.',
  ].join('\n\n'),
  requestHeaders: z.object({ Prefer: preferHeader, 'Idempotency-Key': idempotencyKeyHeader }),
  query: noQuery,
  body: {
    schema: imageRequestSchema,
    fields: imageRequestFields,
    emptyIsAbsent: true,
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
      description: 'The operation, finished within the wait: `status` says how.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Location', 'Cache-Control'],
        createHeadersMaybe,
      ),
      examples: {
        'application/json': {
          succeeded: exampleOperations.succeeded,
          failed: exampleOperations.failed,
        },
      },
    },
    202: {
      description: 'The operation, running: the image is being made.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Location', 'Retry-After', 'Cache-Control'],
        createHeadersMaybe,
      ),
      content: { 'application/json': operationSchema },
      examples: { 'application/json': { running: exampleOperations.running } },
    },
  },
  reasons: ['not_acceptable', 'generation_timeout', 'result_lost', ...createReasons],
});

import { z } from 'zod';
import { vendorForm } from '../error-forms/vendor-form.ts';
import { idempotencyKeyHeader, idParams, noQuery, preferHeader, waitQuery } from './parameters.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract } from './route-contract.ts';
import { createReasons, operationReasons } from './shared-responses.ts';
import { vendorOperationSchema, vendorRequestFields, vendorRequestSchema } from '../vendor.ts';

const exampleOperation = {
  id: 'op_AZk3v0',
  description: '',
  createdAt: null,
  createdBy: '',
  modifiedAt: null,
  done: false,
  metadata: null,
};

export const createVendorImage = routeContract({
  method: 'post',
  path: '/foundationModels/v1/imageGenerationAsync',
  operationId: 'createYandexImage',
  access: 'images:create',
  spends: true,
  errorForm: vendorForm,
  tag: 'yandex',
  summary: 'Create an image with the vendor’s API',
  description:
    'The request and the response of `ImageGenerationAsyncService.Generate` as the vendor’s REST has them. The operation is read at `/foundationModels/v1/operations/{id}`, with the image as base64 in `response.image`. A body sent as `application/x-www-form-urlencoded`, curl’s default, is read as JSON.',
  requestHeaders: z.object({ 'Idempotency-Key': idempotencyKeyHeader }),
  query: noQuery,
  body: {
    schema: vendorRequestSchema,
    fields: vendorRequestFields,
    emptyIsAbsent: true,
    examples: {
      full: {
        modelUri: 'art://folder/yandex-art/latest',
        messages: [{ text: 'a red cat', weight: 1 }],
        generationOptions: {
          mimeType: 'image/jpeg',
          seed: '1863',
          aspectRatio: { widthRatio: '2', heightRatio: '1' },
        },
      },
    },
  },
  responses: {
    200: {
      description: 'The operation, running.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Location', 'Cache-Control'],
        ['Idempotency-Replayed', 'RateLimit', 'RateLimit-Policy', 'Retry-After'],
      ),
      content: { 'application/json': vendorOperationSchema },
      examples: {
        'application/json': {
          running: exampleOperation,
        },
      },
    },
  },
  reasons: [...createReasons],
});

/** An operation in the vendor's form, whichever surface it was created on. */
export const getVendorOperation = routeContract({
  method: 'get',
  path: '/foundationModels/v1/operations/{id}',
  operationId: 'getYandexOperation',
  access: 'operations:read',
  errorForm: vendorForm,
  tag: 'yandex',
  summary: 'Get an operation in the vendor’s form',
  description:
    'Any operation of yours as the vendor’s REST writes it, with the image as base64 in `response.image` once it succeeded. For operations that were created in this form, GET `/operations/{id}` returns the same.',
  params: idParams,
  requestHeaders: z.object({ Prefer: preferHeader }),
  query: z.strictObject({ wait: waitQuery }),
  responses: {
    200: {
      description: 'The operation.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Cache-Control'],
        ['Retry-After', 'Preference-Applied'],
      ),
      content: { 'application/json': vendorOperationSchema },
      examples: {
        'application/json': {
          running: exampleOperation,
          succeeded: {
            ...exampleOperation,
            createdAt: '2026-11-23T10:00:00Z',
            modifiedAt: '2026-11-23T10:00:14Z',
            done: true,
            response: {
              '@type':
                'type.googleapis.com/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationResponse',
              image: '/9j/4AAQ',
              modelVersion: '',
            },
          },
        },
      },
    },
  },
  reasons: [...operationReasons],
});

/** The vendor's own path to cancel. Not in the document: most generators can't read its colon. */
export const cancelVendorOperation = routeContract({
  ...getVendorOperation,
  path: '/operations/{id}:cancel',
  // `/operations/:id::cancel` would collide with `/operations/:id`.
  routerPath: '/operations/:id(^[^:]+)::cancel',
  methods: ['GET', 'POST'],
  operationId: 'cancelYandexOperation',
  access: 'images:create',
  errorForm: vendorForm,
  summary: 'Cancel an operation with the vendor’s API',
  query: noQuery,
  reasons: ['malformed_json', 'unsupported_media_type', 'cross_site_refused', ...operationReasons],
});
